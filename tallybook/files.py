"""Writing a file so that nobody ever reads half of it."""

import os
from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Writes a file beside the old one and gives it the name at one stroke."""
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(content)
    sync(new)
    new.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
