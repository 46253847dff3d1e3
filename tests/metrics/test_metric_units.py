"""Metrics warn of two sides in different units, and of no others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import metric_cases
import pytest
import torch
from metric_cases import computed, each_metric
from torch import Tensor

from specops.metrics import LeakageRatio, SpectralDistance
from specops.metrics._two_sided import units_differ


def units(scale: float, shift: float, n: int = 6) -> Tensor:
    """Images with values from `shift` to `shift + scale`."""
    x = torch.rand(n, 3, 32, 32)
    return (x - x.amin()) / (x.amax() - x.amin()) * scale + shift


UNITS = {
    "[0, 1] and [-1, 1]": (units(1, 0), units(2, -1), "from 0 to 1, generated ones from -1 to 1"),
    "[-1, 1] and [0, 1]": (units(2, -1), units(1, 0), "from -1 to 1, generated ones from 0 to 1"),
    "[0, 255] and [-1, 1]": (units(255, 0), units(2, -1), "from 0 to 255, generated ones from -1 to 1"),
    "[0, 1] and [0, 255]": (units(1, 0), units(255, 0), r"Bring both to one range before update, as by 2 \* x - 1"),
}


@pytest.mark.parametrize(("real", "fake", "message"), UNITS.values(), ids=UNITS.keys())
def test_sides_in_other_units_are_warned_of_once(real: Tensor, fake: Tensor, message: str) -> None:
    """The warning names the line that computes. After update or reset it does not come again: it would be an error."""
    metric = LeakageRatio(32)
    with pytest.warns(UserWarning, match=message) as told:
        computed(metric, real.split(2), fake.split(1))
    assert [warning.filename for warning in told] == [metric_cases.__file__]
    computed(metric, [real], [fake])
    metric.reset()
    computed(metric, [real], [fake])


@each_metric
def test_every_metric_warns_of_other_units(build: Callable[[], Any]) -> None:
    real, fake, message = UNITS["[0, 1] and [-1, 1]"]
    with pytest.warns(UserWarning, match=message):
        computed(build(), [real.bfloat16()], [fake.double()])


def test_values_of_all_parts_are_compared() -> None:
    real, fake, message = UNITS["[0, 1] and [-1, 1]"]
    metric, other = SpectralDistance(32), SpectralDistance(32)
    for part, images in ((metric, slice(3)), (other, slice(3, None))):
        part.update(real[images], real=True)
        part.update(fake[images], real=False)
    metric.merge_state(other)
    with pytest.warns(UserWarning, match=message):
        metric.compute()


SAME_UNITS = {
    "one range": (units(2, -1), units(1.8, -0.9)),
    "blank": (torch.ones(6, 3, 32, 32), units(2, -1)),
    "black": (torch.zeros(6, 3, 32, 32), units(1, 0)),
    "NaN": (units(1, 0), units(2, -1).index_fill(0, torch.tensor(0), torch.nan)),
    "one infinite pixel": (
        units(1, 0),
        units(1, 0).flatten().index_fill(0, torch.tensor(7), torch.inf).view(6, 3, 32, 32),
    ),
    "few images": (units(1, 0, 3), units(2, -1)),
}


@pytest.mark.parametrize(("real", "fake"), SAME_UNITS.values(), ids=SAME_UNITS.keys())
def test_sides_that_may_have_the_same_units(real: Tensor, fake: Tensor) -> None:
    """A warning would be an error."""
    computed(LeakageRatio(32), [real], [fake])


INF = float("inf")
RANGES: dict[tuple[tuple[float, float], tuple[float, float]], bool] = {
    ((0, 1), (-1, 1)): True,
    ((0.02, 0.98), (-0.9, 0.95)): True,
    ((0, 1), (-2.1, 2.6)): True,
    ((0, 255), (0, 1)): True,
    ((3, 250), (-0.9, 0.95)): True,
    ((0, 255), (-128, 127)): True,
    ((-1, 1), (0, 0.02)): False,
    ((-1, 1), (-0.01, 0.01)): False,
    ((-1, 1), (0, 0.3)): False,
    ((-1, 1), (0.1, 0.9)): False,
    ((0, 1), (-0.01, 0.01)): False,
    ((0, 1), (-0.3, 0.5)): False,
    ((0, 1), (-0.04, 1.04)): False,
    ((0, 1), (0.45, 0.55)): False,
    ((0, 255), (-9, 264)): False,
    ((0, 255), (0, 3)): False,
    ((0, 255), (-0.01, 0.01)): False,
    ((-1, 1), (-300, 300)): False,
    ((-1, 1), (0, INF)): False,
    ((0, 1), (-INF, INF)): False,
}


@pytest.mark.parametrize(("sides", "differ"), RANGES.items(), ids=map(str, RANGES))
def test_both_sides_must_show_their_units(sides: tuple[tuple[float, float], tuple[float, float]], differ: bool) -> None:
    assert units_differ(*sides) == units_differ(*sides[::-1]) == differ
