"""Runs the registry: tests first, then speed as ratios against named peers, then memory; a table, a CSV and a plot."""

from __future__ import annotations

import argparse
import csv
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

import bench.resampling
import bench.spectral
import bench.testbeds  # noqa: F401  (these fill the registry)
import specops
from bench.measure import compare, peak_bytes
from bench.plot import save_plot
from bench.registry import REGISTRY, Entry

ROOT = Path(__file__).parents[1]


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with 1 where a must is missed")
    parser.add_argument("--only", default="", metavar="TEXT", help="only claims that contain TEXT")
    parser.add_argument("--out", type=Path, default=ROOT / "output" / "bench", help="folder of results.csv and .png")
    return parser.parse_args()


def machine() -> str:
    """Processor, instruction set in use and versions."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = found[0] if found else name
    native = specops.backends.native()
    isa = "no extension" if isinstance(native, str) else native.isa()
    return f"{name}, {isa}, torch {torch.__version__}, specops {specops.__version__}"


def failing(tests: set[str]) -> str:
    """Returns the end of what pytest printed, or nothing where all tests pass."""
    paths = [str(ROOT / "tests" / name) for name in sorted(tests)]
    command = [sys.executable, "-m", "pytest", "-q", "--numprocesses", "2", *paths]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if finished.returncode == 0 else finished.stdout[-2000:]


def row(entry: Entry) -> dict[str, Any]:
    timings = entry.setup()
    measured = compare(timings)
    ratio = measured["ratio min"]
    verdict = "" if entry.must is None else "missed" if ratio > entry.must else "met"
    if verdict == "met" and entry.aim is not None and ratio <= entry.aim:
        verdict = "aim"
    peers = {name: measured[f"{name} min"] for name in timings.peers}
    return {
        "claim": entry.claim,
        "case": entry.case,
        "ratio": round(ratio, 3),
        "ratio of medians": round(measured["ratio median"], 3),
        "must": entry.must,
        "aim": entry.aim,
        "verdict": verdict,
        "ours s": measured["ours min"],
        "ours ns per pixel": round(measured["ours min"] / entry.pixels * 1e9, 3) if entry.pixels else "",
        "peers s": "; ".join(f"{name} {seconds:.3g}" for name, seconds in peers.items()),
    }


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    partial = path.with_suffix(".part")
    with partial.open("w", newline="") as file:
        file.write(f"# {machine()}\n")
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(path)


def main() -> int:
    options = parse()
    entries = [entry for entry in REGISTRY.entries if options.only in entry.claim]
    memory = [entry for entry in REGISTRY.memory if options.only in entry.claim]
    if not entries and not memory:
        print(f"bench: no claim contains {options.only!r}", file=sys.stderr)
        return 2
    guards = [entry.tests for entry in entries] + [held.tests for held in memory]
    if failed := failing({test for tests in guards for test in tests}):
        print(f"{failed}\nbench: these tests fail, so no speed is shown", file=sys.stderr)
        return 1
    print(machine())
    rows = []
    for entry in tqdm(entries, disable=None):
        rows.append(row(entry))
        shown = rows[-1]
        print(f"{shown['ratio']:8.3f}  {shown['verdict'] or '-':7} {entry.claim}, {entry.case}", flush=True)
    for held in memory:
        peak = peak_bytes(held)
        verdict = "met" if peak <= held.bound else "missed"
        print(f"{peak / 2**20:6.1f} MiB  {verdict:7} {held.claim}, {held.case} (must {held.bound / 2**20:.1f})")
        rows.append({"claim": f"peak bytes of {held.claim}", "case": held.case, "ratio": peak, "must": held.bound})
        rows[-1]["verdict"] = verdict
    options.out.mkdir(parents=True, exist_ok=True)
    fields = dict.fromkeys(key for each in rows for key in each)
    write_csv(options.out / "results.csv", [{key: each.get(key, "") for key in fields} for each in rows])
    save_plot(options.out / "results.png", rows, machine())
    missed = [f"{each['claim']}, {each['case']}" for each in rows if each["verdict"] == "missed"]
    print(f"{len(rows)} measured, {len(missed)} musts missed; {options.out}/results.csv, results.png")
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
