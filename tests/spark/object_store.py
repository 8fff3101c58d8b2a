"""A real object store on loopback: OpenStack Swift, which speaks S3's protocol.

```
s3a://bucket/… ──▶ proxy ─┬─▶ account server ──┐
   (S3 over HTTP)         ├─▶ container server ├─▶ files in a folder
                          └─▶ object server ───┘
```

Each is a process of its own, started with Swift's own commands and ended by its id.
"""

import getpass
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cluster import PATIENCE, free_port
from swift.common.ring import RingBuilder  # type: ignore[import-untyped]

BIN = Path(sys.executable).parent
KEEPERS = ("account", "container", "object")
FILTERS = ("catch_errors", "gatekeeper", "listing_formats", "s3api", "tempauth", "slo")
ACCOUNT, USER, SECRET = "lake", "keeper", "secret"


@contextmanager
def object_store(folder: Path) -> Iterator[dict[str, str]]:
    """Runs a store for as long as the context is open.

    Args:
        folder: Where it keeps everything.

    Yields:
        The variables by which S3's clients find it and are let in.
    """
    (folder / "disks" / "one").mkdir(parents=True)
    (folder / "swift.conf").write_text(
        "[swift-hash]\nswift_hash_path_prefix = a\nswift_hash_path_suffix = b\n"
    )
    ports = {name: free_port() for name in (*KEEPERS, "proxy")}
    with ExitStack() as running:
        for name, port in ports.items():
            keeps = name != "proxy"
            if keeps:
                _ring(folder / f"{name}.ring.gz", port)
            settings = _keeper(folder, name, port) if keeps else _proxy(folder, port)
            (folder / f"{name}.conf").write_text(settings)
            running.enter_context(_server(folder, name))
        for name, port in ports.items():
            _wait_for(port, folder / f"{name}.log")
        yield {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports['proxy']}",
            "AWS_ACCESS_KEY_ID": f"{ACCOUNT}:{USER}",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
        }


def _ring(file: Path, port: int) -> None:
    """Says where things are kept: all on one disk, once."""
    builder = RingBuilder(part_power=2, replicas=1, min_part_hours=0)
    place = {"region": 1, "zone": 1, "ip": "127.0.0.1", "port": port, "device": "one"}
    builder.add_dev({**place, "weight": 1})
    builder.rebalance()
    builder.get_ring().save(str(file))


def _common(folder: Path, port: int) -> str:
    return (
        f"[DEFAULT]\nswift_dir = {folder}\nuser = {getpass.getuser()}\n"
        f"bind_ip = 127.0.0.1\nbind_port = {port}\nworkers = 0\n"
    )


def _keeper(folder: Path, name: str, port: int) -> str:
    return (
        f"{_common(folder, port)}devices = {folder / 'disks'}\n"
        "mount_check = false\ndisable_fallocate = true\n"
        f"[pipeline:main]\npipeline = {name}-server\n"
        f"[app:{name}-server]\nuse = egg:swift#{name}\n"
    )


def _proxy(folder: Path, port: int) -> str:
    filters = "".join(
        f"[filter:{name}]\nuse = egg:swift#{name}\n"
        + (f"user_{ACCOUNT}_{USER} = {SECRET} .admin\n" if name == "tempauth" else "")
        for name in FILTERS
    )
    return (
        f"{_common(folder, port)}[pipeline:main]\n"
        f"pipeline = {' '.join(FILTERS)} proxy-server\n"
        "[app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n"
        f"{filters}"
    )


@contextmanager
def _server(folder: Path, name: str) -> Iterator[None]:
    with (folder / f"{name}.log").open("wb") as output:
        process = subprocess.Popen(
            [BIN / f"swift-{name}-server", folder / f"{name}.conf"],
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _wait_for(port: int, log: Path) -> None:
    """Waits until a server listens."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError(log.read_text())
