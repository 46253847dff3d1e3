"""Speed and memory of the ops against named peers, as ratios taken in one run: `python -m bench --help`."""
