"""The door under load: ours against an endpoint that only appends and fsyncs.

    python -m benchmarks.collector --seconds 20

    load (a process) ──▶ server (a process) ──▶ segments, removed as they are closed

Signed SendGrid batches of 1 and of 100 events, over connections that are kept and asked
one request at a time. Three servers, in turn:

    ours    `tallybook serve`, as it is: two processes
    bare    Starlette on uvicorn with the same parsers; a body is appended to a file by
            a thread, and answered once an fdatasync came back: one for all that wait,
            as ours does. No signature, secret, limits or checksums. This is the limit.
    each    the same with an fdatasync for each request, for the record

What is compared are medians of whole runs. A run in which an answer was not 204, or
ours counted other than the sender, fails.
"""

import argparse
import asyncio
import base64
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from asyncio import AbstractEventLoop, Future
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from statistics import median
from typing import Any, cast
from urllib.request import urlopen

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SIDES = ("ours", "bare", "each")
BATCHES = (1, 100)
SECRET = "a-secret-of-the-benchmark"  # noqa: S105 - it opens nothing else
REQUESTS = 500
"""Different requests, sent round and round."""

LARGEST_FILE = 64 * 1024 * 1024
WARM_UP = 1.0


def main() -> None:
    """Runs the comparison, or one of its parts in a child process."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0, help="of each run")
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=SIDES)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--part", choices=("bare", "each", "load"), help="a child's")
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--requests", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part == "load":
        asked = json.loads(options.requests.read_text())
        requests = [base64.b64decode(one) for one in asked]
        told = load(options.port, requests, options.connections, options.seconds)
        print(json.dumps(told))
    elif options.part:
        serve_bare(options.folder, is_grouping=options.part == "bare")
    else:
        measured = [
            one
            for batch in options.batches
            for one in compare(batch, options.sides, options)
        ]
        print(json.dumps(measured, indent=2) if options.json else table(measured))


def compare(
    batch: int, sides: list[str], options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Runs all sides in turn.

    Args:
        batch: Events of a request.
        sides: Which.
        options: Seconds, repetitions, connections.

    Returns:
        For each side its medians, and all its runs.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
    for _ in range(options.repetitions):
        for side in sides:
            runs[side].append(_run(side, batch, key, options))
    return [
        {
            "side": side,
            "batch": batch,
            **{
                name: median(run[name] for run in found)
                for name in found[0]
                if name != "rss_mb"
            },
            "rss_mb": [run["rss_mb"] for run in found],
            "runs": found,
        }
        for side, found in runs.items()
    ]


def table(measured: list[dict[str, Any]]) -> str:
    """What was measured, for a terminal."""
    lines = [
        f"{'batch':>5} {'side':6}{'requests/s':>11}{'events/s':>10}{'of bare':>9}"
        f"{'p50 ms':>8}{'p99 ms':>8}{'cpu s':>7}{'RSS MB first…last':>20}"
    ]
    bare = {
        one["batch"]: one["requests_per_second"]
        for one in measured
        if one["side"] == "bare"
    }
    for one in measured:
        of_bare = one["requests_per_second"] / bare.get(one["batch"], float("nan"))
        memory = one["rss_mb"][-1]
        lines.append(
            f"{one['batch']:>5} {one['side']:6}{one['requests_per_second']:>11,.0f}"
            f"{one['requests_per_second'] * one['batch']:>10,.0f}{of_bare:>9.2f}"
            f"{one['p50_ms']:>8.1f}{one['p99_ms']:>8.1f}{one['cpu_seconds']:>7.1f}"
            f"{memory[0]:>12.0f}…{memory[-1]:.0f}, {max(memory):.0f} at most"
        )
    return "\n".join(lines)


# ---------------------------------------------------------------- one run


def _run(
    side: str, batch: int, key: ec.EllipticCurvePrivateKey, options: argparse.Namespace
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="tallybook-") as name:
        folder = Path(name)
        asked = folder / "requests.json"
        asked.write_text(json.dumps([*_requests(batch, key)]))
        with _server(side, folder, key) as (port, pid):
            before = _cpu(pid)
            command = [sys.executable, "-m", "benchmarks.collector", "--part", "load"]
            sender = subprocess.Popen(  # noqa: S603 - this very file
                [
                    *command,
                    *("--port", str(port), "--requests", str(asked)),
                    *("--seconds", str(options.seconds)),
                    *("--connections", str(options.connections)),
                ],
                stdout=subprocess.PIPE,
                text=True,
            )
            memory = _watch(sender, pid, folder)
            output, _ = sender.communicate()
            if sender.returncode:
                raise RuntimeError("the sender failed")
            told: dict[str, Any] = json.loads(output)
            if side == "ours":
                _check(port, told["sent"])
            return {**told, "cpu_seconds": _cpu(pid) - before, "rss_mb": memory}


def _requests(batch: int, key: ec.EllipticCurvePrivateKey) -> Iterator[str]:
    """Requests as SendGrid sends them, signed a moment ago."""
    timestamp = str(int(time.time())).encode()
    for number in range(REQUESTS):
        body = json.dumps(
            [_event(number * batch + place) for place in range(batch)]
        ).encode()
        signature = base64.b64encode(key.sign(timestamp + body, ec.ECDSA(SHA256())))
        head = (
            f"POST /webhooks/sendgrid/{SECRET} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            "User-Agent: SendGrid Event API\r\nContent-Type: application/json\r\n"
            "Accept-Encoding: gzip\r\n"
            f"X-Twilio-Email-Event-Webhook-Timestamp: {timestamp.decode()}\r\n"
            f"X-Twilio-Email-Event-Webhook-Signature: {signature.decode()}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        yield base64.b64encode(head.encode() + body).decode()


def _event(number: int) -> dict[str, Any]:
    return {
        "email": f"reader-{number}@example.com",
        "timestamp": int(time.time()),
        "smtp-id": f"<{number:024x}@mail.example.com>",
        "event": "open",
        "category": ["newsletter"],
        "sg_event_id": base64.urlsafe_b64encode(b"%024d" % number).decode(),
        "sg_message_id": f"{number:022x}.filterdrecv-5645d9c87f-78xh8-1-5F5FC76C-9.0",
        "useragent": "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0",
        "ip": "203.0.113.7",
        "email-id": f"email-{number % 50}",
    }


@contextmanager
def _server(
    side: str, folder: Path, key: ec.EllipticCurvePrivateKey
) -> Iterator[tuple[int, int]]:
    """A server for as long as the block lasts: its port and process id."""
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    env = {
        **os.environ,
        "TALLYBOOK_HOME": str(folder),
        "COLLECTOR__SECRETS": json.dumps({SECRET: "sendgrid"}),
        "COLLECTOR__SENDGRID_PUBLIC_KEYS": base64.b64encode(der).decode(),
    }
    command = [sys.executable, "-m", "benchmarks.collector", "--part", side]
    command += ["--folder", str(folder / "inbox")]
    if side == "ours":
        command = [str(Path(sys.executable).with_name("tallybook")), "serve"]
        command += ["--port", "0"]
    process = subprocess.Popen(  # noqa: S603 - ours
        command, env=env, stderr=subprocess.PIPE, text=True
    )
    try:
        ready = process.stderr.readline() if process.stderr else ""
        if "listening on" not in ready:
            raise RuntimeError(f"no server: {ready}")
        yield int(ready.rpartition(":")[2]), process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        if process.stderr:
            process.stderr.close()


def _watch(sender: "subprocess.Popen[str]", pid: int, folder: Path) -> list[float]:
    """Tells the server's memory every second, and removes what it has closed."""
    memory = []
    while sender.poll() is None:
        memory.append(_rss_mb(pid))
        for path in sorted((folder / "inbox").glob("*.segment"))[:-1]:
            path.unlink()
        time.sleep(1)
    return memory


