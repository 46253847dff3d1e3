"""The command's promises: no speed while tests fail, a row and a verdict for every entry, results compared first."""

from __future__ import annotations

import csv
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from specops import backends

NO_ROOT = "the repository's root is not on the path: python -m pytest"
command = pytest.importorskip("bench.__main__", reason=NO_ROOT)
measure = pytest.importorskip("bench.measure")
registry = pytest.importorskip("bench.registry")
resampling = pytest.importorskip("bench.resampling")
spectral = pytest.importorskip("bench.spectral")

ROOT = Path(__file__).parents[2]
CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def sides(device: torch.device) -> Any:
    return registry.Sides(registry.Side(lambda: None), {"peer": registry.Side(lambda: None)})


def without_peer(device: torch.device) -> Any:
    raise registry.PeerError("torch.compile: no C++ compiler")


def wrong(device: torch.device) -> Any:
    ours, theirs = (registry.Side(function) for function in (torch.clone, torch.neg))
    return registry.Sides(ours, {"eager": theirs}, [(torch.ones(3),)], error=1e-5)


def cut_off(device: torch.device) -> Any:
    raise RuntimeError("out of memory")


def entry(case: str, setup: Any = sides, must: float | None = None) -> Any:
    return registry.Entry("speed", case, ("test_structure.py",), setup, must, must)


