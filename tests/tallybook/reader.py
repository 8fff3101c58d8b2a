"""An analyst's session, as a script: opens the published file and keeps it.

    python reader.py FILE

Each line on stdin is answered with what the session sees, pickled.
"""

import pickle
import sys

import duckdb
from handmade import shown_by

with duckdb.connect(sys.argv[1], read_only=True) as con:
    print("open", flush=True)
    for _ in sys.stdin:
        print(pickle.dumps(shown_by(con)).hex(), flush=True)
