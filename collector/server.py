"""Serves the door: uvicorn, with limits of time, of headers and of connections.

socket ──▶ Connection (limits) ──▶ the application
"""

import asyncio
import gc
import ipaddress
import signal
import socket
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from collector import log
from collector.app import RETRY_AFTER, application
from collector.providers import ways
from collector.settings import SettingsError, home

LONGEST_HEAD = 16 * 1024
"""Bytes of a request's line and headers."""

PATIENCE = 30.0
"""Seconds in which a request must have come, from its first byte to its last."""

KEEP_ALIVE = 75
"""Seconds that an idle connection is kept: longer than proxies do, who reuse it."""

MOST_CONNECTIONS = 1_000

BACKLOG = 1_024
"""Connections that wait to be taken."""

_YOUNG = 10_000
"""Objects after which Python looks for garbage, instead of 700."""

GRACE = 10
"""Seconds that requests in hand have to be finished when the server ends."""


class Connection(HttpToolsProtocol):
    """A sender's connection, which can't be kept waiting by sending slowly."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """As uvicorn makes it."""
        super().__init__(*arguments, **options)
        self._head = 0
        self._is_in_head = True
        self._is_in_message = False
        self._begun: float | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Someone connected, perhaps one too many."""
        super().connection_made(transport)
        self._begun = self.loop.time()
        if len(self.connections) > MOST_CONNECTIONS:
            self._end(503)

    def data_received(self, data: bytes) -> None:
        """More of a request came."""
        if self.transport.is_closing():
            return
        if self._is_in_head:
            self._head += len(data)
        super().data_received(data)
        if self._is_in_head and self._head > LONGEST_HEAD:
            self._end(431)

    def on_message_begin(self) -> None:
        """The first byte of a request has come."""
        super().on_message_begin()
        self._is_in_message = True
        if self._begun is None:
            self._begun = self.loop.time()

    def on_headers_complete(self) -> None:
        """Its head has come, perhaps with some of the body."""
        if self._head > LONGEST_HEAD:
            lengths = (len(name) + len(value) for name, value in self.headers)
            if len(self.url) + sum(lengths) > LONGEST_HEAD:
                self._end(431)
                raise ValueError("head too long")  # ends the parser
        self._is_in_head, self._head = False, 0
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """All of it has come."""
        super().on_message_complete()
        self._begun, self._is_in_head, self._is_in_message = None, True, False

    def send_400_response(self, msg: str) -> None:
        """It is no HTTP."""
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def give_up(self, now: float) -> None:
        """Ends a request that takes too long to come."""
        is_late = self._begun is not None and now - self._begun > PATIENCE
        # The next one's turn comes when this one is answered.
        if is_late and not (self._is_in_head and self._is_answering):
            self._end(408)

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _end(self, status: int) -> None:
        """Closes the connection, and says why if nothing else was said."""
        if self.transport.is_closing():
            return
        is_silent = status == 408 and not self._is_in_message
        if not self._is_in_head:
            is_silent = self.cycle.response_started
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if not is_silent:
            retry = b"retry-after: " + RETRY_AFTER + b"\r\n" if status == 503 else b""
            self.transport.write(
                STATUS_LINE[status]
                + retry
                + b"content-length: 0\r\nconnection: close\r\n\r\n"
            )
        self.transport.close()


class Server(uvicorn.Server):
    """Looks at its connections once a second."""

    async def on_tick(self, counter: int) -> bool:
        """Every tenth of a second."""
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, Connection):
                    connection.give_up(now)
        return await super().on_tick(counter)


def serve(host: str, port: int, *, is_insecure: bool = False) -> None:
    """Serves until SIGTERM or SIGINT.

    Args:
        host: An address of this machine.
        port: 0 for any that is free.
        is_insecure: Takes sources without a key unverified; on loopback only.

    Raises:
        SettingsError: A setting makes no sense.
        OSError: The address can't be had.
    """
    if is_insecure and not _is_loopback(host):
        raise SettingsError(
            f"--insecure-local takes requests that nobody signed, and {host} is not "
            "loopback: set the keys, or listen on 127.0.0.1"
        )
    told = ways(is_insecure=is_insecure)
    log.set_up()
    with bound(host, port) as listener:
        run(application(told, home() / "inbox"), listener)


def run(app: ASGIApp, listener: socket.socket) -> None:
    """Serves an application on a bound socket until SIGTERM or SIGINT."""
    config = uvicorn.Config(
        app,
        http=Connection,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=GRACE,
    )
    server = Server(config)

    def end(*_: object) -> None:
        server.should_exit = True

    # While it starts, and once it has ended, when uvicorn passes the signal on.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, end)
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    log.logger.info("listening on http://%s:%s", shown, port)
    # Requests make little garbage in cycles: what is there now need not be walked.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG)
    server.run(sockets=[listener])
    log.logger.info("ended")


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens; from now on connections wait to be taken.

    Raises:
        OSError: The address can't be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
