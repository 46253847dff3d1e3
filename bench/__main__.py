"""Runs the registry: tests, then speed as ratios against named peers, memory, accuracy; a table, a CSV and a plot."""

from __future__ import annotations

import argparse
import csv
import platform
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

import bench.accuracy
import bench.resampling
import bench.spectral
import bench.testbeds  # noqa: F401  (these fill the registry)
import specops
from bench.alone import compare_alone
from bench.measure import compare, peak_bytes
from bench.plot import save_plot
from bench.registry import REGISTRY, AccuracyEntry, Entry, MemoryEntry, PeerError

ROOT = Path(__file__).parents[1]


Row = dict[str, Any]


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit with 1 where a must is missed")
    parser.add_argument("--only", default="", metavar="TEXT", help="only claims that contain TEXT")
    parser.add_argument("--out", type=Path, default=ROOT / "output" / "bench", help="folder of results.csv and .png")
    return parser.parse_args(arguments)


def machine() -> str:
    """Processor, instruction set in use and versions."""
    name = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        found = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        name = found[0] if found else name
    isa = "no extension" if specops.backends.no_extension() else specops.backends.extension().isa()
    return f"{name}, {isa}, torch {torch.__version__}, specops {specops.__version__}"


def failing(tests: set[str]) -> str:
    """Returns the end of what pytest printed, or nothing where all tests pass."""
    paths = [str(ROOT / "tests" / name) for name in sorted(tests)]
    command = [sys.executable, "-m", "pytest", "-q", "--numprocesses", "2", *paths]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return "" if finished.returncode == 0 else finished.stdout[-2000:]


def speed(entry: Entry) -> Row:
    try:
        measured = compare_alone(entry) if entry.alone else compare(entry.setup())
    except PeerError as reason:
        print(f"{'':8}  {'left out':8} {entry.claim}, {entry.case}: {reason}", flush=True)
        return {"claim": entry.claim, "case": entry.case, "verdict": "left out", "peers s": str(reason)}
    ratio = measured["ratio min"]
    verdict = "" if entry.must is None else "missed" if ratio > entry.must else "met"
    if verdict == "met" and entry.aim is not None and ratio <= entry.aim:
        verdict = "aim"
    print(f"{ratio:8.3f}  {verdict or '-':8} {entry.claim}, {entry.case}", flush=True)
    peers = {key.removesuffix(" min"): value for key, value in measured.items() if key.endswith(" min")}
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
        "peers s": "; ".join(f"{name} {peers[name]:.3g}" for name in peers if name not in ("ours", "ratio")),
    }


def memory(entry: MemoryEntry) -> Row:
    peak = peak_bytes(entry)
    verdict = "met" if peak <= entry.bound else "missed"
    print(
        f"{peak / 2**20:5.1f} MiB  {verdict:8} {entry.claim}, {entry.case} (must {entry.bound / 2**20:.1f})", flush=True
    )
    claim = f"peak bytes of {entry.claim}"
    return {"claim": claim, "case": entry.case, "peak bytes": peak, "allowed": entry.bound, "verdict": verdict}


def accuracy(entry: AccuracyEntry) -> Row:
    error, allowed = entry.measure()
    verdict = "met" if error <= allowed else "missed"
    print(f"{error:8.2g}  {verdict:8} {entry.claim}, {entry.case} (must {allowed:.2g})", flush=True)
    return {"claim": entry.claim, "case": entry.case, "error": error, "allowed": allowed, "verdict": verdict}


def write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    partial = path.with_suffix(".part")
    with partial.open("w", newline="") as file:
        file.write(f"# {machine()}\n")
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    partial.replace(path)


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    kinds: list[tuple[Callable[[Any], Row], list[Any]]] = [
        (speed, REGISTRY.entries),
        (memory, REGISTRY.memory),
        (accuracy, REGISTRY.accuracy),
    ]
    chosen = [(measure, entry) for measure, entries in kinds for entry in entries if options.only in entry.claim]
    if not chosen:
        print(f"bench: no claim contains {options.only!r}", file=sys.stderr)
        return 2
    if failed := failing({test for _, entry in chosen for test in entry.tests}):
        print(f"{failed}\nbench: these tests fail, so no speed is shown", file=sys.stderr)
        return 1
    print(machine())
    rows = [measure(entry) for measure, entry in tqdm(chosen, disable=None)]
    options.out.mkdir(parents=True, exist_ok=True)
    fields = dict.fromkeys(key for each in rows for key in each)
    write_csv(options.out / "results.csv", [{key: each.get(key, "") for key in fields} for each in rows])
    save_plot(options.out / "results.png", rows, machine())
    missed = [f"{each['claim']}, {each['case']}" for each in rows if each["verdict"] == "missed"]
    print(
        f"{len(rows)} measured, {len(missed)} musts missed; {options.out}/results.csv, results.png", *missed, sep="\n  "
    )
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
