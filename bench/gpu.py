"""Checks the kernels on the GPU that is there: values of all ops, compute-sanitizer, then speed beside eager torch.

Needs torch, NumPy and pytest, and uses pytest-xdist and pytest-timeout where they are installed.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import specops
from bench.events import Clock, clock_of, copy_bandwidth, seconds_per_call, sets_of_inputs
from bench.gpu_cases import Case, Function, cases, quick_cases, with_backward
from specops import backends, cli

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"

# Of pytest's plugins only those of ours that are installed; of its settings not those that refuse to do without them.
PLUGINS = tuple(name for name in ("pytest_timeout", "xdist") if importlib.util.find_spec(name))
PYTEST = ("-q", "-ra", "-o", "addopts=", "-W", "ignore:Unknown config option:pytest.PytestConfigWarning")
CPUS = os.cpu_count() or 1
PROCESSES = max(1, min(8, CPUS // 2)) if "xdist" in PLUGINS else 1
AT_ONCE = ("--numprocesses", str(PROCESSES)) if PROCESSES > 1 else ()
ALONE = ("--noconftest",)  # these files need nothing of it, and so no other package
OF_VALUES = ("tests/gpu/test_gpu_values.py", *ALONE)
OF_GPUS = ("tests/gpu/test_gpu_device.py", *ALONE)
BATTERY = ("tests/ops/test_battery.py",)

SANITIZERS = ("memcheck", "racecheck", "synccheck")
QUIET = {"memcheck": ("--report-api-errors", "no")}  # Triton tries attributes that a driver may refuse
SANITIZED = (*OF_VALUES, "-k", "test_values or test_second")
QUICK_SECONDS = {"sanitizers": 60.0, "speed": 90.0}

MOST_ERROR = {torch.float32: 1e-5, torch.float16: 2e-3, torch.bfloat16: 2e-2}  # relative L2, of two results

PEERS = ("eager us", "eager / ours", "compiled us", "compiled / ours")
COLUMNS = ("case", "batch", "backend", "us", *PEERS, "GB/s", "share of copy")
Row = dict[str, Any]


class WrongResultError(Exception):
    """Two works that are to be timed do not compute the same."""


def environment(device: torch.device, **extra: str) -> dict[str, str]:
    threads = str(CPUS // PROCESSES)
    settings = {"SPECOPS_TEST_DEVICE": str(device), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "OMP_NUM_THREADS": threads}
    return os.environ | settings | extra


def pytest_command(arguments: Sequence[str]) -> list[str]:
    plugins = [word for name in PLUGINS for word in ("-p", "xdist.plugin" if name == "xdist" else name)]
    return [sys.executable, "-m", "pytest", *PYTEST, *plugins, *arguments]


def pytest_on(device: torch.device, arguments: Sequence[str], **extra: str) -> bool:
    """Runs tests with their tensors on a device, and returns whether they pass."""
    command = pytest_command(arguments)
    return subprocess.run(command, cwd=ROOT, env=environment(device, **extra), check=False).returncode == 0


def tested(device: torch.device, quick: bool) -> bool:
    """Runs the tests; the last of all one after the other, since some take most of the memory."""
    if quick:
        return pytest_on(device, (*OF_VALUES, *OF_GPUS, *AT_ONCE), SPECOPS_TEST_EXTENT="quick")
    return all(pytest_on(device, which) for which in ((*OF_VALUES, *AT_ONCE), (*BATTERY, *AT_ONCE), OF_GPUS))


def sanitizer() -> str | None:
    """Returns the path of compute-sanitizer, if it is installed."""
    toolkit = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")) / "bin"
    return shutil.which("compute-sanitizer") or shutil.which("compute-sanitizer", path=str(toolkit))


def sanitized(device: torch.device, quick: bool) -> bool:
    """Runs small values and derivatives under all tools at once, each tensor in memory of its own; true without any."""
    program = sanitizer()
    if program is None:
        print("compute-sanitizer is not installed: left out", flush=True)
        return True
    small = environment(device, SPECOPS_TEST_EXTENT="small", PYTORCH_NO_CUDA_MEMORY_CACHING="1")
    limit = QUICK_SECONDS["sanitizers"] if quick else None

    def passes(tool: str) -> bool:
        under = [program, "--tool", tool, "--error-exitcode", "1", *QUIET.get(tool, ())]
        status, told = finished([*under, *pytest_command(SANITIZED)], small, limit)
        reported = re.search("^========= (?!COMPUTE-SANITIZER)", told, re.MULTILINE) is not None
        verdict = f"stopped after {limit:.0f} s" if status is None else f"exit status {status}"
        print(f"{told}{tool}: {verdict}", flush=True)
        return not reported if status is None else status == 0

    with ThreadPoolExecutor() as at_once:
        return all(list(at_once.map(passes, SANITIZERS)))


def finished(command: Sequence[str], env: dict[str, str], seconds: float | None) -> tuple[int | None, str]:
    """Runs a command and returns its status and output; after so many seconds ends it with its children: no status."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=env, start_new_session=True, **pipes) as process:
        try:
            told, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None, process.communicate()[0]
    return process.returncode, told


