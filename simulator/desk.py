"""One door for all: the provider's API, its posts, and their knobs.

/posts      what is posted to webhooks (`simulator.postman`)
the rest    `simulator.mailgun`
"""

import asyncio

from simulator.mailgun import Mailgun
from simulator.postman import Postman
from simulator.wire import Connection, Request, Response
from simulator.world import World

HOST = "127.0.0.1"
"""Loopback, and nothing else: the control doors have no lock."""


class Desk:
    """Answers every request.

    Attributes:
        mailgun: Answers what is polled.
        postman: Posts what is not.
    """

    def __init__(self, world: World) -> None:
        """Takes its place.

        Args:
            world: What there is to tell.
        """
        self.mailgun = Mailgun(world)
        self.postman = Postman(world, self.mailgun.now)

    def answer(self, request: Request) -> Response:
        """The answer to any request."""
        if request.path == "/posts":
            return self.postman.control(request)
        response = self.mailgun.answer(request)
        if request.path == "/control":
            self.postman.wake()  # the clock may have moved
        return response

    async def listen(self, port: int) -> asyncio.Server:
        """Serves on loopback.

        Args:
            port: TCP port; 0 for any that is free.

        Returns:
            The server, listening.

        Raises:
            OSError: The port is taken.
        """
        loop = asyncio.get_running_loop()
        return await loop.create_server(lambda: Connection(self.answer), HOST, port)
