"""`make gpu-check` as far as it goes without a GPU: the harness on a clock of the test's, the rows on the CPU."""

from __future__ import annotations

import csv
import subprocess
import sys
import time
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

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")


def test_without_a_gpu_one_line_says_so() -> None:
    if backends.no_gpu() is None:
        pytest.skip("there is a GPU")
    run = subprocess.run([sys.executable, "-m", "bench.gpu"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stdout == ""
    assert run.stderr.splitlines() == [f"gpu-check: {backends.no_gpu()}"]


def on_a_gpu(monkeypatch: pytest.MonkeyPatch, **answers: bool) -> list[str]:
    """Makes main believe in a GPU, its steps answer as told, and returns the list of those that it takes."""
    for name in ("no_gpu", "cuda_build", "no_driver"):
        monkeypatch.setattr(backends, name, lambda: None)
    taken: list[str] = []
    steps = {name: lambda *_, name=name: taken.append(name) or answers.get(name, True) for name in gpu.STEPS}
    monkeypatch.setattr(gpu, "STEPS", steps)
    return taken


@pytest.mark.parametrize(
    ("failing", "taken"), [("tests", ["tests"]), ("sanitizers", ["tests", "sanitizers"]), ("speed", list(gpu.STEPS))]
)
def test_no_speed_while_tests_fail(
    failing: str, taken: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = on_a_gpu(monkeypatch, **{failing: False})
    assert gpu.main([]) == 1
    assert steps == taken
    assert capsys.readouterr().err == f"gpu-check: {failing} fail, so what follows is left out\n"


def test_steps_that_are_asked_for_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = on_a_gpu(monkeypatch)
    assert gpu.main(["--only", "speed", "tests", "--quick"]) == 0
    assert steps == ["tests", "speed"]


def test_each_file_of_tests_runs_on_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Quick in one go, which leaves out the battery, of more packages; else what takes most of the memory by itself."""
    runs: list[tuple[str, ...]] = []
    monkeypatch.setattr(gpu, "AT_ONCE", ("--numprocesses", "4"))
    monkeypatch.setattr(gpu, "pytest_on", lambda device, arguments, **extra: runs.append((*arguments, *extra)) or True)
    assert gpu.tested(CPU, quick=True)
    assert gpu.tested(CPU, quick=False)
    quick, *full = [[word for word in run if word.endswith((".py", "EXTENT"))] for run in runs]
    assert quick == ["tests/gpu/test_gpu_values.py", "tests/gpu/test_gpu_device.py", "SPECOPS_TEST_EXTENT"]
    assert full == [["tests/gpu/test_gpu_values.py"], ["tests/ops/test_battery.py"], ["tests/gpu/test_gpu_device.py"]]
    assert ["--numprocesses" in run for run in runs] == [True, True, True, False]
    monkeypatch.setattr(
        gpu, "pytest_on", lambda device, arguments, **extra: "tests/ops/test_battery.py" not in arguments
    )
    assert not gpu.tested(CPU, quick=False)


def sanitizer_of(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    program = folder / "compute-sanitizer"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.parametrize("failing", [None, *gpu.SANITIZERS])
def test_every_tool_of_a_sanitizer_is_asked(
    failing: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    script = f'echo "$SPECOPS_TEST_DEVICE $SPECOPS_TEST_EXTENT $@"\n[ "$2" != {failing} ]'
    sanitizer_of(tmp_path, monkeypatch, script)
    assert gpu.sanitized(CPU, quick=True) == (failing is None)
    lines = capsys.readouterr().out.splitlines()
    called = [line for line in lines if line.startswith("cpu small --tool ") and "--error-exitcode 1" in line]
    assert sorted(line.split()[3] for line in called) == sorted(gpu.SANITIZERS)
    verdicts = {f"{tool}: exit status {int(tool == failing)}" for tool in gpu.SANITIZERS}
    assert verdicts == set(lines) - set(called)


@pytest.mark.parametrize("reported", [False, True], ids=["nothing", "an error"])
def test_a_quick_sanitizer_ends_in_time_and_what_it_reported_counts(
    reported: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = "echo '========= Invalid __global__ write'" if reported else "true"
    sanitizer_of(tmp_path, monkeypatch, f"echo '========= COMPUTE-SANITIZER'\n{report}\nsleep 60 & wait")
    monkeypatch.setitem(gpu.QUICK_SECONDS, "sanitizers", 0.3)
    start = time.monotonic()
    assert gpu.sanitized(CPU, quick=True) != reported
    assert time.monotonic() - start < 30  # the children too that hold its output open
    assert "memcheck: stopped after 0 s" in capsys.readouterr().out


def test_without_a_sanitizer_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    assert gpu.sanitized(CPU, quick=True)
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
    monkeypatch.setattr(gpu, "PLUGINS", ())
    files = (*gpu.OF_VALUES, *gpu.OF_GPUS, "-k")
    assert gpu.pytest_on(CPU, (*files, "test_a_wrong_gradient_is_noticed"))
    assert not gpu.pytest_on(CPU, (*files, "no test of this name"))


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
    monkeypatch.setattr(gpu_cases, "QUICK_SIZES", ((64, 64), (16, 32)))
    all_cases = list(gpu_cases.quick_cases(pixels=2**14, few=1))
    assert gpu.benchmark(all_cases, CPU, tmp_path / "card.csv", "card, torch 2.11", quick=False)
    (path,) = tmp_path.iterdir()
    machine, *lines = path.read_text().splitlines()
    rows = list(csv.DictReader(lines))
    assert (path.name, machine) == ("card.csv", "# card, torch 2.11, copy 4 GB/s")
    assert [row["case"] for row in rows] == [case.name for case in all_cases]
    for row, case in zip(rows, all_cases, strict=True):
        assert (row["backend"], row["us"], row["eager us"], row["compiled us"]) == ("cpp", "500.0", "500.0", "500.0")
        assert row["eager / ours"] == row["compiled / ours"] == "1.0"
        rate = case.moved * case.dtype.itemsize * torch.Size(case.shape).numel() / 5e-4
        assert float(row["GB/s"]) == pytest.approx(rate / 1e9, abs=0.05)
        assert float(row["share of copy"]) == pytest.approx(rate / 4e9, abs=0.0005)  # of the copy in the first line


Named = SimpleNamespace  # what the file of rows knows of a case


def rows_of(monkeypatch: pytest.MonkeyPatch, wrong: str = "", broken: str = "") -> list[str]:
    """Makes a row of each case, and returns the list of the cases that are timed."""
    timed: list[str] = []

    def rows(case: Named, *_: Any) -> Iterator[gpu.Row]:
        timed.append(case.name)
        if case.name == broken:
            raise RuntimeError("out of memory")
        if case.name == wrong:
            raise gpu.WrongResultError(f"{case.name} is off")
        yield {"case": case.name, "batch": case.shape[0]}

    monkeypatch.setattr(gpu, "measured", rows)
    monkeypatch.setattr(gpu, "copy_bandwidth", lambda *_: 4e12)
    return timed


CASES = [Named(name=name, shape=(2, 8, 8)) for name in ("first", "second", "third")]


def names_in(path: Path) -> list[str]:
    return [row["case"] for row in csv.DictReader(path.read_text().splitlines()[1:])]


def test_a_run_that_was_cut_off_is_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    timed = rows_of(monkeypatch, broken="third")
    path, partial = tmp_path / "card.csv", tmp_path / "card.part"
    with pytest.raises(RuntimeError, match="out of memory"):
        gpu.benchmark(CASES, CPU, path, "card, commit a", quick=False)
    assert names_in(partial) == ["first", "second"]
    partial.write_text(partial.read_text()[:-5])  # cut off inside a row
    timed = rows_of(monkeypatch)
    assert gpu.benchmark(CASES, CPU, path, "card, commit a", quick=False)
    assert timed == ["second", "third"]
    assert names_in(path) == ["first", "second", "third"]
    assert not partial.exists()


def test_rows_of_another_commit_are_not_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows_of(monkeypatch)
    (tmp_path / "card.part").write_text("# card, commit a, copy 4000 GB/s\ncase,batch\nfirst,2\n")
    assert gpu.benchmark(CASES, CPU, tmp_path / "card.csv", "card, commit b", quick=False)
    assert (tmp_path / "card.csv").read_text().splitlines()[0] == "# card, commit b, copy 4000 GB/s"
    assert names_in(tmp_path / "card.csv") == ["first", "second", "third"]


def test_a_quick_run_begins_no_case_after_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    timed = rows_of(monkeypatch)
    monkeypatch.setitem(gpu.QUICK_SECONDS, "speed", 0.0)
    assert gpu.benchmark(CASES, CPU, tmp_path / "card.csv", "card", quick=True)
    assert timed == []
    assert f"0 wrong, 3 left for another call in {tmp_path / 'card.part'}" in capsys.readouterr().out


def test_a_wrong_result_leaves_out_its_row_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows_of(monkeypatch, wrong="second")
    assert not gpu.benchmark(CASES, CPU, tmp_path / "card.csv", "card", quick=True)
    assert names_in(tmp_path / "card.part") == ["first", "third"]
    assert capsys.readouterr().err == "gpu-check: second is off\n"


def test_quick_cases_have_a_row_per_size_class_and_op() -> None:
    quick, full = list(gpu_cases.quick_cases()), list(gpu_cases.cases())
    rows = [(case.name, case.shape[0]) for case in full]
    assert rows[: len(quick)] == [(case.name, case.shape[0]) for case in quick]
    assert len(set(rows)) == len(rows)  # by which they are gone on with
    functions = {case.name.partition(" ")[0] for case in quick}
    assert functions == {"radial_spectrum", "frequency_filter", "hff", "hfc", "up", "down", "upsample"}
    for size in gpu_cases.QUICK_SIZES:
        of_size = [case for case in quick if case.shape[1:] == size and case.dtype == torch.float32]
        assert len({case.name for case in of_size}) == 5


def test_a_peer_that_does_not_compile_is_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(function: Any) -> Any:
        def run(*images: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("no compiler\nhere")

        return run

    monkeypatch.setattr(torch, "compile", broken)
    case = next(iter(gpu_cases.cases(pixels=2**16, few=1)))
    assert set(gpu.works_of(case, CPU, [torch.randn(case.shape)], quick=False)) <= {"eager", "cpp"}
    assert capsys.readouterr().out == f"{case.name}: torch.compile is left out: no compiler\n"


def test_wrong_results_are_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    case = gpu_cases.Case("wrong", "upfirdn2d", (4, 8, 8), 1, 4, lambda device: (torch.clone, torch.neg))
    monkeypatch.setattr(torch, "compile", lambda function: lambda x: -function(x))
    with pytest.raises(gpu.WrongResultError, match="wrong: compiled is off from eager torch by"):
        gpu.works_of(case, CPU, [torch.randn(4, 8, 8)], quick=False)
