"""A client of the stand-in that knows no tricks."""

import json
from base64 import b64encode
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse
from typing import Any
from urllib.parse import urlencode, urlsplit

from simulator import Simulator


class Client:
    """Asks the stand-in over one kept-alive connection."""

    def __init__(self, running: Simulator, base_url: str | None = None) -> None:
        self.running = running
        self.domain = running.domains[0]
        self.base_url = base_url or running.base_url
        host = urlsplit(self.base_url).netloc
        credentials = b64encode(f"api:{running.api_key}".encode()).decode()
        self._headers = {"Authorization": f"Basic {credentials}"}
        self._connection = HTTPConnection(host, timeout=10)

    def ask(
        self, path: str, headers: dict[str, str] | None = None
    ) -> tuple[HTTPResponse, bytes]:
        """Any answer, with its whole body."""
        given = self._headers if headers is None else headers
        self._connection.request("GET", path, headers=given)
        response = self._connection.getresponse()
        return response, response.read()

    def json(self, path: str) -> Any:
        """The body of an answer that must be 200."""
        response, body = self.ask(path)
        assert response.status == 200, body
        return json.loads(body)

    def page(self, **query: object) -> Any:
        """The first page of a range."""
        return self.json(f"/v3/{self.domain}/events?{urlencode(query)}")

    def follow(self, url: str) -> Any:
        """The page that a link of `paging` leads to."""
        assert url.startswith(f"{self.base_url}/v3/{self.domain}/events/")
        return self.json(url.removeprefix(self.base_url))

    def pages(self, **query: object) -> Iterator[list[Any]]:
        """The items of every page, up to the empty one."""
        page = self.page(**query)
        for _ in range(1_000):
            if not page["items"]:
                return
            yield page["items"]
            page = self.follow(page["paging"]["next"])
        raise AssertionError("the pages never end")

    def items(self, **query: object) -> list[Any]:
        """The items of all pages."""
        return [item for page in self.pages(**query) for item in page]

    def close(self) -> None:
        self._connection.close()
