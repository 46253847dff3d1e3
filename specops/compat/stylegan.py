"""The module `torch_utils.ops.upfirdn2d` of StyleGAN2-ADA and StyleGAN3: its functions, argument order and defaults.

One line before the import of a network moves their calls over, in networks, convolutions, augmentation and loss:

    sys.modules["torch_utils.ops.upfirdn2d"] = specops.compat.stylegan

StyleGAN3's `filtered_lrelu` keeps its own CUDA kernels.

`padding` is an integer, (x, y) or (x0, x1, y0, y1), as in `specops.upfirdn2d`, which also says what f may be. `impl` is
accepted and ignored: see `specops.backends`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from specops import functional
from specops.compat._replacement import Replacement
from specops.functional._sampling import check_taps_shape, four_paddings, pair_of_factors
from specops.ops._checks import check_real

sys.modules[__name__].__class__ = Replacement

__all__ = ["downsample2d", "filter2d", "setup_filter", "upfirdn2d", "upsample2d"]

SEPARABLE_FROM = 8  # taps: shorter 1-D filters become outer products


def setup_filter(
    f: Tensor | np.ndarray | Sequence[float] | Sequence[Sequence[float]] | float | None,
    device: torch.device | str = "cpu",
    normalize: bool = True,
    flip_filter: bool = False,
    gain: float = 1,
    separable: bool | None = None,
) -> Tensor:
    """Returns a filter for the functions of this module: float32 [fh, fw], or [taps] for a separable one.

    Args:
        f: 2-D or 1-D taps, a number, or None for the tap 1.
        device: of the result.
        normalize: divide by the sum of the taps.
        flip_filter: reverse the taps.
        gain: factor on the filter; the square root of it for a separable one, which acts twice.
        separable: keep a 1-D filter as it is; None: from 8 taps on.

    Raises:
        ValueError: f is empty or has more than two dimensions.

    Source:
        Karras et al. 2021, "Alias-Free Generative Adversarial Networks": the conventions of its published code.

    Example:
        >>> from specops.compat import stylegan
        >>> stylegan.setup_filter([1, 3, 3, 1])[0]
        tensor([0.0156, 0.0469, 0.0469, 0.0156])
    """
    taps = torch.as_tensor(1.0 if f is None else f, dtype=torch.float32)
    if taps.dim() > 2 or taps.numel() == 0:
        raise ValueError(f"f must be a number, 1-D or 2-D, with at least one tap; got shape {list(taps.shape)}.")
    taps = taps.reshape(1) if taps.dim() == 0 else taps
    if separable is None:
        separable = taps.dim() == 1 and taps.numel() >= SEPARABLE_FROM
    if separable and taps.dim() == 2:
        raise ValueError(f"a separable filter must be 1-D; got shape {list(taps.shape)}.")
    if taps.dim() == 1 and not separable:
        taps = torch.outer(taps, taps)
    if normalize:
        taps = taps / taps.sum()
    if flip_filter:
        taps = taps.flip(tuple(range(taps.dim())))
    return (taps * gain ** (taps.dim() / 2)).to(device)


def upfirdn2d(
    x: Tensor,
    f: Tensor | None,
    up: int | Sequence[int] = 1,
    down: int | Sequence[int] = 1,
    padding: int | Sequence[int] = 0,
    flip_filter: bool = False,
    gain: float = 1,
    impl: str = "cuda",
) -> Tensor:
    """Inserts zeros into x, pads it with zeros, filters and decimates it, with `specops.upfirdn2d`.

    A pair in `padding` is (x, y).

    Example:
        >>> import torch
        >>> from specops.compat import stylegan
        >>> stylegan.upfirdn2d(torch.ones(1, 1, 1, 2), None, up=[2, 1])
        tensor([[[[1., 0., 1., 0.]]]])
    """
    return functional.upfirdn2d(x, f, up=up, down=down, padding=padding, flip_filter=flip_filter, gain=gain)


def filter2d(
    x: Tensor,
    f: Tensor | None,
    padding: int | Sequence[int] = 0,
    flip_filter: bool = False,
    gain: float = 1,
    impl: str = "cuda",
) -> Tensor:
    """Filters x by f and keeps its size: zeros surround it, `padding` more of them, or fewer.

    A pair in `padding` is (x, y).

    Example:
        >>> import torch
        >>> from specops.compat import stylegan
        >>> stylegan.filter2d(torch.ones(1, 1, 2, 2), stylegan.setup_filter([1, 1]))
        tensor([[[[0.2500, 0.5000],
                  [0.5000, 1.0000]]]])
    """
    return _centred(x, f, (1, 1), (1, 1), padding, flip_filter, gain)


def upsample2d(
    x: Tensor,
    f: Tensor | None,
    up: int | Sequence[int] = 2,
    padding: int | Sequence[int] = 0,
    flip_filter: bool = False,
    gain: float = 1,
    impl: str = "cuda",
) -> Tensor:
    """Enlarges x by `up` and filters it by f · up_x · up_y: its size becomes up · size, plus `padding`.

    `padding` is in pixels of the enlarged image; a pair is (x, y).

    Example:
        >>> import torch
        >>> from specops.compat import stylegan
        >>> stylegan.upsample2d(torch.ones(1, 1, 1, 2), stylegan.setup_filter([1, 1]), up=[2, 1])[..., 0]
        tensor([[[0.5000]]])
    """
    up = pair_of_factors("up", up)
    return _centred(x, f, up, (1, 1), padding, flip_filter, gain * up[0] * up[1])


def downsample2d(
    x: Tensor,
    f: Tensor | None,
    down: int | Sequence[int] = 2,
    padding: int | Sequence[int] = 0,
    flip_filter: bool = False,
    gain: float = 1,
    impl: str = "cuda",
) -> Tensor:
    """Filters x by f and reduces it by `down`: its size becomes size / down where `down` divides it and `padding` is 0.

    `padding` is in pixels of x; a pair is (x, y).

    Example:
        >>> import torch
        >>> from specops.compat import stylegan
        >>> stylegan.downsample2d(torch.ones(1, 1, 2, 4), stylegan.setup_filter([1, 1]))
        tensor([[[[1., 1.]]]])
    """
    return _centred(x, f, (1, 1), pair_of_factors("down", down), padding, flip_filter, gain)


def _centred(
    x: Tensor,
    f: Tensor | None,
    up: tuple[int, int],
    down: tuple[int, int],
    padding: int | Sequence[int],
    flip_filter: bool,
    gain: float,
) -> Tensor:
    """Returns `upfirdn2d` with the samples that the filter takes off added to the padding, more before than after.

    These are taps - 1 where the image is enlarged, and taps - down where it is reduced.
    """
    fw, fh = _get_filter_size(f)
    x0, x1, y0, y1 = _parse_padding(padding)
    around = []
    for taps, n_up, n_down in ((fw, up[0], down[0]), (fh, up[1], down[1])):
        around += [(taps + n_up - n_down) // 2, (taps - n_up - n_down + 1) // 2]
    padding = (x0 + around[0], x1 + around[1], y0 + around[2], y1 + around[3])
    return functional.upfirdn2d(x, f, up=up, down=down, padding=padding, flip_filter=flip_filter, gain=gain)


# Other modules of torch_utils.ops, and scripts that train, ask these of that module.


def _parse_scaling(scaling: int | Sequence[int]) -> tuple[int, int]:
    """Returns (x, y) of a factor or a pair."""
    return pair_of_factors("scaling", scaling)


def _parse_padding(padding: int | Sequence[int]) -> tuple[int, int, int, int]:
    """Returns (x0, x1, y0, y1) of an integer, (x, y) or all four."""
    return four_paddings("padding", padding)


def _get_filter_size(f: Tensor | None) -> tuple[int, int]:
    """Returns (width, height) of a filter, which is one tap for None."""
    if f is None:
        return 1, 1
    check_taps_shape(check_real("f", f).shape)
    return f.shape[-1], f.shape[0]


def _init() -> bool:
    """Returns True: the kernels are ready, and nothing is compiled."""
    return True
