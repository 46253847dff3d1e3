"""Against kornia where both do the same."""

from __future__ import annotations

import pytest
import torch

import specops
import specops.losses

kornia = pytest.importorskip("kornia", reason="kornia is not installed (the extra `peers`)")


@pytest.mark.parametrize(
    ("boundary", "border"), [("reflect", "reflect"), ("replicate", "replicate"), ("circular", "circular")]
)
@pytest.mark.parametrize("taps", [3, 5])
def test_separable_filter(taps: int, boundary: str, border: str) -> None:
    x = torch.randn(2, 3, 12, 17, dtype=torch.float64)
    kernel = kornia.filters.get_gaussian_kernel1d(taps, 1.3, dtype=torch.float64)
    theirs = kornia.filters.filter2d_separable(x, kernel, kernel, border_type=border)
    ours = specops.upfirdn2d(x, kernel[0], padding=taps // 2, boundary=boundary)
    torch.testing.assert_close(ours, theirs)


def test_grey_of_the_profile_losses() -> None:
    """The weights of red, green and blue of Jung and Keuper are those of kornia's grey images."""
    real, fake = torch.rand(2, 4, 3, 16, 16, dtype=torch.float64)
    expected = specops.losses.spectral_profile_loss(*(kornia.color.rgb_to_grayscale(x) for x in (fake, real)))
    torch.testing.assert_close(specops.losses.spectral_profile_loss(fake, real), expected, rtol=1e-10, atol=0)
