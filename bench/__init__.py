"""Speed and memory of the ops against named peers, as ratios taken in one run: `python -m bench --help`."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT / "tests"), str(ROOT / "examples")]  # of samples and of studies
