"""`python -m simulator`: builds a world, writes its application, plays its providers.

When ready, it prints one line of JSON: base_url, api_key and domains of what is polled;
posting_domains (by provider) and the keys that check what is posted to webhooks:
sendgrid_public_key, mailgun_signing_key, postmark_credentials. It ends at SIGTERM or
SIGINT, and when a pipe that it reads as stdin is closed, so that it never outlives
whoever started it.
"""

import argparse
import asyncio
import json
import os
import signal
import stat
import sys
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from pathlib import Path

from simulator.app import write_app
from simulator.desk import HOST, Desk
from simulator.knobs import POSTING
from simulator.world import Spec, World


def main(arguments: Sequence[str] | None = None) -> None:
    """Does as the command line says.

    Args:
        arguments: Command line; None for this process's own.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    recipe = {field.name: getattr(options, field.name) for field in fields(Spec)}
    try:
        spec = Spec(**recipe)
    except ValueError as mistake:
        parser.error(str(mistake))
    world = World(spec)
    if options.app_folder is not None:
        write_app(world.app_tables(), options.app_folder, form=options.app_form)
    if options.truth is not None:
        options.truth.write_bytes(world.truth().as_json())
    asyncio.run(_serve(world, options.port))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulator",
        usage="python -m simulator [options]",
        description="Stand-ins for Mailgun, SendGrid and Postmark on loopback.",
        epilog="docs/simulator.md says what to do with them.",
    )
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--app-folder", type=Path, help="write the application here")
    parser.add_argument("--app-form", choices=("parquet", "csv"), default="parquet")
    parser.add_argument("--truth", type=Path, help="write what is true here, as JSON")
    recipe = parser.add_argument_group("the world", "see simulator.world.Spec")
    for field in fields(Spec):
        kind = type(field.default)
        recipe.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=datetime.fromisoformat if kind is datetime else kind,
            default=field.default,
            help=f"default: {field.default}",
        )
    return parser


async def _serve(world: World, port: int) -> None:
    desk = Desk(world)
    server = await desk.listen(port)
    _, bound_port = server.sockets[0].getsockname()
    sealer = desk.postman.sealer
    ready = {
        "base_url": f"http://{HOST}:{bound_port}",
        "api_key": desk.mailgun.api_key,
        "domains": world.domains,
        "posting_domains": {name: world.domains_of(name) for name in POSTING},
        "sendgrid_public_key": sealer.sendgrid.public,
        "mailgun_signing_key": sealer.mailgun.secret,
        "postmark_credentials": sealer.postmark_credentials,
    }
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for end in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(end, stopped.set)
    stdin = sys.stdin.fileno()
    kind = os.fstat(stdin).st_mode
    # A terminal or /dev/null is nobody's lifeline.
    if stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind):
        loop.add_reader(stdin, _stop_at_end, stdin, stopped)
    sys.stdout.write(json.dumps(ready) + "\n")
    sys.stdout.flush()
    async with server, asyncio.TaskGroup() as group:
        posting = group.create_task(desk.postman.run())
        await stopped.wait()
        posting.cancel()


def _stop_at_end(stdin: int, stopped: asyncio.Event) -> None:
    if not os.read(stdin, 1024):
        stopped.set()


if __name__ == "__main__":
    main()
