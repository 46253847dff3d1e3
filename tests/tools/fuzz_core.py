"""Calls the library's core with ever new arguments for a given time, and ends with the smallest ones that fail."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT / each) for each in (".", "tests", "tests/ops", "build/core")]
EXAMPLES = 200  # of a property at a time


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0)
    end = time.monotonic() + parser.parse_args().seconds

    import hypothesis

    hypothesis.settings.register_profile("fuzz", max_examples=EXAMPLES, deadline=None, print_blob=True)
    hypothesis.settings.load_profile("fuzz")  # before properties are made
    import test_native_core as core

    properties = (
        core.test_values_of_any_size,
        core.test_rows_are_the_terms_of_the_definition,
        core.test_columns_are_the_terms_of_the_definition,
    )
    examples = 0
    while time.monotonic() < end:
        for each in properties:
            each()
        examples += EXAMPLES
    print(f"{len(properties)} properties hold for {examples} examples each")


if __name__ == "__main__":
    main()
