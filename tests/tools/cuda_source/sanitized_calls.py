"""Executes calls of a library in a process that a sanitizer's runtime was preloaded into; started by cuda_source."""

from __future__ import annotations

import copy
import pickle
import sys
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from cuda_source import call, load

    path, calls, orders = pickle.loads(Path(sys.argv[1]).read_bytes())
    results = []
    for function, arguments in calls:
        for order, seed in orders:
            left = copy.deepcopy(list(arguments))
            call(load(path), function, left, order, seed)
        results.append(left)
    Path(sys.argv[2]).write_bytes(pickle.dumps(results))
