"""HFF and HFC: radius or cutoff, a radius that is none, and values outside their range."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

import specops
import specops.nn as snn
from specops.functional import check_value_range

X, Y = torch.rand(2, 3, 12, 8).mul(2).sub(1)
FILTERS: dict[str, Callable[..., Tensor]] = {
    "hff": lambda *extent, **options: specops.hff(X, *extent, **options),
    "hfc": lambda *extent, **options: specops.hfc(X, Y, *extent, **options)[1],
    "HFF": lambda *extent, **options: snn.HFF(*extent, **options)(X),
    "HFC": lambda *extent, **options: snn.HFC(*extent, **options)(X, Y)[1],
}
each_filter = pytest.mark.parametrize("filtered", FILTERS.values(), ids=FILTERS.keys())


@each_filter
@pytest.mark.parametrize("kind", ["ideal", "gaussian"])
def test_a_cutoff_is_a_share_of_the_longer_side(filtered: Callable[..., Tensor], kind: str) -> None:
    assert torch.equal(filtered(cutoff=0.25, kind=kind), filtered(3.0, kind=kind))
    assert not torch.equal(filtered(cutoff=0.125, kind=kind), filtered(3.0, kind=kind))


def test_modules_show_what_was_given() -> None:
    assert repr(snn.HFF(cutoff=0.25)) == "HFF(cutoff=0.25, kind='ideal', value_range=(-1, 1))"
    assert (snn.HFC(cutoff=0.25).radius, snn.HFC(3).cutoff) == (None, None)


def test_a_tensor_cutoff_is_learned() -> None:
    cutoff = torch.tensor(0.25, requires_grad=True)
    specops.hff(X, cutoff=cutoff, kind="gaussian").square().sum().backward()
    assert cutoff.grad is not None
    assert cutoff.grad != 0


CALLS: dict[str, Callable[[float], object]] = {
    "hff": lambda radius: specops.hff(X, radius),
    "hfc": lambda radius: specops.hfc(X, Y, radius),
    "HFF": snn.HFF,
    "HFC": snn.HFC,
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_radius_below_1_is_warned_of_once_where_it_is_given(call: Callable[[float], object]) -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("default")
        for _ in range(2):
            result = call(0.3)
        if isinstance(result, snn.HFF):
            result(X)
        if isinstance(result, snn.HFC):
            result(X, Y)
    assert [(warning.category, warning.filename) for warning in told] == [(UserWarning, __file__)]
    assert "radius=0.3 is in cycles per image" in str(told[0].message)
    assert "give cutoff=0.3" in str(told[0].message)
    call(1.0)


@pytest.mark.parametrize("call", [*FILTERS.values()], ids=FILTERS.keys())
def test_a_cutoff_of_1_or_more_is_warned_of(call: Callable[..., Tensor]) -> None:
    with pytest.warns(UserWarning, match=r"cutoff=12.0 is in cycles per pixel, .* give radius=12.0") as told:
        call(cutoff=12.0)
    assert [warning.filename for warning in told] == [__file__]
    call(cutoff=0.9)


def test_wrong_extents_are_errors_and_no_warnings() -> None:
    for wrong, error in (({"cutoff": True}, TypeError), ({"radius": 0.5, "cutoff": 3}, ValueError)):
        with pytest.raises(error):
            specops.hff(X, **wrong)


def test_nothing_is_warned_of_where_torch_compiles() -> None:
    torch.compiler.reset()
    fast = torch.compile(lambda x: specops.hff(x, 0.3), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(fast(X), specops.hff(X, cutoff=0.3 / 12))


def test_values_outside_are_folded_and_clipped_unless_checked() -> None:
    constant = torch.tensor([-1.2, 0.5, 1.7]).reshape(3, 1, 1).expand(3, 4, 4)
    expected = torch.tensor([-0.8, 0.5, 1.0]).reshape(3, 1, 1).expand(3, 4, 4)
    torch.testing.assert_close(specops.hff(constant, 2), expected)
    torch.testing.assert_close(specops.hfc(constant, constant, 2), (expected, expected))


def test_a_check_names_the_range_that_it_finds() -> None:
    with check_value_range(True):
        with pytest.raises(ValueError, match=r"x must have values in value_range \(-1\.0, 1\.0\); got 0 to 255"):
            specops.hff(torch.tensor([[0.0, 255.0]]), 2)
        with pytest.raises(ValueError, match=r"fake must have values in value_range \(0\.0, 1\.0\); got -0\.5 to 0\.5"):
            specops.hfc(torch.rand(4, 4), torch.tensor([[-0.5, 0.5]]).expand(4, 2).tile(2), 2, value_range=(0, 1))
        with pytest.raises(ValueError, match=r"real must have values .* got nan to nan"):
            snn.HFC(2)(X.clone().fill_(torch.nan), Y)


def test_values_at_the_ends_of_the_range_are_inside() -> None:
    """The ends count as the images' dtype holds them; modules check their options in the same way."""
    with check_value_range(True):
        for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
            snn.HFF(2, value_range=(-0.1, 0.3))(torch.tensor([[-0.1, 0.3]], dtype=dtype))
        specops.hff(X[:0], 2)


def is_checked() -> bool:
    try:
        specops.hff(2 * X, 2)
    except ValueError:
        return True
    return False


def test_a_block_sets_the_check_again_and_ends_with_what_held_before() -> None:
    assert not is_checked()
    check = check_value_range(True)
    assert is_checked()
    check_value_range(False)
    for _ in range(2):
        with check:
            with check:
                assert is_checked()
            assert is_checked()
            with check_value_range(False):
                assert not is_checked()
        assert not is_checked()
    with check_value_range(True), pytest.raises(KeyError):
        raise KeyError
    assert not is_checked()


def test_each_thread_has_a_check_of_its_own() -> None:
    """Blocks that overlap: the other begins in this one and ends after it."""
    begun, ended = threading.Event(), threading.Event()

    def overlap() -> list[bool]:
        seen = [is_checked()]
        with check_value_range(True):
            begun.set()
            ended.wait(10)
            seen.append(is_checked())
        return [*seen, is_checked()]

    with ThreadPoolExecutor(1) as pool:
        with check_value_range(True):
            other = pool.submit(overlap)
            begun.wait(10)
        assert not is_checked()
        ended.set()
        assert other.result() == [False, True, False]
    assert not is_checked()


def test_tensors_without_values_are_not_checked() -> None:
    torch.compiler.reset()
    with check_value_range(True):
        assert specops.hff(X.to("meta"), 2).is_meta
        fast = torch.compile(lambda x: specops.hff(x, 2), fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(torch.func.vmap(lambda x: specops.hff(x, 2))(2 * X), fast(2 * X))


def test_the_check_compiles_nothing_again() -> None:
    torch.compiler.reset()
    fast = torch.compile(lambda x: specops.hff(x, 2), fullgraph=True, backend="aot_eager")
    expected = fast(2 * X)
    with torch._dynamo.config.patch(error_on_recompile=True), check_value_range(True):
        assert torch.equal(fast(2 * X), expected)
