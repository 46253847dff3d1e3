"""Checks before any speed: the entries' tests on their device, and on a GPU compute-sanitizer."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch

ROOT = Path(__file__).parents[1]

# On a GPU: of pytest's plugins those of ours that are installed, of its settings not those that refuse to do without.
PLUGINS = tuple(name for name in ("pytest_timeout", "xdist") if importlib.util.find_spec(name))
PYTEST = ("-q", "-ra", "-o", "addopts=", "-W", "ignore:Unknown config option:pytest.PytestConfigWarning")
CPUS = os.cpu_count() or 1
PROCESSES = max(1, min(8, CPUS // 2)) if "xdist" in PLUGINS else 1
AT_ONCE = ("--numprocesses", str(PROCESSES)) if PROCESSES > 1 else ()
NO_OTHERS = "--noconftest"  # files of tests/gpu need nothing of it, and so no other package
TAKES_MOST_MEMORY = "gpu/test_gpu_device.py"

SANITIZERS = ("memcheck", "racecheck", "synccheck")
QUIET = {"memcheck": ("--report-api-errors", "no")}  # Triton tries attributes that a driver may refuse
SANITIZED = ("tests/gpu/test_gpu_values.py", NO_OTHERS, "-k", "test_values or test_second")
QUICK_SECONDS = 60.0  # of a sanitizer


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


def tested(tests: Iterable[str], device: torch.device, quick: bool) -> bool:
    """Runs files of tests/ and returns whether they pass.

    On a GPU what takes most of its memory runs by itself, last and in one process. A quick run there is of tests/gpu
    alone, in one go.
    """
    if device.type == "cpu":
        paths = [str(ROOT / "tests" / name) for name in sorted(tests)]
        command = [sys.executable, "-m", "pytest", "-q", "--numprocesses", "2", *paths]
        return subprocess.run(command, cwd=ROOT, check=False).returncode == 0
    of_gpus = {name for name in tests if name.startswith("gpu/")}
    if quick:
        files = sorted(f"tests/{name}" for name in of_gpus)
        return pytest_on(device, (*files, NO_OTHERS, *AT_ONCE), SPECOPS_TEST_EXTENT="quick")

    def passes(name: str) -> bool:
        alone = () if name == TAKES_MOST_MEMORY else AT_ONCE
        return pytest_on(device, (f"tests/{name}", *((NO_OTHERS,) if name in of_gpus else ()), *alone))

    return all(passes(name) for name in sorted(tests, key=lambda name: (name == TAKES_MOST_MEMORY, name)))


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
    limit = QUICK_SECONDS if quick else None

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
