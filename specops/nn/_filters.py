"""Filters with a learnable gain or cutoff, and frequency shifts, as modules."""

from __future__ import annotations

import math
import numbers

import torch
from torch import Tensor, nn

from specops import functional, geometry, masks
from specops.functional._filters import INTERPOLATIONS
from specops.functional._options import check_choice
from specops.nn._arguments import Device, check_convention, check_dtype, check_size, image_size, n_bins
from specops.ops._layout import compute_dtype

NYQUIST = 0.5  # cycles per pixel
MARGIN = 1e-4  # how near a cutoff may come to 0 and to Nyquist, as a share of it


class FrequencyFilter(nn.Module):
    """Multiplies each frequency of images [..., H, W] by a learnable gain, with `specops.frequency_filter`.

    Args:
        size: (H, W) of the images, or the side of square ones.
        device, dtype: of the parameter.

    Attributes:
        mask: the gain per coefficient, a parameter [H, W//2+1]; at first 1.

    Raises:
        TypeError, ValueError: a wrong size or dtype; when called, images of another size.

    Example:
        >>> import torch, specops
        >>> filtered = specops.nn.FrequencyFilter(16)
        >>> x = torch.randn(2, 3, 16, 16)
        >>> torch.allclose(filtered(x), x, atol=1e-5)
        True
    """

    def __init__(self, size: geometry.Size, *, device: Device = None, dtype: torch.dtype | None = None) -> None:
        super().__init__()
        self.size = geometry.checked_size(size)
        check_dtype(dtype)
        H, W = self.size
        self.mask = nn.Parameter(torch.empty(H, W // 2 + 1, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the gain to 1 everywhere."""
        nn.init.ones_(self.mask)

    def forward(self, x: Tensor) -> Tensor:
        check_size(x, self.size)
        return functional.frequency_filter(x, self.mask)

    def extra_repr(self) -> str:
        return f"size={self.size}"


class RadialFilter(nn.Module):
    """Multiplies the frequencies of images [..., H, W] by a learnable gain per radius, with `specops.radial_filter`.

    Args:
        size: (H, W) of the images, or the side of square ones.
        convention, interpolation: as in `specops.radial_filter`.
        device, dtype: of the parameter.

    Attributes:
        profile: the gain per bin, a parameter [K]; at first 1.

    Raises:
        TypeError, ValueError: a wrong size or dtype, an unknown option; when called, images of another size.

    Example:
        >>> import specops
        >>> specops.nn.RadialFilter((64, 48), interpolation="linear")
        RadialFilter(size=(64, 48), n_bins=46, convention='plain', interpolation='linear')
    """

    def __init__(
        self,
        size: geometry.Size,
        *,
        convention: str = "plain",
        interpolation: str = "nearest",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.size = geometry.checked_size(size)
        check_convention(convention)
        check_choice("interpolation", interpolation, INTERPOLATIONS)
        check_dtype(dtype)
        self.convention, self.interpolation = convention, interpolation
        self.profile = nn.Parameter(torch.empty(n_bins(self.size, convention), device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the gain to 1 everywhere."""
        nn.init.ones_(self.profile)

    def forward(self, x: Tensor) -> Tensor:
        check_size(x, self.size)
        return functional.radial_filter(x, self.profile, convention=self.convention, interpolation=self.interpolation)

    def extra_repr(self) -> str:
        options = f"convention={self.convention!r}, interpolation={self.interpolation!r}"
        return f"size={self.size}, n_bins={self.profile.shape[0]}, {options}"


class _CutoffFilter(nn.Module):
    """A radial filter with one learnable parameter.

    cutoff = ½·(m + (1 - 2m)·sigmoid(cutoff_logit)), m = 1e-4: whatever the parameter, inside (0, Nyquist).
    """

    def __init__(
        self,
        cutoff: float,
        *,
        kind: str = "gaussian",
        width: float | None = None,
        order: float | None = None,
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        if kind == "ideal":
            raise ValueError(
                "kind must not be 'ideal', which has no gradient for the cutoff to learn from. Take another kind, or a "
                "fixed mask: specops.frequency_filter(x, specops.masks.lowpass(size, cutoff=cutoff))."
            )
        masks.lowpass((1, 1), 1.0, kind=kind, width=width, order=order, device="cpu")
        check_dtype(dtype)
        self.kind, self.width, self.order = kind, width, order
        self.initial_cutoff = cutoff
        self.cutoff_logit = nn.Parameter(torch.empty((), device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the cutoff to its first value."""
        self.cutoff = self.initial_cutoff

    @property
    def cutoff(self) -> Tensor:
        """The cutoff in cycles per pixel, 0-dimensional, with gradient to the parameter."""
        logit = self.cutoff_logit.to(compute_dtype(self.cutoff_logit.dtype))
        return NYQUIST * (MARGIN + (1 - 2 * MARGIN) * torch.sigmoid(logit))

    @cutoff.setter
    def cutoff(self, value: float) -> None:
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise TypeError(f"cutoff must be a number in cycles per pixel; got {type(value).__name__}.")
        share = (float(value) / NYQUIST - MARGIN) / (1 - 2 * MARGIN)
        if not 0 < share < 1:
            low, high = MARGIN * NYQUIST, (1 - MARGIN) * NYQUIST
            advice = " Divide a radius in cycles per image by the longer side." if share >= 1 else ""
            raise ValueError(f"cutoff must be in ({low:g}, {high:g}) cycles per pixel; got {value}.{advice}")
        nn.init.constant_(self.cutoff_logit, math.log(share / (1 - share)))

    def extra_repr(self) -> str:
        cutoff = "meta" if self.cutoff_logit.is_meta else f"{self.cutoff.item():.4g}"
        options = {"width": self.width, "order": self.order}
        given = "".join(f", {name}={value}" for name, value in options.items() if value is not None)
        return f"cutoff={cutoff}, kind={self.kind!r}{given}"


class LowPass(_CutoffFilter):
    """Keeps the frequencies of images [..., H, W] that lie below a learnable cutoff.

    `specops.frequency_filter(x, specops.masks.lowpass((H, W), cutoff=cutoff, ...))`, for images of any size.

    Args:
        cutoff: the first value, in cycles per pixel, between 0 and 0.5.
        kind: `gaussian`, `butterworth`, `logistic` or `raised_cosine`: see `specops.masks`.
        width, order: of the kind, as in `specops.masks.lowpass`.
        device, dtype: of the parameter.

    Attributes:
        cutoff: the present value; may be set to a number.
        cutoff_logit: the parameter, 0-dimensional. It passes through a sigmoid, which keeps the cutoff in (0, 0.5)
            whatever step an optimiser takes.

    Raises:
        TypeError, ValueError: wrong cutoff, kind, width or order.

    Example:
        >>> import specops
        >>> specops.nn.LowPass(0.25)
        LowPass(cutoff=0.25, kind='gaussian')
    """

    def forward(self, x: Tensor) -> Tensor:
        size = image_size(x)
        mask = masks.lowpass(
            size, cutoff=self.cutoff, kind=self.kind, width=self.width, order=self.order, dtype=compute_dtype(x.dtype)
        )
        return functional.frequency_filter(x, mask)


class HighPass(_CutoffFilter):
    """Keeps the frequencies of images [..., H, W] that lie above a learnable cutoff.

    Arguments, attributes and errors are those of `LowPass`. Low-pass and high-pass of one cutoff add to the image.

    Example:
        >>> import specops
        >>> specops.nn.HighPass(0.25, kind="butterworth", order=3)
        HighPass(cutoff=0.25, kind='butterworth', order=3)
    """

    def forward(self, x: Tensor) -> Tensor:
        size = image_size(x)
        mask = masks.highpass(
            size, cutoff=self.cutoff, kind=self.kind, width=self.width, order=self.order, dtype=compute_dtype(x.dtype)
        )
        return functional.frequency_filter(x, mask)


class FrequencyShift(nn.Module):
    """Moves the spectrum of images by a carrier frequency, with `specops.frequency_shift`; called with (x, imag=None).

    Args:
        shift: (fx, fy) in cycles per pixel.

    Raises:
        TypeError, ValueError: shift is not a pair of finite numbers.

    Example:
        >>> import specops
        >>> specops.nn.FrequencyShift((0.5, 0.5))
        FrequencyShift(shift=(0.5, 0.5))
    """

    def __init__(self, shift: tuple[float, float]) -> None:
        super().__init__()
        functional.frequency_shift(torch.zeros(1, 1, device="cpu"), shift)
        self.shift = shift

    def forward(self, x: Tensor, imag: Tensor | None = None) -> Tensor:
        return functional.frequency_shift(x, self.shift, imag=imag)

    def extra_repr(self) -> str:
        return f"shift={self.shift}"
