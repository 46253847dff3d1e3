"""What is run before any speed: tests on their device, and compute-sanitizer, for which a script stands in here."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

checks = pytest.importorskip("bench.checks", reason="the repository's root is not on the path: python -m pytest")

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
OF_GPUS = ("gpu/test_gpu_values.py", "gpu/test_gpu_device.py")


def test_a_failing_file_on_a_cpu_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(command: list[str], **_: object) -> SimpleNamespace:
        return SimpleNamespace(returncode=int(str(checks.ROOT / "tests" / "test_failing.py") in command))

    monkeypatch.setattr(checks.subprocess, "run", run)
    assert checks.tested({"test_passing.py"}, CPU, quick=False)
    assert not checks.tested({"test_failing.py", "test_passing.py"}, CPU, quick=False)


def test_each_file_of_tests_runs_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quick in one go, which leaves out the battery, of more packages; else what takes most of the memory by itself."""
    runs: list[tuple[str, ...]] = []
    monkeypatch.setattr(checks, "AT_ONCE", ("--numprocesses", "4"))
    monkeypatch.setattr(
        checks, "pytest_on", lambda device, arguments, **extra: runs.append((*arguments, *extra)) or True
    )
    files = {*OF_GPUS, "ops/test_battery.py"}
    assert checks.tested(files, CUDA, quick=True)
    assert checks.tested(files, CUDA, quick=False)
    quick, *full = [[word for word in run if word.endswith((".py", "EXTENT"))] for run in runs]
    assert quick == ["tests/gpu/test_gpu_device.py", "tests/gpu/test_gpu_values.py", "SPECOPS_TEST_EXTENT"]
    assert full == [["tests/gpu/test_gpu_values.py"], ["tests/ops/test_battery.py"], ["tests/gpu/test_gpu_device.py"]]
    assert ["--numprocesses" in run for run in runs] == [True, True, True, False]
    assert ["--noconftest" in run for run in runs] == [True, True, False, True]
    monkeypatch.setattr(
        checks, "pytest_on", lambda device, arguments, **extra: "tests/ops/test_battery.py" not in arguments
    )
    assert not checks.tested(files, CUDA, quick=False)


def sanitizer_of(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "compute-sanitizer"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.parametrize("failing", [None, *checks.SANITIZERS])
def test_every_tool_of_a_sanitizer_is_asked(
    failing: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = f'echo "$SPECOPS_TEST_DEVICE $SPECOPS_TEST_EXTENT $@"\n[ "$2" != {failing} ]'
    sanitizer_of(tmp_path, monkeypatch, script)
    assert checks.sanitized(CPU, quick=True) == (failing is None)
    lines = capsys.readouterr().out.splitlines()
    called = [line for line in lines if line.startswith("cpu small --tool ") and "--error-exitcode 1" in line]
    assert sorted(line.split()[3] for line in called) == sorted(checks.SANITIZERS)
    verdicts = {f"{tool}: exit status {int(tool == failing)}" for tool in checks.SANITIZERS}
    assert verdicts == set(lines) - set(called)


@pytest.mark.parametrize("reported", [False, True], ids=["nothing", "an error"])
def test_a_quick_sanitizer_ends_in_time_and_what_it_reported_counts(
    reported: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = "echo '========= Invalid __global__ write'" if reported else "true"
    sanitizer_of(tmp_path, monkeypatch, f"echo '========= COMPUTE-SANITIZER'\n{report}\nsleep 60 & wait")
    monkeypatch.setattr(checks, "QUICK_SECONDS", 0.3)
    start = time.monotonic()
    assert checks.sanitized(CPU, quick=True) != reported
    assert time.monotonic() - start < 30  # the children too that hold its output open
    assert "memcheck: stopped after 0 s" in capsys.readouterr().out


def test_without_a_sanitizer_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    assert checks.sanitized(CPU, quick=True)
    assert capsys.readouterr().out == "compute-sanitizer is not installed: left out\n"


# The only packages beside torch and what it needs that a quick check may count on.
BARE = """
import sys, importlib.abc
class Absent(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("hypothesis", "scipy", "xdist", "pytest_timeout", "pytest_benchmark", "tqdm"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
"""


@pytest.mark.slow
def test_quick_tests_need_torch_and_pytest_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And their status is seen: 0 where one passes, another where none has the name."""
    (tmp_path / "sitecustomize.py").write_text(BARE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(checks, "PLUGINS", ())
    files = (*(f"tests/{name}" for name in OF_GPUS), checks.WITHOUT_CONFTEST, "-k")
    assert checks.pytest_on(CPU, (*files, "test_what_is_planted_is_noticed"))
    assert not checks.pytest_on(CPU, (*files, "no test of this name"))
