"""Runs what must pass before any speed is shown: the entries' tests and, on a GPU, compute-sanitizer."""

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

from bench import ROOT

# A machine with a GPU may lack pytest's plugins: those that are there are named, settings that need others left out.
PLUGINS = tuple(name for name in ("pytest_timeout", "xdist") if importlib.util.find_spec(name))
PYTEST = ("-q", "-ra", "-o", "addopts=", "-W", "ignore:Unknown config option:pytest.PytestConfigWarning")
CPUS = os.cpu_count() or 1
PROCESSES = max(1, min(8, CPUS // 2)) if "xdist" in PLUGINS else 1
AT_ONCE = ("--numprocesses", str(PROCESSES)) if PROCESSES > 1 else ()
WITHOUT_CONFTEST = "--noconftest"  # its packages may be missing there, and tests/gpu does not need it
TAKES_MOST_MEMORY = "gpu/test_gpu_device.py"

SANITIZERS = ("memcheck", "racecheck", "synccheck")
QUIET = {"memcheck": ("--report-api-errors", "no")}  # Triton tries attributes that a driver may refuse
SANITIZED = ("tests/gpu/test_gpu_values.py", WITHOUT_CONFTEST, "-k", "test_values or test_second")
QUICK_SECONDS = 60.0  # after which a quick run stops the sanitizers


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

    On a GPU each file runs by itself, and the one that takes most of the memory comes last, in one process. A quick run
    on a GPU has the files of tests/gpu alone, all at once.
    """
    if device.type == "cpu":
        paths = [str(ROOT / "tests" / name) for name in sorted(tests)]
        command = [sys.executable, "-m", "pytest", "-q", "--numprocesses", "2", *paths]
        return subprocess.run(command, cwd=ROOT, check=False).returncode == 0
    of_gpus = {name for name in tests if name.startswith("gpu/")}
    if quick:
        files = sorted(f"tests/{name}" for name in of_gpus)
        return pytest_on(device, (*files, WITHOUT_CONFTEST, *AT_ONCE), SPECOPS_TEST_EXTENT="quick")

    def passes(name: str) -> bool:
        alone = () if name == TAKES_MOST_MEMORY else AT_ONCE
        return pytest_on(device, (f"tests/{name}", *((WITHOUT_CONFTEST,) if name in of_gpus else ()), *alone))

    return all(passes(name) for name in sorted(tests, key=lambda name: (name == TAKES_MOST_MEMORY, name)))


def sanitizer() -> str | None:
    """Returns the path of compute-sanitizer, if it is installed."""
    toolkit = Path(os.environ.get("CUDA_HOME", "/usr/local/cuda")) / "bin"
    return shutil.which("compute-sanitizer") or shutil.which("compute-sanitizer", path=str(toolkit))


def sanitized(device: torch.device, quick: bool) -> bool:
    """Runs small values and derivatives under each tool, all at once, and returns whether none reports an error.

    Each tensor has memory of its own. Returns true where compute-sanitizer is not installed.
    """
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
    """Returns a command's status and output; no status where it was ended, with its children, after these seconds."""
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, cwd=ROOT, env=env, start_new_session=True, **pipes) as process:
        try:
            told, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None, process.communicate()[0]
    return process.returncode, told