@pytest.fixture(autouse=True)
def chosen(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The entries, none until a test adds some; timings are short and no test of an entry runs."""
    some: list[Any] = []
    monkeypatch.setitem(measure.CLOCKS, "cpu", measure.Clock(measure.host_seconds, 1e-5))
    monkeypatch.setattr(command, "entries", lambda device: some)
    monkeypatch.setattr(command, "processor", lambda device: "card, avx")
    monkeypatch.setattr(command.checks, "tested", lambda *_: True)
    return some


def run(tmp_path: Path, *options: str, commit: str = "a") -> int:
    return command.main(["--out", str(tmp_path), "--commit", commit, *options])


def rows(path: Path) -> list[dict[str, str]]:
    first, *lines = path.read_text().splitlines()
    assert first.startswith("# card, avx, torch ")
    return list(csv.DictReader(lines))


def cases(path: Path) -> list[str]:
    return [row["case"] for row in rows(path)]


def test_without_a_gpu_one_line_says_so() -> None:
    if backends.no_gpu() is None:
        pytest.skip("there is a GPU")
    command = [sys.executable, "-m", "bench", "--device", "cuda"]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 1
    assert finished.stdout == ""
    assert finished.stderr.splitlines() == [f"bench: {backends.no_gpu()}"]


def steps_taken(monkeypatch: pytest.MonkeyPatch, chosen: list[Any], **answers: bool) -> list[str]:
    """Makes the command believe in a GPU, its steps answer as told, and returns the list of those that it takes."""
    for name in ("no_gpu", "cuda_build", "no_driver"):
        monkeypatch.setattr(backends, name, lambda: None)
    chosen.append(entry("1 x 1²"))
    taken: list[str] = []
    steps = {
        name: lambda *_, name=name: taken.append(name) or answers.get(name, True) for name in command.STEPS["cuda"]
    }
    monkeypatch.setitem(command.STEPS, "cuda", steps)
    return taken


@pytest.mark.parametrize(
    ("failing", "taken"), [("tests", ["tests"]), ("sanitizers", ["tests", "sanitizers"])], ids=["tests", "sanitizers"]
)
def test_no_speed_while_checks_fail(
    failing: str,
    taken: list[str],
    chosen: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    steps = steps_taken(monkeypatch, chosen, **{failing: False})
    assert command.main(["--device", "cuda"]) == 1
    assert steps == taken
    assert capsys.readouterr().err == f"bench: {failing} fail, so what follows is left out\n"


def test_steps_that_are_asked_for_in_their_order(chosen: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    steps = steps_taken(monkeypatch, chosen)
    assert command.main(["--device", "cuda", "--steps", "speed", "tests", "--quick"]) == 0
    assert steps == ["tests", "speed"]


def test_the_tests_of_the_entries_come_first(
    tmp_path: Path, chosen: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen.append(entry("1 x 1²"))
    asked: list[Any] = []
    monkeypatch.setattr(command.checks, "tested", lambda *call: asked.append(call) or False)
    assert run(tmp_path) == 1
    assert asked == [({"test_structure.py"}, CPU, False)]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("met", [True, False], ids=["met", "missed"])
@pytest.mark.parametrize("kind", ["speed", "figure"])
def test_a_missed_must_is_an_exit_status(tmp_path: Path, chosen: list[Any], kind: str, met: bool) -> None:
    figure = registry.Figure(1.0, float(met))
    chosen.append(entry("", must=1e9 if met else 0.0) if kind == "speed" else entry("", lambda device: figure))
    assert run(tmp_path) == 0
    assert run(tmp_path, "--check") == (0 if met else 1)
    assert (rows(tmp_path / "card.csv")[0]["verdict"] == "missed") == (not met)


def test_a_peer_that_cannot_run_is_left_out(tmp_path: Path, chosen: list[Any]) -> None:
    chosen += [entry("first", without_peer, 0.5), entry("second")]
    assert run(tmp_path, "--check") == 0
    left_out, measured = rows(tmp_path / "card.csv")
    assert (left_out["verdict"], left_out["peers us"]) == ("left out", "torch.compile: no C++ compiler")
    assert measured["verdict"] == ""


def test_a_claim_that_is_not_there(tmp_path: Path, chosen: list[Any]) -> None:
    chosen.append(entry("first"))
    assert run(tmp_path, "--only", "nothing of that name") == 2


def test_a_wrong_result_leaves_out_its_row_alone(
    tmp_path: Path, chosen: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    chosen += [entry("first"), entry("second", wrong), entry("third")]
    assert run(tmp_path) == 1
    assert cases(tmp_path / "card.part") == ["first", "third"]
    assert "bench: speed, second: ours is off from eager by 2\n" in capsys.readouterr().err


def test_a_run_that_was_cut_off_is_gone_on_with(tmp_path: Path, chosen: list[Any]) -> None:
    chosen += [entry("first"), entry("second"), entry("third", cut_off)]
    partial = tmp_path / "card.part"
    with pytest.raises(RuntimeError, match="out of memory"):
        run(tmp_path)
    assert cases(partial) == ["first", "second"]
    partial.write_text(partial.read_text()[:-5])  # cut off inside a row
    chosen[:] = [entry("first", cut_off), entry("second"), entry("third")]
    assert run(tmp_path) == 0
    assert cases(tmp_path / "card.csv") == ["first", "second", "third"]
    assert not partial.exists()


@pytest.mark.parametrize(("begun", "commit"), [("a", "b"), ("a-dirty", "a-dirty"), ("unknown", "unknown")])
def test_rows_of_other_code_are_not_gone_on_with(tmp_path: Path, chosen: list[Any], begun: str, commit: str) -> None:
    chosen[:] = [entry("first"), entry("second", cut_off)]
    with pytest.raises(RuntimeError):
        run(tmp_path, commit=begun)
    chosen[:] = [entry("second")]
    assert run(tmp_path, commit=commit) == 0
    assert cases(tmp_path / "card.csv") == ["second"]


def test_a_quick_run_on_a_gpu_begins_no_entry_after_its_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "QUICK_SECONDS", 0.0)
    monkeypatch.setattr(command, "copy_bandwidth", lambda device: 4e12)
    options = command.parse(["--device", "cuda", "--quick", "--out", str(tmp_path), "--commit", "a"])
    assert command.speed([entry("first", cut_off)], CUDA, options)
    assert cases(tmp_path / "card-quick.part") == []
    assert "copy 4000 GB/s" in capsys.readouterr().out


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_entries_have_each_op_and_tests_that_are_there(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    entries = command.entries(torch.device(device))
    assert all((ROOT / "tests" / test).exists() for entry in entries for test in entry.tests)
    assert len({(entry.claim, entry.case) for entry in entries}) == len(entries)
    assert {entry.op for entry in entries if entry.claim.endswith("/ reference")} == set(backends.ops())


def test_a_quick_run_on_a_gpu_has_each_function_in_each_class_of_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    quick = [entry for entry in command.entries(CUDA) if entry.quick]
    names = {entry.claim.partition(" / ")[0].removeprefix("resampling: ").partition(" ")[0] for entry in quick}
    assert names == {"radial_spectrum", "frequency_filter", "hff", "hfc", "upfirdn2d", "upsample(bilinear)"}
    for size in spectral.QUICK_SIZES:
        case = registry.case_of((spectral.planes_of(spectral.PIXELS, size), *size))
        assert len([entry for entry in quick if entry.case == case and "resampling" not in entry.claim]) == 5


@pytest.mark.parametrize("module", [spectral, resampling], ids=["spectral", "resampling"])
def test_entries_of_a_gpu_compare_their_results_and_have_a_row(
    module: Any, tmp_path: Path, chosen: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the CPU, of small images, each call half a millisecond."""
    if backends.why_not("cpp", "upfirdn2d") is not None:
        pytest.skip("the extension is not built")

    def seconds(work: Any) -> float:
        work()
        return 5e-4

    monkeypatch.setitem(measure.CLOCKS, "cpu", measure.Clock(seconds, 5e-4))
    monkeypatch.setattr(measure, "REPEATS", 1)
    monkeypatch.setattr(torch, "compile", lambda function: function)
    monkeypatch.setattr(torch.compiler, "reset", lambda: None)
    monkeypatch.setattr(resampling, "CHANNELS", 1)
    monkeypatch.setattr(spectral, "QUICK_SIZES", ((64, 64), (16, 32)))
    monkeypatch.setattr(spectral, "MORE_SIZES", ())
    all_entries = {(each.claim, each.case): each for each in module.gpu_entries(pixels=2**14, few=1)}
    for each in all_entries.values():
        [row] = measure.measured(each, CPU, bandwidth=4e9)
        assert (row["claim"], row["case"], row["backend"]) == (each.claim, each.case, "cpp")
        assert (row["us"], row["ratio"], row["ratio of medians"]) == (500, 1, 1)
        assert row["share of copy"] == pytest.approx(each.moved / 5e-4 / 4e9, abs=1e-3)


def test_a_peer_that_does_not_compile_is_a_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(function: Any) -> Any:
        def run(*images: torch.Tensor) -> torch.Tensor:
            raise RuntimeError("no compiler\nhere")

        return run

    monkeypatch.setattr(torch, "compile", broken)
    entry = next(entry for entry in spectral.gpu_entries(pixels=2**16) if "torch.compile" in entry.claim)
    with pytest.raises(registry.PeerError, match=r"^torch.compile: no compiler$"):
        entry.setup(CPU)


def test_a_plot_of_each_table_that_is_there(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    tables = sorted((ROOT / "bench" / "results").glob("*.csv"))
    assert command.main(["--plot", *map(str, tables), "--out", str(tmp_path)]) == 0
    assert sorted(path.stem for path in tmp_path.glob("*.png")) == [path.stem for path in tables]
