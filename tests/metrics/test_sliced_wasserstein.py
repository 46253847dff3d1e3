"""SlicedWassersteinDistance: its parts against SciPy, its definition, and the differences that it sees."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
import torch
from metric_cases import assert_same, both_sides, computed

import specops
from specops.metrics import SlicedWassersteinDistance
from specops.metrics._wasserstein import laplacian_pyramid, wasserstein_1


@pytest.mark.parametrize("counts", [(50, 50), (50, 30), (7, 13), (1, 4)], ids=str)
def test_wasserstein_distance_equals_scipy(counts: tuple[int, int]) -> None:
    a, b = (torch.randn(n, 5, dtype=torch.float64) + index for index, n in enumerate(counts))
    expected = [scipy.stats.wasserstein_distance(a[:, column], b[:, column]) for column in range(5)]
    np.testing.assert_allclose(wasserstein_1(a, b).numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("size", [(32, 32), (33, 46), (64, 40)], ids=str)
def test_laplacian_pyramid_equals_scipy(size: tuple[int, int]) -> None:
    f = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
    x = torch.randn(2, 3, *size, dtype=torch.float64)
    levels = laplacian_pyramid(x, 3)
    image = x[1, 2].numpy()
    for level in levels[:-1]:
        half = scipy.ndimage.convolve(image, f, mode="mirror")[::2, ::2]
        nails = np.zeros((2 * half.shape[0], 2 * half.shape[1]))
        nails[::2, ::2] = half
        enlarged = scipy.ndimage.convolve(nails, 4 * f, mode="mirror")
        np.testing.assert_allclose(level[1, 2], image - enlarged[: image.shape[0], : image.shape[1]], atol=1e-12)
        image = half
    np.testing.assert_allclose(levels[-1][1, 2], image, atol=1e-12)


def test_sliced_wasserstein_of_whole_levels() -> None:
    """Images of one patch each: the distance by its definition, from the images themselves."""
    real, fake = torch.randn(9, 1, 7, 7), torch.rand(9, 1, 7, 7) ** 3 - 0.5
    value = computed(SlicedWassersteinDistance(7, channels=1, patches_per_image=1, directions=4096), [real], [fake])
    assert list(value) == ["swd_7", "swd"]
    rows = [x.flatten(1).double() for x in (real, fake)]
    rows = [(x - x.mean()) / x.std(correction=0) for x in rows]
    directions = torch.randn(49, 20000, dtype=torch.float64)
    directions = directions / directions.norm(dim=0)
    expected = wasserstein_1(*(x @ directions for x in rows)).mean()
    torch.testing.assert_close(value["swd_7"], expected, rtol=0.02, atol=0)


def test_sliced_wasserstein_sees_the_scale_of_a_difference() -> None:
    real, fake = torch.randn(2, 30, 3, 64, 64)
    coarse = specops.frequency_filter(fake, specops.masks.lowpass((64, 64), 18))
    names = ["swd_64", "swd_32", "swd_16", "swd"]
    same, blurred = (
        computed(SlicedWassersteinDistance(64, directions=32, repeats=1), [real], [x]) for x in (fake, coarse)
    )
    assert list(same) == names
    assert blurred["swd_64"] > 2 * same["swd_64"]
    assert blurred["swd_32"] < 1.3 * same["swd_32"]
    assert blurred["swd_16"] < 1.3 * same["swd_16"]
    assert blurred["swd"] == pytest.approx(sum(float(blurred[name]) for name in names[:3]) / 3)


def test_sliced_wasserstein_of_a_set_with_itself_is_zero() -> None:
    real, _ = both_sides()
    values = computed(SlicedWassersteinDistance(32, directions=16, seed=3), [real], [real.flip(0)])
    assert all(abs(float(value)) < 1e-6 for value in values.values())
    constant = torch.ones(2, 3, 32, 32)
    assert computed(SlicedWassersteinDistance(32), [constant], [constant])["swd"] == 0


def test_defaults_of_the_sliced_wasserstein_distance() -> None:
    real, fake = both_sides()
    options = {"channels": 3, "patches_per_image": 128, "directions": 128, "repeats": 4, "seed": 0}
    expected = computed(SlicedWassersteinDistance(32, **options), [real[:3]], [fake[:3]])
    assert_same(computed(SlicedWassersteinDistance(32), [real[:3]], [fake[:3]]), expected)


def test_each_channel_is_brought_to_mean_0_and_deviation_1() -> None:
    """Units of a channel do not change the distance. Images have one patch, since pixels choose positions."""
    real, fake = torch.randn(9, 3, 7, 7), torch.rand(9, 3, 7, 7) ** 3 - 0.5
    gain, offset = torch.tensor([1.0, 2.0, 8.0])[:, None, None], torch.tensor([0.0, -1.0, 4.0])[:, None, None]
    build = functools.partial(SlicedWassersteinDistance, 7, patches_per_image=1)
    expected = computed(build(), [real], [fake])
    assert expected["swd"] > 0.01
    assert_same(computed(build(), [real * gain + offset], [fake]), expected, 1e-4)


def test_seeds_choose_positions_and_directions() -> None:
    real, fake = both_sides()
    build = functools.partial(SlicedWassersteinDistance, 32, patches_per_image=16, directions=32, repeats=1)
    values = [computed(build(seed=seed), [real], [fake])["swd"] for seed in (0, 0, 1)]
    assert values[0] == values[1]
    assert values[0] != values[2]
    assert values[0] == pytest.approx(float(values[2]), rel=0.5)