def _check(port: int, sent: int) -> None:
    with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    counts = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    stored = int(counts["tallybook_collector_stored_records_total"])
    if stored != sent:
        raise RuntimeError(f"{sent} requests got 204, and {stored} are stored")


def _rss_mb(pid: int) -> float:
    """Of a server and its children; what they share is counted for each."""
    pages = sum(
        int(Path(f"/proc/{one}/statm").read_text().split()[1]) for one in _all(pid)
    )
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _cpu(pid: int) -> float:
    ticks = 0
    for one in _all(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _all(pid: int) -> list[int]:
    """A process and its children."""
    return [
        pid,
        *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()),
    ]


# ---------------------------------------------------------------- the load


def load(
    port: int, requests: list[bytes], connections: int, seconds: float
) -> dict[str, Any]:
    """Sends requests, the next one of a connection when the last was answered.

    Args:
        port: Where the server listens, on loopback.
        requests: Whole requests, sent in turn.
        connections: How many at once.
        seconds: How long, after a second of warming up.

    Returns:
        Requests sent in all, requests a second, p50 and p99 of latency.

    Raises:
        RuntimeError: An answer was not 204.
    """
    import uvloop  # noqa: PLC0415 - the parent doesn't need it

    return uvloop.run(_load(port, requests, connections, seconds))


