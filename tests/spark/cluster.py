"""A Spark standalone cluster on loopback: one master and two workers.

Each is a process of its own, started with Spark's `spark-class` and ended by its id.
"""

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pyspark

SPARK_CLASS = Path(pyspark.__file__).parent / "bin" / "spark-class"
DEPLOY = "org.apache.spark.deploy"
PATIENCE = 60
"""Seconds that a process may take to come up."""


@contextmanager
def standalone(folder: Path, workers: int = 2) -> Iterator[str]:
    """Runs a cluster for as long as the context is open.

    Args:
        folder: Where the workers keep what they work on, and where logs go.
        workers: How many there are, with one core each.

    Yields:
        The master's address, spark://….
    """
    port, page = free_port(), free_port()
    master = f"spark://127.0.0.1:{port}"
    listen = ("--host", "127.0.0.1", "--webui-port")
    with ExitStack() as running:
        log = folder / "master.log"
        running.enter_context(
            _process(log, "master.Master", *listen, str(page), "--port", str(port))
        )
        _wait_for(log, "I have been elected leader")
        for number in range(workers):
            work = folder / f"worker-{number}"
            running.enter_context(
                _process(
                    folder / f"worker-{number}.log",
                    "worker.Worker",
                    *listen,
                    str(free_port()),
                    *("--cores", "1", "--memory", "1g", "--work-dir", str(work)),
                    master,
                )
            )
        for number in range(workers):
            _wait_for(folder / f"worker-{number}.log", "Successfully registered")
        yield master


@contextmanager
def _process(log: Path, name: str, *arguments: str) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [SPARK_CLASS, f"{DEPLOY}.{name}", *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "SPARK_LOCAL_IP": "127.0.0.1"},
        )
    try:
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


def _wait_for(log: Path, words: str) -> None:
    """Waits until a process has said so."""
    end = time.monotonic() + PATIENCE
    while words not in log.read_text(errors="replace"):
        if time.monotonic() > end:
            raise TimeoutError(f"{log} doesn't say {words!r}: {log.read_text()}")
        time.sleep(0.2)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
