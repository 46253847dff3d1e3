"""The compiled kernels on inputs of every kind: layouts, gains, bins, empty and wrong ones."""

from __future__ import annotations

import pytest
import torch
from test_native import allowed, cross, error, exact_filter, filtered, images, maps, size_name

from specops._library import raw_op

LAYOUTS = {
    "channels_last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "transposed": lambda x: x.mT.contiguous().mT,
    "batch last": lambda x: x.movedim(0, -1).contiguous().movedim(-1, 0),
    "odd offset": lambda x: torch.nn.functional.pad(x, (3, 2, 1, 1))[..., 1:-1, 3:-2],
    "every second column": lambda x: torch.stack([x, x + 1], -1).flatten(-2)[..., ::2],
    "every second row": lambda x: torch.cat([x, x + 1], -1).reshape(*x.shape[:-2], -1, x.shape[-1])[..., ::2, :],
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_images_of_any_strides(dtype):
    for size in [(1, 1), (5, 3), (16, 16), (24, 37), (64, 20)]:
        index, weight, n_bins = maps(size, "random", torch.float64 if dtype == torch.float64 else torch.float32)
        x = images(2, 3, *size, dtype=dtype)
        c = images(2, 3, n_bins, dtype=weight.dtype)
        sums, smooth = cross(x, x, index, weight, n_bins), filtered(x, c, index, weight)
        for name, layout in LAYOUTS.items():
            y = layout(x)
            assert torch.equal(y, x)
            assert torch.equal(cross(y, y, index, weight, n_bins), sums), (name, size)
            assert torch.equal(filtered(y, c, index, weight), smooth), (name, size)
            assert filtered(y, c, index, weight).is_contiguous()
        same_row = x[:, :, :1].expand(2, 3, *size)
        assert torch.equal(filtered(same_row, c, index, weight), filtered(same_row.contiguous(), c, index, weight))
        one_image = x[:1, :1].expand(4, 5, *size)
        expected = cross(x[0, 0], x[0, 0], index, weight, n_bins).expand(4, 5, n_bins)
        assert torch.equal(cross(one_image, one_image, index, weight, n_bins), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize("size", [(5, 3), (16, 16), (24, 37)], ids=size_name)
def test_many_channels_last(size, dtype):
    index, weight, n_bins = maps(size, "random", torch.float64 if dtype == torch.float64 else torch.float32)
    x, y = images(3, 37, *size, dtype=dtype), images(3, 37, *size, dtype=dtype, seed=1)
    c = images(3, 37, n_bins, dtype=weight.dtype)
    last = x.contiguous(memory_format=torch.channels_last)
    for threads in (1, 3):
        torch.set_num_threads(threads)
        assert torch.equal(cross(last, last, index, weight, n_bins), cross(x, x, index, weight, n_bins))
        assert torch.equal(cross(last, y, index, weight, n_bins), cross(x, y, index, weight, n_bins))
        assert torch.equal(filtered(last, c, index, weight), filtered(x, c, index, weight))
        some = last[1:, 2:33]
        assert torch.equal(filtered(some, c[1:, 2:33], index, weight), filtered(x, c, index, weight)[1:, 2:33])


def test_maps_and_gains_of_any_strides():
    index, weight, n_bins = maps((12, 14), "random")
    x, c = images(3, 12, 14), images(3, n_bins)
    odd_index, odd_weight, odd_c = index.mT.contiguous().mT, weight.mT.contiguous().mT, c.mT.contiguous().mT
    assert torch.equal(cross(x, x, odd_index, odd_weight, n_bins), cross(x, x, index, weight, n_bins))
    assert torch.equal(filtered(x, odd_c, odd_index, odd_weight), filtered(x, c, index, weight))


@pytest.mark.parametrize("size", [(16, 16), (9, 10), (1031, 2)], ids=size_name)
def test_shared_gains_equal_the_same_gains_per_image(size):
    index, weight, n_bins = maps(size, "random")
    x, c = images(2, 3, *size), images(n_bins)
    assert torch.equal(filtered(x, c, index, weight), filtered(x, c.expand(2, 3, -1), index, weight))
    assert torch.equal(filtered(x[1, 2], c, index, weight), filtered(x, c, index, weight)[1, 2])


@pytest.mark.parametrize("size", [(16, 16), (9, 10), (1031, 2)], ids=size_name)
def test_coefficients_in_no_bin_count_for_nothing(size):
    index, weight, n_bins = maps(size, "radial")
    x, c = images(3, *size), images(n_bins)
    nowhere = torch.full_like(index, -1)
    assert torch.equal(cross(x, x, nowhere, weight, n_bins), torch.zeros(3, n_bins))
    assert torch.equal(filtered(x, c, nowhere, weight), torch.zeros_like(x))
    low = torch.where(index < 3, index, -1)
    assert torch.equal(cross(x, x, low, weight, n_bins)[:, 3:], torch.zeros(3, n_bins - 3))
    assert error(filtered(x, c, low, weight), exact_filter(x, c, low, weight)) <= allowed(size, torch.float32)


X, C = torch.ones(2, 8, 8), torch.ones(6)
INDEX, WEIGHT, _ = maps((8, 8), "radial")
WRONG_CROSS = {
    "shapes differ": ((X, X[:1], INDEX, WEIGHT, 6), ValueError, "one shape"),
    "dtypes differ": ((X, X.double(), INDEX, WEIGHT, 6), TypeError, "one dtype"),
    "integers": ((X.int(), X.int(), INDEX, WEIGHT, 6), TypeError, "float16"),
    "complex": ((X + 0j, X + 0j, INDEX, WEIGHT, 6), TypeError, "float16"),
    "one dimension": ((X[0, 0], X[0, 0], INDEX, WEIGHT, 6), ValueError, r"\[..., H, W\]"),
    "no columns": ((X[..., :0], X[..., :0], INDEX, WEIGHT, 6), ValueError, r"\[..., H, W\]"),
    "index of another size": ((X, X, INDEX[:, :4], WEIGHT, 6), ValueError, r"\[8, 5\]"),
    "weight of another size": ((X, X, INDEX, WEIGHT[:4], 6), ValueError, r"\[8, 5\]"),
    "long index": ((X, X, INDEX.long(), WEIGHT, 6), TypeError, "int32"),
    "double weight": ((X, X, INDEX, WEIGHT.double(), 6), TypeError, "weight must be float32"),
    "too few bins": ((X, X, INDEX, WEIGHT, 5), ValueError, "got 0 to 5"),
    "no bins": ((X, X, INDEX, WEIGHT, 0), ValueError, "n_bins"),
    "too many bins": ((X, X, INDEX, WEIGHT, 2**40), ValueError, "n_bins"),
    "index below -1": ((X, X, INDEX - 2, WEIGHT, 6), ValueError, "got -2 to 3"),
}
WRONG_FILTER = {
    "too few gains": ((X, C[:5], INDEX, WEIGHT), ValueError, "got 0 to 5"),
    "no gains": ((X, C[:0], INDEX, WEIGHT), ValueError, "n_bins"),
    "scalar gain": ((X, C[0], INDEX, WEIGHT), ValueError, r"profile must be \[K\]"),
    "gains of another batch": ((X, C.expand(3, 6), INDEX, WEIGHT), ValueError, r"profile must be \[K\]"),
    "double gains": ((X, C.double(), INDEX, WEIGHT), TypeError, "dtype of weight"),
    "meta gains": ((X, C.to("meta"), INDEX, WEIGHT), (ValueError, NotImplementedError), "(?i)cpu|meta"),
    "index below -1": ((X, C, INDEX - 2, WEIGHT), ValueError, "got -2 to 3"),
    "index below -1, around fft": (
        (torch.ones(1031, 2), C, torch.full((1031, 2), -2).int(), torch.ones(1031, 2)),
        ValueError,
        "-2",
    ),
}


@pytest.mark.parametrize("name", WRONG_CROSS)
def test_wrong_arguments_of_the_cross_spectrum_raise(name):
    arguments, expected, message = WRONG_CROSS[name]
    with pytest.raises(expected, match=message):
        cross(*arguments)


@pytest.mark.parametrize("name", WRONG_FILTER)
def test_wrong_arguments_of_the_filter_raise(name):
    arguments, expected, message = WRONG_FILTER[name]
    with pytest.raises(expected, match=message):
        filtered(*arguments)


GAIN = torch.ones(1, dtype=torch.float64).view(torch.int64)
NUMBERS = torch.cat([torch.tensor([1, 1, 1, 1, 0, 0, 0, 0, 0]), GAIN])
WRONG_SAMPLING = {
    "of another type": (NUMBERS.int(), TypeError, "int64"),
    "too few": (NUMBERS[:9], ValueError, "two sides or none"),
    "one side": (torch.cat([NUMBERS, NUMBERS[:1]]), ValueError, "two sides or none"),
    "an unknown boundary": (torch.cat([NUMBERS[:8], torch.tensor([4]), GAIN]), ValueError, "boundary 0 to 3"),
    "a factor of 0": (torch.cat([NUMBERS[:1] - 1, NUMBERS[1:]]), ValueError, "factors"),
}


@pytest.mark.parametrize("name", WRONG_SAMPLING)
def test_wrong_numbers_of_a_raw_resampling_raise(name):
    sampling, expected, message = WRONG_SAMPLING[name]
    with pytest.raises(expected, match=message):
        raw_op("upfirdn2d")(X, torch.ones(1, 1), sampling)


def test_a_raw_transpose_asks_for_a_size():
    with pytest.raises(ValueError, match="two numbers >= 1"):
        raw_op("upfirdn2d_transpose")(X, torch.ones(1, 1), NUMBERS)
