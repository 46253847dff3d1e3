"""`make gpu-check` as far as it goes without a GPU: the harness on a clock of the test's, the rows on the CPU."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from specops import backends

NO_ROOT = "the repository's root is not on the path: python -m pytest"
gpu = pytest.importorskip("bench.gpu", reason=NO_ROOT)
events = pytest.importorskip("bench.events", reason=NO_ROOT)
gpu_cases = pytest.importorskip("bench.gpu_cases", reason=NO_ROOT)

ROOT = Path(__file__).parents[1]
CPU = torch.device("cpu")


def test_without_a_gpu_one_line_says_so() -> None:
    if backends.no_gpu() is None:
        pytest.skip("there is a GPU")
    run = subprocess.run([sys.executable, "-m", "bench.gpu"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr.splitlines() == [f"gpu-check: {backends.no_gpu()}"]


def test_no_speed_while_tests_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_gpu", "cuda_build", "no_driver"):
        monkeypatch.setattr(backends, name, lambda: None)
    for battery, under_sanitizers in ((False, True), (True, False)):
        monkeypatch.setattr(gpu, "pytest_on", lambda *_, passes=battery: passes)
        monkeypatch.setattr(gpu, "sanitized", lambda device, passes=under_sanitizers: passes)
        assert gpu.main(["--out", str(tmp_path)]) == 1
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("status", [0, 1])
def test_each_tool_of_a_sanitizer_runs_until_one_reports(
    status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "compute-sanitizer"
    program.write_text(f'#!/bin/sh\necho "$SPECOPS_TEST_DEVICE $@"\nexit {status}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert gpu.sanitized(CPU) == (status == 0)
    called = capfd.readouterr().out.splitlines()
    assert [line.split()[2] for line in called] == list(gpu.SANITIZERS)[: 1 if status else None]
    assert all(line.startswith("cpu --tool ") and "--error-exitcode 1" in line for line in called)


def test_without_a_sanitizer_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    assert gpu.sanitized(CPU)
    assert capsys.readouterr().out == "compute-sanitizer is not installed: left out\n"


@pytest.mark.slow
def test_the_battery_runs_on_a_device_and_its_status_is_seen() -> None:
    one = ("tests/test_battery.py", "-p", "no:xdist", "-k", "test_adjoint and reference-binned_filter-2x4x6-ragged")
    assert gpu.pytest_on(CPU, one)
    assert not gpu.pytest_on(CPU, (*one[:-1], "no test of this name"))


def test_repeats_are_taken_in_turn_over_all_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "REPEATS", 3)
    monkeypatch.setattr(events, "LEAST_SECONDS", 2.0)
    called: list[tuple[str, int]] = []
    warm, short = [7.0, 7.0], [1.0, 3.0]  # a takes less than a timing should
    ticks = iter([*warm, *short, 18.0, 4.0, 12.0, 8.0, 6.0, 10.0])  # a, b, a, b, a, b

    def clock(work: Callable[[], Any]) -> float:
        work()
        return next(ticks)

    works = {name: lambda x, name=name: called.append((name, int(x))) for name in ("a", "b")}
    inputs = [[torch.tensor(number)] for number in (0, 1)]
    assert events.seconds_per_call(works, inputs, clock) == {"a": 1.5, "b": 2.0}
    a, b = [("a", 0), ("a", 1)], [("b", 0), ("b", 1)]
    assert called == 2 * [*a, *b] + 3 * [*a, *a, *b]


def test_inputs_are_several_times_the_last_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    properties = SimpleNamespace(L2_cache_size=50 * 2**20)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: properties)
    assert events.sets_of_inputs(64 * 2**20, torch.device("cuda")) == 4
    assert events.sets_of_inputs(2**20, torch.device("cuda")) == 200
    assert events.sets_of_inputs(2**32, torch.device("cuda")) == 2
    assert events.sets_of_inputs(2**20, CPU) == 2


def test_a_copy_counts_what_is_read_and_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "COPIED_BYTES", 1000)
    monkeypatch.setattr(events, "LEAST_SECONDS", 1e-6)

    def clock(work: Callable[[], Any]) -> float:
        work()
        return 2e-6  # two copies

    assert events.copy_bandwidth(CPU, clock) == pytest.approx(2e9)


def test_results_have_a_row_for_every_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small batches, each call half a millisecond; each case has compared its results with eager torch's."""
    if backends.why_not("cpp", "upfirdn2d") is not None:
        pytest.skip("the extension is not built")

    def clock(work: Callable[[], Any]) -> float:
        work()  # two sets of inputs
        return 1e-3

    monkeypatch.setattr(gpu, "clock_of", lambda device: clock)
    monkeypatch.setattr(gpu_cases, "CHANNELS", 1)
    monkeypatch.setattr(torch, "compile", lambda function: function)
    monkeypatch.setattr(events, "COPIED_BYTES", 2**20)
    monkeypatch.setattr(events, "LEAST_SECONDS", 1e-3)
    monkeypatch.setattr(events, "REPEATS", 1)
    all_cases = list(gpu_cases.cases(pixels=2**16, few=1))
    path = gpu.benchmark(all_cases, CPU, tmp_path, "NVIDIA H100 80GB (HBM3)")
    assert path == tmp_path / "nvidia-h100-80gb-hbm3.csv"
    machine, *lines = path.read_text().splitlines()
    rows = list(csv.DictReader(lines))
    assert machine.startswith("# NVIDIA H100 80GB (HBM3), copy 4 GB/s, torch ")
    assert [row["case"] for row in rows] == [case.name for case in all_cases]
    for row, case in zip(rows, all_cases, strict=True):
        assert (row["backend"], row["us"], row["eager us"], row["compiled us"]) == ("cpp", "500.0", "500.0", "500.0")
        assert row["eager / ours"] == row["compiled / ours"] == "1.0"
        rate = case.moved * torch.Size(case.shape).numel() / 5e-4
        assert float(row["GB/s"]) == pytest.approx(rate / 1e9, abs=0.05)
        assert float(row["share of copy"]) == pytest.approx(rate / (2 * 2**20 / 5e-4), abs=0.0005)


