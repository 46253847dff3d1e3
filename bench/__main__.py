"""Measures the ops on a CPU or a GPU: tests first, on a GPU compute-sanitizer, then speed, memory and accuracy.

Speed is the ratio of our time to that of named peers, which are timed in turn with us. The rows are written to
`<processor or GPU>.csv`, with a plot where matplotlib is installed. A run that is cut off leaves a file that ends in
.part; the next run of the same commit, in a checkout without changes, goes on from it. torch, NumPy and pytest are
enough on a GPU.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import math
import platform
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

import specops
from bench import ROOT, accuracy, checks, host, resampling, sets, spectral, testbeds
from bench.measure import Row, WrongResultError, copy_bandwidth, measured
from bench.registry import Entry, PeerError
from bench.table import Table, read, save_plot
from specops import _library, backends, cli

QUICK_SECONDS = 90.0  # after which a quick run on a GPU begins no further entry
CPU = torch.device("cpu")


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--device", choices=STEPS, default="cpu", help="where to measure")
    parser.add_argument("--steps", nargs="+", choices=STEPS["cuda"], help="steps to run; else all, in turn")
    parser.add_argument("--only", default="", metavar="TEXT", help="only claims that contain TEXT")
    parser.add_argument("--quick", action="store_true", help="fewer entries and tests: four minutes on a GPU")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a must is missed")
    parser.add_argument("--out", type=Path, default=ROOT / "output" / "bench", help="folder for the rows and the plot")
    parser.add_argument("--commit", help="commit of the checkout, where git cannot tell")
    parser.add_argument("--plot", nargs="+", type=Path, metavar="CSV", help="only draw these files, into --out")
    return parser.parse_args(arguments)


def entries(device: torch.device) -> list[Entry]:
    """Returns all entries of a device, in the order in which they are measured."""
    modules = (host, spectral, resampling, testbeds, accuracy, sets)
    return [entry for module in modules for entry in module.entries() if device.type in entry.devices]


def measure_here() -> None:
    """Prints the rows of the entry that the command line names, by claim and case, as JSON."""
    [entry] = [entry for entry in entries(CPU) if [entry.claim, entry.case] == sys.argv[1:]]
    print(json.dumps(measured(dataclasses.replace(entry, alone=False), CPU)))


def processor(device: torch.device) -> str:
    """Returns the name of the GPU, or of the processor and the instruction set in use."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if "model name" in line]
    isa = "no extension" if backends.no_extension() else _library.isa()
    return f"{(names or [platform.processor() or platform.machine()])[0]}, {isa}"


def commit() -> str:
    """Returns the commit of the checkout, `unknown` outside a repository."""
    command = ("git", "describe", "--always", "--dirty", "--abbrev=12")
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def table_of(device: torch.device, options: argparse.Namespace) -> Table:
    """Returns the table of the device and commit, with the rows of a run that was cut off."""
    name, of = processor(device), options.commit or commit()
    machine = f"{name}, torch {torch.__version__}, specops {specops.__version__}, commit {of}"
    slug = re.sub("[^a-z0-9]+", "-", name.partition(",")[0].lower()).strip("-")
    path = options.out / f"{slug}{'-quick' if options.quick else ''}.csv"
    return Table(path, machine, resume=not of.endswith(("-dirty", "unknown")))


def line_of(row: Row) -> str:
    """Returns a row as a line: ratio or figure, its bound, the verdict, our time, the backend and the claim."""
    numbers = (row.get("ratio", row.get("value")), row.get("must", row.get("allowed")))
    number, bound = (f"{'' if value is None else f'{value:.3g}':>9}" for value in numbers)
    us = f"{row['us']} us" if "us" in row else ""
    return f"{number} {bound} {row['verdict']:8} {us:>12} {row.get('backend', ''):6} {row['claim']}, {row['case']}"


def rows_of(entry: Entry, device: torch.device, bandwidth: float) -> list[Row]:
    """Returns the rows of an entry: one with the reason where a peer cannot run, none where a result is wrong."""
    try:
        return measured(entry, device, bandwidth)
    except PeerError as reason:
        return [{"claim": entry.claim, "case": entry.case, "verdict": "left out", "peers us": str(reason)}]
    except WrongResultError as reason:
        print(f"bench: {entry.claim}, {entry.case}: {reason}", file=sys.stderr, flush=True)
        return []


def speed(chosen: Sequence[Entry], device: torch.device, options: argparse.Namespace) -> bool:
    """Writes the rows of the entries; returns false where a result is wrong or, with --check, a must is missed."""
    on_gpu = device.type == "cuda"
    end = time.monotonic() + (QUICK_SECONDS if options.quick and on_gpu else math.inf)
    bandwidth = copy_bandwidth(device) if on_gpu else 0
    table = table_of(device, options)
    print(table.machine + (f", copy {bandwidth / 1e9:.0f} GB/s" if on_gpu else ""), flush=True)
    done = {(row["claim"], row["case"]) for row in table.rows()}
    left = [entry for entry in chosen if (entry.claim, entry.case) not in done]
    wrong = 0
    while left and time.monotonic() < end:
        rows = rows_of(left.pop(0), device, bandwidth)
        wrong += not rows
        table.add(rows)
        print(*(f"{line_of(row)}\n" for row in rows), sep="", end="", flush=True)
    written = table.partial if wrong or left else table.finish()
    missed = [f"{row['claim']}, {row['case']}" for row in read(written) if row["verdict"] == "missed"]
    counts = f"{wrong} wrong, {len(left)} left for another run, {len(missed)} musts missed"
    print(f"{counts}; {written}", *missed, sep="\n  ")
    if written == table.path and importlib.util.find_spec("matplotlib"):
        plot(written)
    return not wrong and not (options.check and missed)


def plot(path: Path, folder: Path | None = None) -> None:
    """Draws a file of rows beside it, or in another folder."""
    save_plot(path, (folder or path.parent) / f"{path.stem}.png")


Step = Callable[[Sequence[Entry], torch.device, argparse.Namespace], bool]


def tests(chosen: Sequence[Entry], device: torch.device, options: argparse.Namespace) -> bool:
    return checks.tested({test for entry in chosen for test in entry.tests}, device, options.quick)


def sanitizers(chosen: Sequence[Entry], device: torch.device, options: argparse.Namespace) -> bool:
    return checks.sanitized(device, options.quick)


STEPS: dict[str, dict[str, Step]] = {
    "cpu": {"tests": tests, "speed": speed},
    "cuda": {"tests": tests, "sanitizers": sanitizers, "speed": speed},
}


def main(arguments: Sequence[str] | None = None) -> int:
    options = parse(arguments)
    for path in options.plot or ():
        plot(path, options.out)
    if options.plot:
        return 0
    if options.device == "cuda" and (reason := backends.no_gpu() or backends.cuda_build() or backends.no_driver()):
        print(f"bench: {reason}", file=sys.stderr)
        return 1
    device = torch.device(options.device)
    chosen = [entry for entry in entries(device) if options.only in entry.claim and (entry.quick or not options.quick)]
    if not chosen:
        print(f"bench: no claim contains {options.only!r}", file=sys.stderr)
        return 2
    if options.device == "cuda":
        print(cli.info(), flush=True)
    steps = STEPS[options.device]
    for name, step in steps.items():
        if name in (options.steps or steps) and not step(chosen, device, options):
            print(f"bench: {name} fail, so what follows is left out" * (name != "speed"), file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