def on_backend(name: str, function: Function) -> Function:
    def forced(*images: Tensor) -> Tensor:
        with backends.use(name):
            return function(*images)

    return forced


def works_of(case: Case, device: torch.device, inputs: Sequence[Tensor], quick: bool) -> dict[str, Function]:
    """Returns ours by backend, eager torch and, unless quick, what torch.compile makes of that if it can.

    Raises WrongResultError unless their results agree.
    """
    torch.compiler.reset()  # or the functions of earlier cases count against its limit of compilations
    ours, eager = case.make(device)
    names = [name for name in backends.ORDER[device.type] if backends.why_not(name, case.op, device.type) is None]
    works = {"eager": eager} if quick else {"eager": eager, "compiled": torch.compile(eager)}
    works |= dict.fromkeys((name for name in names if name != "reference"), ours)
    if case.backward:
        works = {name: with_backward(work) for name, work in works.items()}
    works = {name: on_backend(name, work) if name in names else work for name, work in works.items()}
    expected = works["eager"](*inputs).float()
    if not quick and not compiles(case, works["compiled"], inputs):
        del works["compiled"]
    for name, work in works.items():
        off = float((work(*inputs).float() - expected).norm() / expected.norm())
        if not off <= MOST_ERROR[case.dtype]:
            raise WrongResultError(f"{case.name}: {name} is off from eager torch by {off:.2g}")
    return works


def compiles(case: Case, work: Function, inputs: Sequence[Tensor]) -> bool:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # inductor leaves complex numbers to eager torch, and says so
            work(*inputs)
    except Exception as error:  # whatever a machine without a compiler makes of it
        print(f"{case.name}: torch.compile is left out: {str(error).strip().splitlines()[0]}")
        return False
    return True


def measured(case: Case, device: torch.device, clock: Clock, bandwidth: float, quick: bool) -> Iterator[Row]:
    """Yields a row for each backend that can run the case."""
    pixels = torch.Size(case.shape).numel()
    count = sets_of_inputs(case.dtype.itemsize * pixels * case.images, device)
    generator = torch.Generator(device).manual_seed(0)
    inputs = [[case.image(device, generator) for _ in range(case.images)] for _ in range(count)]
    seconds = seconds_per_call(works_of(case, device, inputs[0], quick), inputs, clock)
    peers = {name: seconds.pop(name) for name in ("eager", "compiled") if name in seconds}
    for backend, time_of_call in seconds.items():
        row: Row = {"case": case.name, "batch": case.shape[0], "backend": backend, "us": round(1e6 * time_of_call, 2)}
        for name, theirs in peers.items():
            row |= {f"{name} us": round(1e6 * theirs, 2), f"{name} / ours": round(theirs / time_of_call, 2)}
        rate = case.moved * case.dtype.itemsize * pixels / time_of_call
        yield row | {"GB/s": round(rate / 1e9, 1), "share of copy": round(rate / bandwidth, 3)}


