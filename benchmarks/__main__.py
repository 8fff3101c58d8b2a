"""All of them, one after the other: two timings at once would tell nothing."""

import subprocess
import sys

COMMANDS = (
    ("benchmarks.extract_mailgun", "--events", "100000"),
    ("benchmarks.extract_mailgun", "--events", "1000000"),
    ("benchmarks.recipient_status", "--events", "50000", "1000000"),
    ("benchmarks.tick", "--events", "1000000", "10000000"),
    ("benchmarks.collector", "--seconds", "20"),
)

for module, *arguments in COMMANDS:
    print("$ python -m", module, *arguments, flush=True)
    subprocess.run([sys.executable, "-m", module, *arguments], check=True)  # noqa: S603
