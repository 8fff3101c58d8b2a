"""Asks a provider, patiently, and never anyone else.

    path or next page ──▶ same host? ──▶ GET ──▶ 200 ──▶ understood? ──▶ answer
                                          ▲                   │
                                          ╰── wait, retry ◀── no; 408, 425, 429, 5xx,
                                                              reset, truncated

urllib3's pool, not requests: it keeps connections alive, notices bodies that are
shorter than announced, and is what requests is built on, without its layers. Its
own retries stay off: they would not cover a body that breaks off while it is read,
nor a 200 that isn't a page.
"""

import base64
import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Literal, Self, TypeVar
from urllib.parse import urlsplit

import urllib3

T = TypeVar("T")

CONNECT_TIMEOUT = 10.0
"""Seconds to reach the host."""

READ_TIMEOUT = 60.0
"""Seconds between two pieces of an answer."""

LARGEST_ANSWER = 64 * 1024 * 1024
"""Bytes; 300 events of the largest size that a provider stores are less than half."""

_RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})


class ProviderError(Exception):
    """The provider can't be read; the message says why and what to do."""


class NotUnderstoodError(ProviderError):
    """The provider answers 200, again and again, with something else than asked for.

    Attributes:
        body: Its last answer.
    """

    def __init__(self, message: str, body: bytes) -> None:
        """Keeps the answer for a dead letter."""
        super().__init__(message)
        self.body = body


@dataclass(frozen=True)
class Patience:
    """How long to go on trying.

    Attributes:
        attempts: Requests for one answer, the first included.
        first_wait: Seconds before the second one; doubles each time, and a random
            half of it is taken off, so that many clients don't come back together.
        longest_wait: Seconds; also what is granted to a Retry-After.
    """

    attempts: int = 5
    first_wait: float = 0.5
    longest_wait: float = 60.0


PATIENCE = Patience()
"""How long a client goes on trying, unless it is told otherwise."""


