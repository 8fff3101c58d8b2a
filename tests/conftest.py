"""What all tests share."""

import gc
import os

# pytest-xdist gives its workers a width, and the programs that they start would fit it.
os.environ.pop("COLUMNS", None)

# As tallybook/dbt_plugin.py has it for dbt's sake, from the first test on.
gc.set_threshold(100_000)