async def _load(
    port: int, requests: list[bytes], connections: int, seconds: float
) -> dict[str, Any]:
    loop = asyncio.get_running_loop()
    begin = time.perf_counter() + WARM_UP
    stretch = _Stretch(requests, begin, begin + seconds, loop.create_future())
    for _ in range(connections):
        await loop.create_connection(lambda: _Sender(stretch), "127.0.0.1", port)
    await stretch.is_over
    latencies = sorted(stretch.latencies)
    if not latencies:
        raise RuntimeError("nothing was answered")
    return {
        "sent": stretch.answered,
        "requests_per_second": len(latencies) / seconds,
        "sender_cpu_seconds": time.process_time(),
        "p50_ms": latencies[len(latencies) // 2] * 1e3,
        "p99_ms": latencies[len(latencies) * 99 // 100] * 1e3,
    }


class _Stretch:
    """What the connections share."""

    def __init__(
        self, requests: list[bytes], begin: float, end: float, is_over: "Future[None]"
    ) -> None:
        self.requests = requests
        self.begin, self.end = begin, end
        self.is_over = is_over
        self.latencies: list[float] = []
        self.sent = self.answered = self.open = 0

    def fail(self, problem: str) -> None:
        if not self.is_over.done():
            self.is_over.set_exception(RuntimeError(problem))


class _Sender(asyncio.Protocol):
    """A connection: one request after the other."""

    def __init__(self, stretch: _Stretch) -> None:
        self._stretch = stretch

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._stretch.open += 1
        self._send()

    def data_received(self, data: bytes) -> None:
        stretch, now = self._stretch, time.perf_counter()
        if not data.startswith(b"HTTP/1.1 204") or not data.endswith(b"\r\n\r\n"):
            stretch.fail(f"answered {data[:40]!r}")
            return
        stretch.answered += 1
        if stretch.begin <= now < stretch.end:
            stretch.latencies.append(now - self._sent_at)
        if now < stretch.end:
            self._send()
            return
        stretch.open -= 1
        self._transport.close()
        if not stretch.open and not stretch.is_over.done():
            stretch.is_over.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if time.perf_counter() < self._stretch.end:
            self._stretch.fail(f"a connection broke: {exc}")

    def _send(self) -> None:
        stretch = self._stretch
        self._sent_at = time.perf_counter()
        self._transport.write(stretch.requests[stretch.sent % len(stretch.requests)])
        stretch.sent += 1


# ---------------------------------------------------------------- the limit


def serve_bare(folder: Path, *, is_grouping: bool) -> None:
    """The simplest endpoint that answers once a body is on disk.

    Args:
        folder: Where bodies are appended.
        is_grouping: Whether one fdatasync is for all that wait.
    """
    import uvicorn  # noqa: PLC0415 - the other parts don't need it
    from starlette.applications import Starlette  # noqa: PLC0415
    from starlette.requests import Request  # noqa: PLC0415 - as above
    from starlette.responses import Response  # noqa: PLC0415
    from starlette.routing import Route  # noqa: PLC0415

    appender = _Appender(folder, is_grouping=is_grouping)

    async def take(request: Request) -> Response:
        await appender.put(await request.body())
        return Response(status_code=204)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        appender.start(asyncio.get_running_loop())
        yield
        appender.stop()

    path = f"/webhooks/sendgrid/{SECRET}"
    app = Starlette(routes=[Route(path, take, methods=["POST"])], lifespan=lifespan)
    with socket.create_server(("127.0.0.1", 0), backlog=1024) as listener:
        sys.stderr.write(f"listening on http://127.0.0.1:{listener.getsockname()[1]}\n")
        sys.stderr.flush()
        config = uvicorn.Config(
            app, http="httptools", loop="uvloop", ws="none", log_level="error"
        )
        uvicorn.Server(config).run(sockets=[listener])


class _Appender:
    """A thread that writes and waits for the disk."""

    def __init__(self, folder: Path, *, is_grouping: bool) -> None:
        self._folder = folder
        self._is_grouping = is_grouping
        self._queue: SimpleQueue[tuple[bytes, Future[None]] | None] = SimpleQueue()

    def start(self, loop: AbstractEventLoop) -> None:
        self._folder.mkdir()
        self._thread = threading.Thread(target=self._run, args=[loop])
        self._thread.start()

    def stop(self) -> None:
        self._queue.put(None)
        self._thread.join()

    async def put(self, body: bytes) -> None:
        done: Future[None] = asyncio.get_running_loop().create_future()
        self._queue.put((body, done))
        await done

    def _run(self, loop: AbstractEventLoop) -> None:
        number = size = 0
        file = self._file(number)
        while (group := self._group()) is not None:
            data = b"".join(body for body, _ in group)
            os.write(file, data)
            os.fdatasync(file)
            loop.call_soon_threadsafe(_tell, [done for _, done in group])
            size += len(data)
            if size >= LARGEST_FILE:
                os.close(file)
                number, size = number + 1, 0
                file = self._file(number)
        os.close(file)

    def _group(self) -> list[tuple[bytes, "Future[None]"]] | None:
        first = self._queue.get()
        if first is None:
            return None
        group = [first]
        try:
            while self._is_grouping:
                waiting = self._queue.get_nowait()
                if waiting is not None:
                    group.append(waiting)
        except Empty:
            pass
        return group

    def _file(self, number: int) -> int:
        path = self._folder / f"{number:06}.segment"
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def _tell(answers: list["Future[None]"]) -> None:
    for done in answers:
        done.set_result(None)


if __name__ == "__main__":
    main()
