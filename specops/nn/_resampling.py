"""Resampling as modules."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from specops import functional
from specops._tracing import traced
from specops.functional._options import check_choice, integer
from specops.functional._resampling import DOWNSAMPLE_MODES, UPSAMPLE_MODES, blurred, check_taps
from specops.functional._taps import binomial
from specops.ops._checks import check_image
from specops.ops.resample.contract import BOUNDARIES

SHORT_NAMES = {"zero": "zeros", "refl": "reflect", "repl": "replicate"}


class Upsample(nn.Module):
    """Enlarges images [..., H, W] by an integer factor, with `specops.upsample`.

    Args:
        factor, mode: as in `specops.upsample`.

    Raises:
        TypeError, ValueError: wrong factor or mode.

    Example:
        >>> import specops
        >>> specops.nn.Upsample(mode="bilinear")
        Upsample(factor=2, mode='bilinear')
    """

    def __init__(self, factor: int = 2, *, mode: str) -> None:
        super().__init__()
        check_choice("mode", mode, UPSAMPLE_MODES)
        functional.upsample(torch.zeros(1, 1, device="cpu"), factor, mode="nearest")
        self.factor, self.mode = factor, mode

    def forward(self, x: Tensor) -> Tensor:
        return functional.upsample(x, self.factor, mode=self.mode)

    def extra_repr(self) -> str:
        return f"factor={self.factor}, mode={self.mode!r}"


class Downsample(nn.Module):
    """Reduces images [..., H, W] by an integer factor, with `specops.downsample`.

    Args:
        factor, mode, taps: as in `specops.downsample`.

    Raises:
        TypeError, ValueError: wrong factor, mode or taps.

    Example:
        >>> import specops
        >>> specops.nn.Downsample(mode="blur")
        Downsample(factor=2, mode='blur', taps=3)
    """

    def __init__(self, factor: int = 2, *, mode: str, taps: int = 3) -> None:
        super().__init__()
        check_choice("mode", mode, DOWNSAMPLE_MODES)
        functional.downsample(torch.zeros(1, 1, device="cpu"), factor, mode="blur", taps=taps)
        self.factor, self.mode, self.taps = factor, mode, taps

    def forward(self, x: Tensor) -> Tensor:
        return functional.downsample(x, self.factor, mode=self.mode, taps=self.taps)

    def extra_repr(self) -> str:
        taps = f", taps={self.taps}" if self.mode == "blur" else ""
        return f"factor={self.factor}, mode={self.mode!r}{taps}"


class BlurPool(nn.Module):
    """Blurs images [..., C, H, W] with a binomial filter and subsamples them.

    Its state is that of the layer of antialiased-cnns, the constant filter, and each loads the other's strictly. A
    state without the filter loads too.

    Args:
        channels: C, checked at each call.
        filt_size: taps of the filter, 1 to 7.
        stride: factor, >= 1.
        pad_type: how edges are extended: `reflect`, `replicate`, `zeros` (also `zero`) or `circular`.

    Attributes:
        filt: the filter per channel, a buffer [C, 1, filt_size, filt_size].

    Raises:
        TypeError, ValueError: wrong arguments, or images of another number of channels.
        RuntimeError: load_state_dict of another filter.

    Source:
        Zhang 2019, "Making Convolutional Networks Shift-Invariant Again"; the arguments are its layer's.

    Example:
        >>> import torch, specops
        >>> specops.nn.BlurPool(3)(torch.ones(1, 3, 9, 8)).shape
        torch.Size([1, 3, 5, 4])
    """

    filt: Tensor

    def __init__(self, channels: int, filt_size: int = 4, stride: int = 2, pad_type: str = "reflect") -> None:
        super().__init__()
        check_choice("pad_type", pad_type, (*BOUNDARIES, *SHORT_NAMES))
        boundary = SHORT_NAMES.get(pad_type, pad_type)
        self.filt_size = check_taps(filt_size)
        functional.downsample(torch.zeros(1, 1, device="cpu"), stride, mode="stride")
        self.channels = integer("channels", channels, least=1)
        self.stride, self.pad_type = stride, boundary
        self.register_buffer("filt", torch.empty(self.channels, 1, self.filt_size, self.filt_size))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Sets the buffer to the filter."""
        self.filt.copy_(self._filter())

    def _buffer(self) -> Tensor:
        """The filter per channel as a new buffer, of the dtype of the present one and, unless meta, on its device."""
        device = "cpu" if self.filt.is_meta else self.filt.device
        return self._filter().to(device, self.filt.dtype).repeat(self.channels, 1, 1, 1)

    def _filter(self) -> Tensor:
        taps = torch.tensor(binomial(self.filt_size), dtype=torch.float64, device="cpu")
        return torch.outer(taps, taps)

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Tensor],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        """Loads the filter, added to a state that has none; other taps are an error, as they would not be applied."""
        given = state_dict.setdefault(f"{prefix}filt", self._buffer())
        if isinstance(given, Tensor) and (wrong := self._what_is_wrong_with(given)):
            error_msgs.append(f"{prefix}filt {wrong}")
            return
        super()._load_from_state_dict(
            state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs
        )

    def _what_is_wrong_with(self, filt: Tensor) -> str | None:
        if filt.shape != self.filt.shape:
            shape = "[channels, 1, filt_size, filt_size]"
            return f"must be {shape} = {list(self.filt.shape)} for {self}; got {list(filt.shape)}."
        if not (filt.is_meta or traced()) and not filt.cpu().double().allclose(
            self._filter().expand_as(filt), rtol=1e-3, atol=0
        ):
            return f"must hold the binomial filter that {self} applies; got other taps."
        return None

    def forward(self, x: Tensor) -> Tensor:
        check_image("x", x)
        if x.dim() < 3 or x.shape[-3] != self.channels:
            raise ValueError(f"x must be [..., {self.channels}, H, W]; got shape {list(x.shape)}.")
        return blurred(x, self.filt_size, self.stride, self.pad_type)

    def extra_repr(self) -> str:
        return f"{self.channels}, filt_size={self.filt_size}, stride={self.stride}, pad_type={self.pad_type!r}"
