"""Against the package focal-frequency-loss of the authors."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from specops.losses import FocalFrequencyLoss, focal_frequency_loss

peer = pytest.importorskip("focal_frequency_loss", reason="focal-frequency-loss is not installed (the extra `peers`)")

OPTIONS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "loss_weight": {"loss_weight": 0.3},
    "alpha 2": {"alpha": 2.0},
    "alpha 0": {"alpha": 0.0},
    "alpha 0.5": {"alpha": 0.5},
    "patches": {"patch_factor": 4},
    "average": {"ave_spectrum": True},
    "log": {"log_matrix": True},
    "batch": {"batch_matrix": True},
    "all": {
        "loss_weight": 2.0,
        "alpha": 1.5,
        "patch_factor": 2,
        "ave_spectrum": True,
        "log_matrix": True,
        "batch_matrix": True,
    },
}
SIZES = [(16, 16), (12, 20), (28, 36)]


@pytest.mark.parametrize(
    ("dtype", "bound"), [(torch.float32, 1e-5), (torch.float64, 1e-12)], ids=["float32", "float64"]
)
@pytest.mark.parametrize("name", OPTIONS)
def test_value_and_derivatives(name: str, dtype: torch.dtype, bound: float) -> None:
    """The value, its gradient to both, and the derivative of the gradient's square; every third option at one size."""
    options, size = OPTIONS[name], SIZES[list(OPTIONS).index(name) % len(SIZES)]
    pred, target = (torch.randn(3, 2, *size, dtype=dtype).requires_grad_() for _ in range(2))
    results = []
    for loss in (FocalFrequencyLoss(**options), peer.FocalFrequencyLoss(**options)):
        value = loss(pred, target)
        slopes = torch.autograd.grad(value, (pred, target), create_graph=True)
        curvature = torch.autograd.grad(slopes[0].square().sum(), (pred, target))
        results.append([value, *slopes, *curvature])
    for ours, theirs in zip(*results, strict=True):
        assert (ours - theirs).norm() <= bound * theirs.norm()


@pytest.mark.parametrize("side", [7, 9])
def test_odd_sizes(side: int) -> None:
    pred, target = torch.randn(2, 2, 3, side, side + 2, dtype=torch.float64)
    torch.testing.assert_close(focal_frequency_loss(pred, target), peer.FocalFrequencyLoss()(pred, target))


@pytest.mark.parametrize("shape", [(3, 4, 2, 8, 8), (1, 1, 1, 8, 8), (8, 8), (4, 1, 8, 8), ()], ids=str)
def test_matrix(shape: tuple[int, ...]) -> None:
    pred, target = torch.randn(2, 3, 2, 16, 16, dtype=torch.float64)
    matrix = torch.rand(shape, dtype=torch.float64)
    ours, theirs = FocalFrequencyLoss(patch_factor=2), peer.FocalFrequencyLoss(patch_factor=2)
    torch.testing.assert_close(ours(pred, target, matrix), theirs(pred, target, matrix))


def test_equal_images_and_equal_patches() -> None:
    """0 / 0 in the weight counts as 0."""
    pred = torch.randn(2, 3, 8, 8, dtype=torch.float64)
    target = pred.clone()
    assert FocalFrequencyLoss()(pred, target) == peer.FocalFrequencyLoss()(pred, target) == 0
    target[0] += 1
    target[1, 0, 0, 0] += 1
    torch.testing.assert_close(FocalFrequencyLoss()(pred, target), peer.FocalFrequencyLoss()(pred, target))


def test_same_arguments_in_the_same_order() -> None:
    arguments = (0.5, 2.0, 2, True, True, True)
    pred, target = torch.randn(2, 2, 3, 8, 8, dtype=torch.float64)
    ours, theirs = FocalFrequencyLoss(*arguments), peer.FocalFrequencyLoss(*arguments)
    for name in ("loss_weight", "alpha", "patch_factor", "ave_spectrum", "log_matrix", "batch_matrix"):
        assert getattr(ours, name) == getattr(theirs, name)
        assert getattr(FocalFrequencyLoss(), name) == getattr(peer.FocalFrequencyLoss(), name)
    torch.testing.assert_close(ours(pred, target), theirs(pred, target))
