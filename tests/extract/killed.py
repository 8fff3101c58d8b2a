"""A child process that extracts, and is killed with SIGKILL at a chosen place."""

import signal
import subprocess
import sys

CHILD = """
import os, signal, sys
from extract import destination, pipeline
from dlt.common.storages.load_storage import LoadStorage
from dlt.pipeline.pipeline import Pipeline
from inbox import Archive, Inbox

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

def after(owner, name, only=lambda *_: True):
    original = getattr(owner, name)
    def run(*args, **kwargs):
        result = original(*args, **kwargs)
        if only(*args):
            die()
        return result
    setattr(owner, name, run)

{kill}
pipeline.extract(["{source}"])
"""

READ = "after reading, before anything is loaded"
COMMITTED = "after events are committed, before dlt notes it"

KILLS = {
    READ: "after(Pipeline, 'extract')",
    "before a table's rows are inserted": "destination.AppendOnceJob.run = die",
    COMMITTED: (
        "after(destination.AppendOnceJob, 'run',"
        " lambda job: job.load_table_name.endswith('_events'))"
    ),
    "after the account is committed, before dlt notes it": (
        "after(destination.AppendOnceJob, 'run',"
        " lambda job: job.load_table_name == 'requests')"
    ),
    "after the load is logged, before its package is put away": (
        "LoadStorage.complete_load_package = die"
    ),
}

ARCHIVING = {
    "while reading": "after(Inbox, '_read')",
    "after the load, before anything is archived": "Inbox.retire = die",
    "while a segment is archived": "after(Archive, '_write')",
    "after a segment is archived": "after(Archive, 'take')",
}
"""Where else reading the inbox may be killed."""


def die(source: str, kill: str) -> None:
    """Extracts a source in a process that is killed.

    Args:
        source: Its name.
        kill: Statement that sets the trap.
    """
    script = CHILD.format(source=source, kill=kill)
    child = subprocess.run([sys.executable, "-c", script], check=False)
    assert child.returncode == -signal.SIGKILL


def live(source: str, before: str) -> None:
    """Extracts a source in a process that lives.

    Args:
        source: Its name.
        before: Statement that is executed before.
    """
    script = CHILD.format(source=source, kill=before)
    subprocess.run([sys.executable, "-c", script], check=True)
