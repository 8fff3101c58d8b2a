"""Reads the inbox into raw without end, to be killed: `python reading.py`."""

import sys
import time

from extract.pipeline import Memory, extract


def main() -> None:
    """A line on stdout before each reading."""
    memory = Memory()
    while True:
        sys.stdout.write("reading\n")
        sys.stdout.flush()
        extract(["inbox"], memory=memory)
        time.sleep(0.02)


if __name__ == "__main__":
    main()
