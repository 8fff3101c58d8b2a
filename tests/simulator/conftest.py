"""One small world, the stand-in that serves it, and a client."""

from collections.abc import Iterator
from dataclasses import asdict

import pytest
from simulator_client import Client

from simulator import Simulator, Spec, serve
from simulator.knobs import Knobs
from simulator.world import World

SPEC = Spec(seed=11, days=6, accounts=2, emails=12, recipients_per_email=60, late=0.05)


@pytest.fixture(scope="session")
def world() -> World:
    return World(SPEC)


@pytest.fixture(scope="session")
def _running() -> Iterator[Simulator]:
    with serve(SPEC) as running:
        yield running


@pytest.fixture
def client(_running: Simulator) -> Iterator[Client]:
    """A client of a stand-in with every knob where it was at first."""
    _running.control(**asdict(Knobs()))
    client = Client(_running)
    yield client
    client.close()
