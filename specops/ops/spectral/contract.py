r"""Contract of the spectral pair: two bilinear ops, each the other's derivative, so gradients of any order close.

X is the unnormalised DFT of x on the half plane of torch.fft.rfft2, p a position there, `index` [H, W//2+1] the bin
of each coefficient (int32; -1: in no bin) and `weight` [H, W//2+1] its weight. Maps [M, H, W//2+1] put each coefficient
into M bins: sums and gains of all M are added. With m_p = 1 or 2 the number of times that p stands in the full plane:

    binned_cross_spectrum(x, y)[b, k] = \sum_{p: index_p = k} weight_p Re(conj(X_p) Y_p)
    binned_filter(x, profile)[b]            = unscaled inverse DFT of  weight_p / m_p  profile[index_p]  X_p

They are adjoint, <binned_cross_spectrum(x, y), profile> = <y, binned_filter(x, profile)>, symmetric in x and y, and the
filter is self-adjoint in x. Index and weight are geometry: constants without gradient.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from specops.ops._checks import check_image, check_pair, described
from specops.ops._layout import batch_first, compute_dtype
from specops.ops._reductions import sum_to_shared
from specops.ops.registration import register


def binned_cross_spectrum(x: Tensor, y: Tensor, index: Tensor, weight: Tensor, n_bins: int) -> Tensor:
    r"""Returns the weighted sums over each bin of Re(conj(X) Y): [..., K].

    `out[..., k] = \sum_{p: index_p = k} weight_p Re(conj(X_p) Y_p)`, X and Y unnormalised DFTs.

    Args:
        x, y: real images [..., H, W] of one shape, dtype and device; the same tensor twice gives the power.
        index: int32 [H, W//2+1] or [M, H, W//2+1], values -1 (in no bin) to n_bins - 1.
        weight: of the same shape, in float64 for float64 images, else float32. No gradient.
        n_bins: K >= 1.

    Returns:
        [..., K], float32 for half and single precision images, float64 for float64 ones.

    Raises:
        TypeError, ValueError: shapes, dtypes or devices do not fit.

    Example:
        >>> import torch
        >>> from specops.ops import binned_cross_spectrum
        >>> x = torch.ones(2, 4, 4)
        >>> index = torch.zeros(4, 3, dtype=torch.int32)
        >>> binned_cross_spectrum(x, x, index, torch.ones(4, 3), 1)
        tensor([[256.],
                [256.]])
    """
    check_pair(("x", "y"), x, y, one_dtype=True)
    check_maps(x, index, weight)
    if n_bins < 1:
        raise ValueError(f"n_bins must be at least 1; got {n_bins}.")
    return _binned_cross_spectrum(x, y, index, weight, n_bins)


def binned_filter(x: Tensor, profile: Tensor, index: Tensor, weight: Tensor) -> Tensor:
    """Returns the image whose coefficients are those of x times a gain per bin: [..., H, W].

    `out = inverse DFT, unscaled, of weight_p / m_p · profile[index_p] · X_p`; a coefficient in no bin gets the gain 0.
    As in torch.fft.irfft2, the columns kx = 0 and kx = W/2 act through the mean of the gains at ky and -ky.

    Args:
        x: real images [..., H, W].
        profile: gains per bin, [K] for all images or [..., K] per image, in the dtype of `weight`. Gradient.
        index, weight: as in `binned_cross_spectrum`.

    Returns:
        [..., H, W] in the dtype of x.

    Raises:
        TypeError, ValueError: shapes, dtypes or devices do not fit.

    Example:
        >>> import torch
        >>> from specops.ops import binned_filter
        >>> index = torch.zeros(4, 3, dtype=torch.int32)
        >>> multiplicity = torch.tensor([1.0, 2.0, 1.0]).expand(4, 3)
        >>> binned_filter(torch.eye(4), torch.ones(1), index, multiplicity / 16).round()
        tensor([[1., 0., 0., 0.],
                [0., 1., 0., 0.],
                [0., 0., 1., 0.],
                [0., 0., 0., 1.]])
    """
    check_image("x", x)
    check_maps(x, index, weight)
    check_profile(x, profile, weight)
    return _binned_filter(x, profile, index, weight)


def check_profile(x: Tensor, profile: Tensor, weight: Tensor) -> None:
    """Raises TypeError or ValueError unless profile is one for all images x, or one per image."""
    if profile.dtype != weight.dtype or profile.device != x.device:
        raise TypeError(
            f"profile must be {weight.dtype} on {x.device}; got {described(profile)}. Use profile.to(weight)."
        )
    if profile.dim() == 0 or (profile.dim() > 1 and profile.shape[:-1] != x.shape[:-2]):
        raise ValueError(
            f"profile must be [K] or {[*x.shape[:-2], 'K']} for x {list(x.shape)}; got {list(profile.shape)}. "
            "Expand it to one of them."
        )


def check_maps(x: Tensor, index: Tensor, weight: Tensor) -> None:
    """Raises TypeError or ValueError unless index and weight are maps for images x."""
    H, W = x.shape[-2:]
    half_plane = (H, W // 2 + 1)
    shape = index.shape
    several = len(shape) == 3 and shape[0] > 0 and shape[1:] == half_plane
    if (shape != half_plane and not several) or weight.shape != shape:
        raise ValueError(
            f"index and weight must be {list(half_plane)} or {['M', *half_plane]} for x {list(x.shape)}; got "
            f"{list(index.shape)} and {list(weight.shape)}. The half plane is that of torch.fft.rfft2."
        )
    dtype = compute_dtype(x.dtype)
    if index.dtype != torch.int32 or weight.dtype != dtype:
        raise TypeError(
            f"index must be torch.int32 and weight {dtype} for x of {x.dtype}; got {index.dtype} and {weight.dtype}."
        )
    device = x.device
    if index.device != device or weight.device != device:
        raise ValueError(f"index and weight must be on {device} like x; got {index.device} and {weight.device}.")
    if weight.requires_grad:
        raise ValueError("weight is geometry and has no gradient; pass weight.detach() and learn the profile instead.")


def _cross_fake(x: Tensor, y: Tensor, index: Tensor, weight: Tensor, n_bins: int) -> Tensor:
    return x.new_empty((*x.shape[:-2], n_bins), dtype=compute_dtype(x.dtype))


def _cross_backward(
    needs: tuple[bool, bool], grad: Tensor, x: Tensor, y: Tensor, index: Tensor, weight: Tensor, n_bins: int
) -> tuple[Tensor | None, Tensor | None]:
    if x is y:
        return _binned_filter(x, grad + grad, index, weight), None
    grad_x = _binned_filter(y, grad, index, weight) if needs[0] else None
    grad_y = _binned_filter(x, grad, index, weight) if needs[1] else None
    return grad_x, grad_y


def filter_fake(x: Tensor, *_: Any) -> Tensor:
    """Returns an empty image like x."""
    return x.new_empty(x.shape)


def filter_backward(
    needs: tuple[bool, ...], grad: Tensor, x: Tensor, profile: Tensor, index: Tensor, weight: Tensor
) -> tuple[Tensor | None, Tensor | None]:
    """Returns the gradients to x and profile of `binned_filter`, None where they are not needed."""
    grad_x = _binned_filter(grad, profile, index, weight) if needs[0] else None
    if not needs[1]:
        return grad_x, None
    grad_profile = _binned_cross_spectrum(x, grad, index, weight, profile.shape[-1])
    return grad_x, sum_to_shared(grad_profile) if profile.dim() == 1 else grad_profile


def register_spectral(schema: str, public: Callable[..., Any], **functions: Any) -> Callable[..., Any]:
    """As `register`, for an op of images, profiles and maps, over which vmap goes by the names of its arguments."""

    def vmap(info: Any, dims: Any, *args: Any) -> Any:
        out = op(*_batch_first(info, dims, args, names))
        if isinstance(out, Tensor):
            return out, 0
        return out, tuple(0 if each.dim() > 1 else None for each in out)  # what was not asked for is [0]

    op: Any = register(schema, public, vmap=vmap, **functions)
    overload = getattr(torch.ops.specops, public.__name__).default
    names = [argument.name for argument in overload._schema.arguments]
    return op


def _batch_first(info: Any, dims: Any, args: tuple[Any, ...], names: Sequence[str]) -> list[Any]:
    """Arguments with vmap's dimension in front; one tensor twice stays one."""
    moved: dict[int, Tensor] = {}
    given: list[Any] = []
    for arg, dim, name in zip(args, dims, names, strict=True):
        if name in ("index", "weight") and dim is not None:
            raise NotImplementedError(
                "index and weight are geometry and cannot be vmapped over; vmap over images or profiles."
            )
        if name == "profile":
            given.append(_profile_first(info, dim, arg, given[0]))
        elif isinstance(arg, Tensor) and name not in ("index", "weight"):
            given.append(moved.setdefault(id(arg), batch_first(arg, dim, info.batch_size)))
        else:
            given.append(arg)
    return given


def _profile_first(info: Any, dim: int | None, profile: Tensor, x: Tensor) -> Tensor:
    """A profile as one for images x [batch, ..., H, W], or for all of them as before."""
    shared = profile.dim() - (dim is not None) == 1
    if dim is None and shared:
        return profile
    profile = batch_first(profile, dim, info.batch_size)
    if shared:  # one profile per vmapped slice, for all images of that slice
        profile = profile.reshape(profile.shape[0], *(1,) * (x.dim() - 3), profile.shape[-1]).expand(
            *x.shape[:-2], profile.shape[-1]
        )
    return profile


_binned_cross_spectrum = register_spectral(
    "binned_cross_spectrum(Tensor x, Tensor y, Tensor index, Tensor weight, SymInt n_bins) -> Tensor",
    binned_cross_spectrum,
    fake=_cross_fake,
    backward=_cross_backward,
)
_binned_filter = register_spectral(
    "binned_filter(Tensor x, Tensor profile, Tensor index, Tensor weight) -> Tensor",
    binned_filter,
    fake=filter_fake,
    backward=filter_backward,
)
