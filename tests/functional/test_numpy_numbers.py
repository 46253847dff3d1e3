"""Numbers of NumPy, however narrow, are numbers: as arguments and in what is kept by them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import specops
from specops import geometry, masks, nn
from specops.losses import FocalFrequencyLoss

X = torch.linspace(-0.9, 0.9, 200 * 200).reshape(200, 200)

INTEGERS: dict[str, Callable[[Any], Any]] = {
    "radial_bins": lambda n: geometry.radial_bins((n, n)).count,
    "lowpass size": lambda n: masks.lowpass((n, n), 20),
    "lowpass radius": lambda n: masks.lowpass((256, 256), n, kind="gaussian"),
    "bandpass": lambda n: masks.bandpass((512, 512), n, n + n % 7, kind="butterworth"),
    "hff": lambda n: specops.hff(X, n, kind="gaussian"),
    "upsample": lambda n: specops.upsample(X[:2, :2], n, mode="binomial"),
    "downsample": lambda n: specops.downsample(X, n, mode="blur"),
    "upfirdn2d": lambda n: specops.upfirdn2d(X[:2, :2], None, up=n, down=n, padding=n, gain=n),
    "lowpass width": lambda n: masks.lowpass((8, 8), 3, kind="logistic", width=n),
    "value_range": lambda n: specops.hff(X, 3, value_range=(0, n)),
    "frequency_shift": lambda n: specops.frequency_shift(X, (1 / n, n)),
    "RadialFilter": lambda n: nn.RadialFilter(n).profile,
}


@pytest.mark.parametrize("name", INTEGERS)
def test_narrow_integers(name: str) -> None:
    """200 squared does not fit into eight bits. It comes first, since a map kept for 200 would hide its error."""
    function = INTEGERS[name]
    narrow = function(np.uint8(200))
    assert torch.equal(narrow, function(200))


@pytest.mark.parametrize("kind", ["gaussian", "ideal"])
def test_narrow_cutoffs(kind: str) -> None:
    share = np.float16(0.3)
    assert torch.equal(
        masks.lowpass((300, 300), cutoff=share, kind=kind), masks.lowpass((300, 300), cutoff=float(share), kind=kind)
    )
    assert torch.equal(
        masks.bandpass((300, 300), cutoff=(share, np.float16(0.4)), kind=kind),
        masks.bandpass((300, 300), cutoff=(float(share), float(np.float16(0.4))), kind=kind),
    )


def test_true_is_no_radius_though_one_was() -> None:
    specops.hff(X, 1)
    specops.hff(X, 1.0)
    for wrong in (True, np.bool_(True)):
        with pytest.raises(TypeError, match="radius must be a number"):
            specops.hff(X, wrong)


def test_modules_show_them_as_those_of_python() -> None:
    f, i = np.float32, np.int64
    for given, plain in (
        (nn.FrequencyFilter(i(8)), nn.FrequencyFilter(8)),
        (nn.SpectrumDiscriminator(i(8), i(2)), nn.SpectrumDiscriminator(8, 2)),
        (nn.LowPass(f(0.25)), nn.LowPass(0.25)),
        (nn.RadialSpectrum(scale="log", eps=f(0.5)), nn.RadialSpectrum(scale="log", eps=0.5)),
        (nn.BlurPool(i(3), i(4), i(2)), nn.BlurPool(3, 4, 2)),
        (FocalFrequencyLoss(f(2), f(1.5), i(2)), FocalFrequencyLoss(2.0, 1.5, 2)),
    ):
        assert repr(given) == repr(plain)
