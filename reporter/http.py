"""One request over HTTP; no redirects, which would turn a POST into a GET."""

from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

TIMEOUT = 10.0
"""Seconds for each wait on the other side."""

_LONGEST_ANSWER = 64 * 1024


class HttpError(Exception):
    """The other side said no, or nothing that makes sense.

    Attributes:
        status: What it said; 0 if it said nothing.
        retry_after: Seconds after which to come again, as it asked.
    """

    def __init__(self, message: str, status: int = 0, retry_after: float = 0) -> None:
        """Says why."""
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after


def post(url: str, body: bytes, content_type: str) -> None:
    """Posts, and returns once it was answered 2xx.

    Raises:
        HttpError: It was answered otherwise.
        OSError: There was no answer.
    """
    _ask("POST", url, body, {"content-type": content_type})


def get(url: str, most: int) -> bytes:
    """Gets a short text.

    Raises:
        HttpError: It isn't there, or longer than `most` bytes.
        OSError: There was no answer.
    """
    answer = _ask("GET", url, None, {})
    if len(answer) > most:
        raise HttpError(f"{len(answer)} bytes, {most} at most")
    return answer


def _ask(method: str, url: str, body: bytes | None, headers: dict[str, str]) -> bytes:
    parts = urlsplit(url)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # A connection for each request: nothing that a forked child could share.
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        answer = response.read(_LONGEST_ANSWER)
    except HTTPException as error:
        raise HttpError(f"no HTTP: {type(error).__name__}") from error
    finally:
        connection.close()
    if not 200 <= response.status < 300:
        asked = response.getheader("retry-after", "")
        retry_after = float(asked) if asked.isdigit() and len(asked) < 6 else 0.0
        raise HttpError(f"HTTP status {response.status}", response.status, retry_after)
    return answer