class Client:
    """One host, one key, connections kept alive. Threads may share it.

    Args:
        base_url: Scheme and host; everything asked for lies there.
        user: For basic auth.
        password: For basic auth; goes to this host only and into no message.
        patience: How long to go on trying; None for `PATIENCE`.
    """

    def __init__(
        self,
        base_url: str,
        user: str,
        password: str,
        patience: Patience | None = None,
    ) -> None:
        """Opens nothing yet."""
        self.base_url = base_url.rstrip("/")
        self._patience = patience or PATIENCE
        self._closed = threading.Event()
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._pool = urllib3.PoolManager(
            retries=False,
            maxsize=2,
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT),
            headers={
                "authorization": f"Basic {token}",
                "accept": "application/json",
                "accept-encoding": "gzip",
                "user-agent": "tallybook",
            },
        )

    def get(
        self,
        address: str,
        understand: Callable[[bytes], T],
        query: Mapping[str, str] | None = None,
    ) -> T:
        """Asks until there is an answer that is understood.

        Args:
            address: A path, or a whole address of this host.
            understand: Reads the body; a ValueError means that it isn't what was
                asked for, and that it is worth asking again.
            query: Parameters of the address.

        Returns:
            What `understand` made of the body.

        Raises:
            NotUnderstoodError: No answer was understood.
            ProviderError: The host refuses, or can't be reached.
        """
        return self._patiently("GET", address, understand, query)

    def post(self, address: str, understand: Callable[[bytes], T], asked: object) -> T:
        """The same for a question that is put as JSON; nothing is changed by it.

        Args:
            address: A path of this host.
            understand: Reads the body, as in `get`.
            asked: Anything that JSON can write.

        Returns:
            What `understand` made of the body.

        Raises:
            NotUnderstoodError: No answer was understood.
            ProviderError: The host refuses, or can't be reached.
        """
        return self._patiently("POST", address, understand, asked)

    def _patiently(
        self,
        method: Literal["GET", "POST"],
        address: str,
        understand: Callable[[bytes], T],
        asked: object,
    ) -> T:
        address = self._own(address)
        for attempt in range(1, self._patience.attempts + 1):
            wait = self._backoff(attempt)
            try:
                status, headers, body = self._ask(method, address, asked)
            except urllib3.exceptions.HTTPError as error:
                failure = ProviderError(
                    f"{self.base_url} can't be reached ({_reason(error)}): "
                    "check the host and the network; the next run goes on from here"
                )
            else:
                if status == 200:
                    try:
                        return understand(body)
                    except ValueError as error:
                        failure = NotUnderstoodError(
                            f"{self.base_url} answered 200 with something else than "
                            f"was asked for: {error}",
                            body,
                        )
                elif status in _RETRIED:
                    failure = ProviderError(
                        f"{self.base_url} answered {status}: it has too much to do; "
                        "the next run goes on from here"
                    )
                    wait = max(wait, self._asked_to_wait(headers.get("retry-after")))
                else:
                    raise ProviderError(self._refusal(status, address))
            if attempt < self._patience.attempts and self._closed.wait(wait):
                break
        raise failure

    def close(self) -> None:
        """Lets go of the connections, and ends waits of other threads."""
        self._closed.set()
        self._pool.clear()

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Closes it."""
        self.close()

    def _own(self, address: str) -> str:
        """The whole address, if it is this host's.

        Raises:
            ProviderError: It is another host's.
        """
        if address.startswith("/") and not address.startswith("//"):
            return self.base_url + address
        if _host(address) != _host(self.base_url):
            raise ProviderError(
                f"{self.base_url} points to another host "
                f"({'://'.join(map(str, _host(address)[:2]))}): not followed, because "
                "the key must not go there; set the host that the account lives on"
            )
        return address

    def _ask(
        self, method: Literal["GET", "POST"], address: str, asked: object
    ) -> tuple[int, Mapping[str, str], bytes]:
        put: dict[str, Any] = {"fields" if method == "GET" else "json": asked}
        response = self._pool.request(
            method, address, redirect=False, preload_content=False, **put
        )
        try:
            body = response.read(LARGEST_ANSWER)
            if response.read(1):
                raise ProviderError(
                    f"{self.base_url} answers with more than {LARGEST_ANSWER:,} bytes: "
                    "check that the host is the provider's"
                )
            response.release_conn()
        finally:
            response.close()
        return response.status, response.headers, body

    def _backoff(self, attempt: int) -> float:
        wait = self._patience.first_wait * 2.0 ** (attempt - 1)
        share = random.uniform(0.5, 1)  # noqa: S311 - spreads load, hides nothing
        return float(min(wait, self._patience.longest_wait) * share)

    def _asked_to_wait(self, retry_after: str | None) -> float:
        """Seconds of a Retry-After, in seconds or as a date; what is odd is 0."""
        if retry_after is None:
            return 0.0
        try:
            seconds = float(retry_after)
        except ValueError:
            try:
                at = parsedate_to_datetime(retry_after)
            except ValueError:
                return 0.0
            seconds = (at.astimezone(UTC) - datetime.now(UTC)).total_seconds()
        if not seconds > 0:  # NaN as well
            return 0.0
        return min(seconds, self._patience.longest_wait)

    def _refusal(self, status: int, address: str) -> str:
        path = urlsplit(address).path
        if status == 401:
            return f"{self.base_url} refuses the key (401): check the API key"
        if status == 403:
            return (
                f"{self.base_url} refuses {path} (403): check that the key may read "
                "this domain's events"
            )
        if status == 404:
            return (
                f"{self.base_url} does not know {path} (404): check the domain's name "
                "and its region, EU and US are different hosts"
            )
        if 300 <= status < 400:
            return (
                f"{self.base_url} sends us elsewhere ({status}): not followed, because "
                "the key must not go there; set the host itself"
            )
        return f"{self.base_url} refuses {path} ({status}): see its documentation"


def _host(address: str) -> tuple[str, str | None, int | None]:
    """Scheme, host and port, with the scheme's own port for none."""
    try:
        parts = urlsplit(address)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return ("", None, None)
    return parts.scheme.lower(), parts.hostname, port


def _reason(error: urllib3.exceptions.HTTPError) -> str:
    """A few words; urllib3's own text may hold the whole address."""
    cause = error.__cause__
    if isinstance(cause, OSError) and cause.strerror:
        return cause.strerror
    words = {
        urllib3.exceptions.NameResolutionError: "no such host",
        urllib3.exceptions.NewConnectionError: "no connection",
        urllib3.exceptions.TimeoutError: "no answer in time",
        urllib3.exceptions.SSLError: "no trusted connection",
        urllib3.exceptions.ProtocolError: "the connection broke",
    }
    for kind, told in words.items():
        if isinstance(error, kind):
            return told
    return type(error).__name__