def test_rows_before_a_failure_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def rows(case: str, *_: Any) -> Iterator[gpu.Row]:
        yield {"case": case, "batch": 1}
        if case == "second":
            raise AssertionError("second is off")

    monkeypatch.setattr(gpu, "measured", rows)
    monkeypatch.setattr(events, "COPIED_BYTES", 2**20)
    with pytest.raises(AssertionError, match="second is off"):
        gpu.benchmark(["first", "second", "third"], CPU, tmp_path, "card")
    (left,) = tmp_path.iterdir()
    assert left.name == "card.part"
    assert [row["case"] for row in csv.DictReader(left.read_text().splitlines()[1:])] == ["first", "second"]


def test_a_peer_that_does_not_compile_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(function: Any) -> Any:
        def run(*images: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("no compiler\nhere")

        return run

    monkeypatch.setattr(torch, "compile", broken)
    case = next(iter(gpu_cases.cases(pixels=2**16, few=1)))
    assert set(gpu.works_of(case, CPU, [torch.randn(case.shape)])) <= {"eager", "cpp"}
    assert capsys.readouterr().out == f"{case.name}: torch.compile is left out: no compiler\n"


def test_wrong_results_are_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    case = gpu_cases.Case("wrong", "upfirdn2d", (4, 8, 8), 1, 4, lambda device: (torch.clone, torch.neg))
    monkeypatch.setattr(torch, "compile", lambda function: lambda x: -function(x))
    with pytest.raises(AssertionError, match="wrong: compiled is off from eager torch by"):
        gpu.works_of(case, CPU, [torch.randn(4, 8, 8)])
