"""LeakageRatio: the published code's values, and its definition through a window."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from metric_cases import both_sides, computed

from specops.metrics import LeakageRatio


def test_leakage_equals_the_published_code(fixes: dict[str, np.ndarray]) -> None:
    real, fake = (torch.from_numpy(fixes[name]).unsqueeze(1) for name in ("leak_true", "leak_gen"))
    for dtype, bound in ((torch.float64, 1e-10), (torch.float32, 1e-6)):
        value = computed(LeakageRatio(32), [real.to(dtype)], fake.to(dtype).split(7))["value"]
        assert float(value) == pytest.approx(float(fixes["leak_ratio"]), rel=bound)


def test_leakage_through_a_window() -> None:
    real, fake = both_sides()
    hann = torch.hann_window(32, periodic=False, dtype=torch.float64)
    powers = [torch.fft.fft2(x.double().mean(1) * torch.outer(hann, hann)).abs().square().mean(0) for x in (real, fake)]
    first, second = (power / power.sum() for power in powers)
    value = computed(LeakageRatio(32, window="hann"), [real], [fake])["value"]
    torch.testing.assert_close(value.double(), ((first - second).abs().sum() / 2).double(), rtol=1e-10, atol=0)
