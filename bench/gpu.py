"""Checks the kernels on the GPU that is there: the battery, compute-sanitizer, then speed beside eager torch."""

from __future__ import annotations

import argparse
import csv
import os
import re
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

import specops
from bench.events import Clock, clock_of, copy_bandwidth, seconds_per_call, sets_of_inputs
from bench.gpu_cases import Case, Function, cases, with_backward
from specops import backends, cli

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
BATTERY = ("tests/test_battery.py", "--numprocesses", str(min(12, os.cpu_count() or 1)))
OF_GPUS = ("tests/test_gpu_device.py", "-p", "no:xdist")  # in turn: some take most of the memory
SANITIZERS = ("memcheck", "racecheck", "synccheck")
QUIET = {"memcheck": ("--report-api-errors", "no")}  # Triton tries attributes that a driver may refuse
VALUES = ("tests/test_battery.py", *OF_GPUS, "-k", "test_value and float32 and not reference or band_swap and float32")

MOST_ERROR = 1e-5  # relative L2, of two float32 results

PEERS = ("eager us", "eager / ours", "compiled us", "compiled / ours")
COLUMNS = ("case", "batch", "backend", "us", *PEERS, "GB/s", "share of copy")
Row = dict[str, Any]


def pytest_on(device: torch.device, arguments: Sequence[str], under: Sequence[str] = (), **extra: str) -> bool:
    """Runs tests with the battery's tensors on a device, and returns whether they pass."""
    command = [*under, sys.executable, "-m", "pytest", "-q", *arguments]
    environment = os.environ | {"SPECOPS_TEST_DEVICE": str(device)} | extra
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode == 0


def sanitizer() -> str | None:
    """Returns the path of compute-sanitizer, if it is installed."""
    toolkit = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")) / "bin"
    return shutil.which("compute-sanitizer") or shutil.which("compute-sanitizer", path=str(toolkit))


def sanitized(device: torch.device) -> bool:
    """Runs the values of the ops under each tool, each allocation of its own; true where there is none to run."""
    program = sanitizer()
    if program is None:
        print("compute-sanitizer is not installed: left out")
        return True
    for tool in SANITIZERS:
        under = (program, "--tool", tool, "--error-exitcode", "1", *QUIET.get(tool, ()))
        if not pytest_on(device, VALUES, under, PYTORCH_NO_CUDA_MEMORY_CACHING="1"):
            return False
    return True


def on_backend(name: str, function: Function) -> Function:
    def forced(*images: Tensor) -> Tensor:
        with backends.use(name):
            return function(*images)

    return forced


def works_of(case: Case, device: torch.device, inputs: Sequence[Tensor]) -> dict[str, Function]:
    """Returns ours by backend, eager torch and what torch.compile makes of that if it can, once their results agree."""
    ours, eager = case.make(device)
    torch.compiler.reset()  # or the functions of earlier cases count against its limit of compilations
    works = {"eager": eager, "compiled": torch.compile(eager)}
    names = [name for name in backends.ORDER[device.type] if backends.why_not(name, case.op, device.type) is None]
    works |= dict.fromkeys((name for name in names if name != "reference"), ours)
    if case.backward:
        works = {name: with_backward(work) for name, work in works.items()}
    works = {name: on_backend(name, work) if name in names else work for name, work in works.items()}
    expected = works["eager"](*inputs)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # inductor leaves complex numbers to eager torch, and says so
            works["compiled"](*inputs)
    except Exception as error:  # whatever a machine without a compiler makes of it
        print(f"{case.name}: torch.compile is left out: {str(error).strip().splitlines()[0]}")
        del works["compiled"]
    for name, work in works.items():
        off = float((work(*inputs) - expected).norm() / expected.norm())
        assert off <= MOST_ERROR, f"{case.name}: {name} is off from eager torch by {off:.2g}"
    return works


def measured(case: Case, device: torch.device, clock: Clock, bandwidth: float) -> Iterator[Row]:
    """Yields a row for each backend that can run the case."""
    pixels = torch.Size(case.shape).numel()
    count = sets_of_inputs(4 * pixels * case.images, device)
    generator = torch.Generator(device).manual_seed(0)
    inputs = [
        [torch.randn(case.shape, generator=generator, device=device) for _ in range(case.images)] for _ in range(count)
    ]
    seconds = seconds_per_call(works_of(case, device, inputs[0]), inputs, clock)
    peers = {name: seconds.pop(name) for name in ("eager", "compiled") if name in seconds}
    for backend, time in seconds.items():
        row: Row = {"case": case.name, "batch": case.shape[0], "backend": backend, "us": round(1e6 * time, 2)}
        for name, theirs in peers.items():
            row |= {f"{name} us": round(1e6 * theirs, 2), f"{name} / ours": round(theirs / time, 2)}
        rate = case.moved * pixels / time
        yield row | {"GB/s": round(rate / 1e9, 1), "share of copy": round(rate / bandwidth, 3)}


def benchmark(some: Iterable[Case], device: torch.device, out: Path, name: str) -> Path:
    """Writes out/<name>.csv, the machine in its first line, and returns its path; until then it ends in .part."""
    clock = clock_of(device)
    bandwidth = copy_bandwidth(device, clock)
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{re.sub('[^a-z0-9]+', '-', name.lower()).strip('-')}.csv"
    partial = path.with_suffix(".part")
    with partial.open("w", newline="", buffering=1) as file:
        file.write(f"# {name}, copy {bandwidth / 1e9:.0f} GB/s, torch {torch.__version__}, {specops.__version__}\n")
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        for case in tqdm(list(some), disable=None):
            writer.writerows(measured(case, device, clock, bandwidth))
    partial.replace(path)
    return path


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__)
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of <gpu>.csv")
    options = parser.parse_args(arguments)
    if reason := backends.no_gpu() or backends.cuda_build() or backends.no_driver():
        print(f"gpu-check: {reason}", file=sys.stderr)
        return 1
    print(cli.info())
    device = torch.device("cuda")
    if not (pytest_on(device, BATTERY) and pytest_on(device, OF_GPUS) and sanitized(device)):
        print("gpu-check: these tests fail, so no speed is shown", file=sys.stderr)
        return 1
    path = benchmark(cases(), device, options.out, torch.cuda.get_device_name(device))
    print(path.read_text(), path, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
