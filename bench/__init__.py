"""Speed and memory of the ops against named peers, as ratios taken in one run: `python -m bench --help`."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Of samples, of CUDA sources without a GPU, and of studies.
sys.path += [str(ROOT / "tests"), str(ROOT / "tests" / "tools"), str(ROOT / "examples")]
