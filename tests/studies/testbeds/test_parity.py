"""`make parity`: what judges which seed, what it exits with, what it keeps. On made-up trainings."""

from __future__ import annotations

import subprocess
from pathlib import Path

import parity
import pytest
from parity import DISCRIMINATORS, GENERATORS, Evaluations, Run

TRAININGS = 10
"""Of a seed in an arithmetic."""


class MadeUp:
    """Trainings that end at the published numbers, which `errors` move, by run and arithmetic, in the columns named."""

    def __init__(self, errors: dict[tuple[Run, str], dict[str, float]] | None = None) -> None:
        self.errors = errors or {}
        self.trained: list[tuple[Run, str]] = []

    def __call__(self, run: Run, arithmetic: str) -> Evaluations:
        self.trained.append((run, arithmetic))
        if run.testbed == "generator":
            psnr, corner = GENERATORS[run.mode][0]
            row = {"psnr": psnr, "e_low": -0.1, "e_mid": -0.2, "e_high": 0.1, "e_corner": corner or 0.5}
        else:
            row = {name: number or 0.0 for name, number in zip(parity.COLUMNS, DISCRIMINATORS[run.mode], strict=True)}
        for name, error in self.errors.get((run, arithmetic), {}).items():
            row[name] += error
        steps = range(100, 1600, 100) if run.testbed == "generator" else [600]
        early = dict.fromkeys(row, 99.0)  # counts for nothing
        return [{"step": step} | (early if step <= 500 else row) for step in steps]


def test_published_numbers_hold(capsys: pytest.CaptureFixture[str]) -> None:
    measure = MadeUp()
    assert parity.compare([0, 1], measure) == 0
    assert "all 20 runs are within tolerance" in capsys.readouterr().out
    published = [run for run, arithmetic in measure.trained if arithmetic == "published"]
    assert len(published) == TRAININGS + len(GENERATORS)  # of seed 0 for the bands of generators


def test_other_seeds_are_held_against_the_published_arithmetic() -> None:
    """Which may leave the bounds around the published numbers, as long as ours goes along."""
    moved = {
        (Run("generator", "nearest", seed), which): {"psnr": -1.2, "e_mid": -0.2}
        for seed in (0, 2)
        for which in ("fast", "published")
    }
    assert parity.compare([2], MadeUp(moved)) == 0
    assert parity.compare([0], MadeUp(moved)) == 1  # the published PSNR


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("testbed", "mode", "column", "bound"),
    [
        ("generator", "bilinear", "psnr", 1.0),
        ("generator", "zeros", "psnr", 1.5),
        ("generator", "shuffle", "e_low", 0.05),
        ("generator", "nearest", "e_corner", 0.05),
        ("generator", "zeros+log-spectrum", "e_corner", 0.15),
        ("discriminator", "stride", "psnr", 1.5),
        ("discriminator", "schwarz_blur+highpass", "e_high", 0.15),
    ],
)
def test_one_number_out_of_tolerance_is_named(
    testbed: str, mode: str, column: str, bound: float, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run(testbed, mode, seed)
    for error, code in (
        (0.98 * bound, 0),
        (-0.98 * bound, 0),
        (1.02 * bound, 1),
        (-1.02 * bound, 1),
        (float("nan"), 1),
    ):
        capsys.readouterr()
        assert parity.compare([seed], MadeUp({(run, "fast"): {column: error}})) == code, error
        told = capsys.readouterr().out.splitlines()
        (row,) = [line for line in told if line.startswith(f"| {mode} |")]
        assert row.endswith(f"| {column if code else 'none'} |")
        assert told[-1] == (
            f"out of tolerance: {mode}, seed {seed} ({column})" if code else "all 10 runs are within tolerance"
        )


def test_single_evaluations_are_not_judged() -> None:
    """They jitter; their mean counts."""
    run = Run("generator", "zeros", 0)

    def measure(which: Run, arithmetic: str) -> Evaluations:
        rows = MadeUp()(which, arithmetic)
        if which == run and arithmetic == "fast":
            rows[-1]["e_mid"] += 1
            rows[-2]["e_mid"] -= 1
        return rows

    assert parity.compare([0], measure) == 0


def test_stopped_call_goes_on(tmp_path: Path) -> None:
    measure = MadeUp()

    def stopped(run: Run, arithmetic: str) -> Evaluations:
        if len(measure.trained) == 7:
            raise KeyboardInterrupt
        return measure(run, arithmetic)

    with pytest.raises(KeyboardInterrupt):
        parity.compare([1], parity.kept(tmp_path, "sources", stopped), at_once=1)
    assert parity.compare([1], parity.kept(tmp_path, "sources", measure)) == 0
    assert len(measure.trained) == len(set(measure.trained)) == 2 * TRAININGS
    parity.compare([1], parity.kept(tmp_path, "other sources", measure))
    assert len(measure.trained) == 4 * TRAININGS


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "image.npz"
    path.touch()
    monkeypatch.setattr(parity, "IMAGE", path)
    return path


def test_published_numbers_that_are_absent_are_told(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image.unlink()
    assert parity.main(["--out", str(image.parent / "out")]) == 2
    assert "the published numbers are not at" in capsys.readouterr().err
    assert not (image.parent / "out").exists()


def test_training_that_fails_is_told(
    image: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(run: Run, arithmetic: str) -> Evaluations:
        raise subprocess.CalledProcessError(1, ["golden_run.py"], stderr="Traceback\nMemoryError\n")

    monkeypatch.setattr(parity, "train", fail)
    assert parity.main(["0", "--out", str(image.parent / "out"), "--at-once", "1"]) == 2
    assert capsys.readouterr().err == "parity.py: error: a training failed: MemoryError\n"
