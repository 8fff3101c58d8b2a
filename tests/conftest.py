"""What all tests share."""

import os

# pytest-xdist gives its workers a width, and the programs that they start would fit it.
os.environ.pop("COLUMNS", None)
