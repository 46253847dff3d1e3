"""The training loop: it stops where a loss or a weight is no longer finite, and keeps the checkpoint before."""

from __future__ import annotations

from pathlib import Path

import gan_fixes
import pytest
import torch
from finished_runs import exit_code, table
from studies.core.data.sources import Source, open_source
from studies.core.errors import TrainingError
from studies.core.record.checkpoints import load_checkpoint
from studies.core.training import restore, train
from studies.gans import losses
from studies.gans.run import GanRun, GanSettings

SMALL = {"width": 16, "batch": 4, "eval_images": 8, "ema": 0.9}


@pytest.fixture(scope="module")
def source() -> Source:
    return open_source("photo-crops", 32, flip=True)


def new_run(source: Source, **more: int) -> GanRun:
    return GanRun(GanSettings(**SMALL, **more), source, torch.device("cpu"))


@pytest.fixture
def diverging(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loss of D that is NaN from its seventh call on: in the fourth step of two."""
    calls = iter(range(1000))

    def loss(fake: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        value = losses.LOSSES["wasserstein"].discriminator(fake, real)
        return value * (float("nan") if next(calls) >= 6 else 1.0)

    hinge = losses.AdversarialLoss(loss, losses.LOSSES["hinge"].generator)
    monkeypatch.setitem(losses.LOSSES, "hinge", hinge)


@pytest.mark.usefixtures("diverging")
def test_loss_that_is_not_finite_stops_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], source: Source
) -> None:
    out = tmp_path / "out"
    small = ["--width", 16, "--batch", 4, "--eval-images", 8, "--ema", 0.9, "--threads", 1]
    assert exit_code(gan_fixes, *small, "--discriminator-steps", 2, "--steps", 9, "--eval-every", 2, "--out", out) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "not finite at step 4: loss, loss_d, loss_g" in err
    assert str(out / "checkpoint.safetensors") in err
    assert [row["step"] for row in table(out)] == ["2"]
    state = load_checkpoint(out / "checkpoint.safetensors")
    assert all(tensor.isfinite().all() for section in state.values() for tensor in section.values())
    run = new_run(source)
    restore(run, out)
    assert run.step == 2


def test_run_that_is_not_finite_at_once_leaves_the_first_checkpoint(source: Source, tmp_path: Path) -> None:
    run = new_run(source, steps=1, eval_every=1)
    advance = run.advance

    def ruin() -> torch.Tensor:
        """A step after which the loss is finite, and a weight is not."""
        loss = advance()
        with torch.no_grad():
            run.generator.colours.weight[0, 0, 0, 0] = float("inf")
        return loss

    run.advance = ruin  # type: ignore[method-assign]
    with pytest.raises(TrainingError, match="not finite after step 1: weights"):
        train(run, tmp_path, show_progress=False)
    state = load_checkpoint(tmp_path / "checkpoint.safetensors")
    assert int(state["progress"]["step"]) == 0
    fresh = new_run(source)
    restore(fresh, tmp_path)
    assert all(torch.isfinite(weight).all() for weight in fresh.generator.parameters())