def benchmark(some: Iterable[Case], device: torch.device, path: Path, machine: str, quick: bool) -> bool:
    """Writes rows to `path`, the machine in its first line, and returns whether no result was wrong.

    Until all are there the file's name ends in .part; a call that finds one of the same machine and commit goes on from
    it. A quick call begins no case after QUICK_SECONDS.
    """
    clock, end = clock_of(device), time.monotonic() + (QUICK_SECONDS["speed"] if quick else math.inf)
    partial = path.with_suffix(".part")
    header, done = begun(partial, machine)
    if not header:
        header = f"# {machine}, copy {copy_bandwidth(device, clock) / 1e9:.0f} GB/s"
        partial.parent.mkdir(parents=True, exist_ok=True)
        partial.write_text(f"{header}\n{','.join(COLUMNS)}\n")
    print(header, ",".join(COLUMNS), sep="\n", flush=True)
    bandwidth = 1e9 * float(header.split()[-2])
    left = [case for case in some if (case.name, str(case.shape[0])) not in done]
    wrong = 0
    with partial.open("a", newline="") as file:
        while left and time.monotonic() < end:
            case = left.pop(0)
            try:
                rows = list(measured(case, device, clock, bandwidth, quick))
            except WrongResultError as reason:
                print(f"gpu-check: {reason}", file=sys.stderr, flush=True)
                wrong += 1
                continue
            for stream in (file, sys.stdout):
                csv.DictWriter(stream, COLUMNS, lineterminator="\n").writerows(rows)
                stream.flush()
    print(f"{wrong} wrong, {len(left)} left for another call" if wrong or left else "all", "in", end=" ")
    print(partial if wrong or left else partial.replace(path))
    return not wrong


def begun(partial: Path, machine: str) -> tuple[str, set[tuple[str, str]]]:
    """Returns the first line and (case, batch) of all rows of a file of the machine, which is cut to whole lines."""
    text = partial.read_text() if partial.exists() else ""
    header, *lines = text[: text.rfind("\n") + 1].splitlines() or [""]
    if header.rpartition(", copy ")[0] != f"# {machine}":
        return "", set()
    partial.write_text("".join(f"{line}\n" for line in (header, *lines)))
    return header, {(row["case"], row["batch"]) for row in csv.DictReader(lines)}


def commit() -> str:
    """Returns the commit of the checkout, `unknown` outside a repository."""
    command = ("git", "describe", "--always", "--dirty", "--abbrev=12")
    try:
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def timed(device: torch.device, options: argparse.Namespace) -> bool:
    """Writes the rows of the GPU, and returns whether no result was wrong."""
    name = torch.cuda.get_device_name(device)
    machine = f"{name}, torch {torch.__version__}, specops {specops.__version__}, commit {options.commit or commit()}"
    slug = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-")
    path: Path = options.out / f"{slug}{'-quick' if options.quick else ''}.csv"
    return benchmark(quick_cases() if options.quick else cases(), device, path, machine, options.quick)


STEPS: dict[str, Callable[[torch.device, argparse.Namespace], bool]] = {
    "tests": lambda device, options: tested(device, options.quick),
    "sanitizers": lambda device, options: sanitized(device, options.quick),
    "speed": timed,
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.gpu", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a choice of all, in about four minutes")
    parser.add_argument("--only", nargs="+", choices=STEPS, default=list(STEPS), help="steps to run; else all, in turn")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of <gpu>.csv")
    parser.add_argument("--commit", help="of the checkout, where git does not say it")
    options = parser.parse_args(arguments)
    if reason := backends.no_gpu() or backends.cuda_build() or backends.no_driver():
        print(f"gpu-check: {reason}", file=sys.stderr)
        return 1
    print(cli.info(), flush=True)
    for name, step in STEPS.items():
        if name in options.only and not step(torch.device("cuda"), options):
            print(f"gpu-check: {name} fail, so what follows is left out", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
