"""The radial spectrum as a module, and the discriminator that sees nothing else."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from specops import functional, geometry
from specops.functional._options import check_choice, integer
from specops.functional._spectra import NORMS, SCALES
from specops.nn._arguments import Device, check_convention, check_dtype, check_size, n_bins
from specops.ops._checks import check_real, number


class RadialSpectrum(nn.Module):
    """Measures the radial spectrum [..., K] of images [..., H, W], with `specops.radial_spectrum`.

    Args:
        convention, scale, norm, window, eps: as in `specops.radial_spectrum`. A tensor window is copied into a buffer.

    Raises:
        TypeError, ValueError: an unknown option, a negative eps, a window of another kind.

    Example:
        >>> import torch, specops
        >>> specops.nn.RadialSpectrum(scale="db")(torch.randn(2, 3, 16, 16)).shape
        torch.Size([2, 3, 12])
    """

    window: str | Tensor | None

    def __init__(
        self,
        *,
        convention: str = "schwarz2021",
        scale: str = "power",
        norm: str = "backward",
        window: str | Tensor | None = None,
        eps: float = 1e-8,
    ) -> None:
        super().__init__()
        check_convention(convention)
        check_choice("scale", scale, SCALES)
        check_choice("norm", norm, NORMS)
        self.convention, self.scale, self.norm, self.eps = convention, scale, norm, number("eps", eps, least=0)
        if isinstance(window, Tensor) and window.dim() == 2:
            self.register_buffer("window", check_real("window", window).detach().clone())
        elif window is None or (isinstance(window, str) and window == "hann"):
            self.window = window
        else:
            got = list(window.shape) if isinstance(window, Tensor) else repr(window)
            raise ValueError(f"window must be None, 'hann' or a tensor [H, W]; got {got}.")

    def forward(self, x: Tensor) -> Tensor:
        return functional.radial_spectrum(
            x, convention=self.convention, scale=self.scale, norm=self.norm, window=self.window, eps=self.eps
        )

    def extra_repr(self) -> str:
        window = list(self.window.shape) if isinstance(self.window, Tensor) else self.window
        options = f"convention={self.convention!r}, scale={self.scale!r}, norm={self.norm!r}"
        return f"{options}, window={window!r}, eps={self.eps}"


class SpectrumDiscriminator(nn.Module):
    """Judges images [..., C, H, W] by their radial spectrum alone: logits [..., n_logits].

    S is the radial spectrum of the orthonormal DFT, averaged over channels; ln(1 + S) → Linear(K, K) → LeakyReLU 0.2 →
    Linear(K, n_logits).

    Args:
        size: (H, W) of the images, or the side of square ones.
        n_logits: logits per image.
        convention: as in `specops.radial_spectrum`.
        device, dtype: of the parameters; the logits have that dtype.

    Raises:
        TypeError, ValueError: a wrong size or dtype, fewer than one logit, an unknown convention; when called, images
            without channels or of another size.

    Source:
        Schwarz, Liao, Geiger 2021, "On the Frequency Bias of Generative Models", section 5 (discriminator testbed).

    Example:
        >>> import torch, specops
        >>> discriminator = specops.nn.SpectrumDiscriminator(64, n_logits=2)
        >>> discriminator(torch.randn(8, 3, 64, 64)).shape
        torch.Size([8, 2])
    """

    def __init__(
        self,
        size: geometry.Size,
        n_logits: int = 1,
        *,
        convention: str = "schwarz2021",
        device: Device = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        self.size = geometry.checked_size(size)
        check_convention(convention)
        n_logits = integer("n_logits", n_logits, least=1)
        check_dtype(dtype)
        self.convention = convention
        width = n_bins(self.size, convention)
        self.hidden = nn.Linear(width, width, device=device, dtype=dtype)
        self.logits = nn.Linear(width, n_logits, device=device, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        check_size(x, self.size)
        if x.dim() < 3:
            raise ValueError(f"x must be [..., C, H, W]; got {list(x.shape)}. Add channels with x.unsqueeze(-3).")
        spectrum = functional.radial_spectrum(x, convention=self.convention, norm="ortho").mean(-2)
        features = spectrum.log1p().to(self.hidden.weight.dtype)
        return self.logits(F.leaky_relu(self.hidden(features), 0.2))

    def extra_repr(self) -> str:
        return f"size={self.size}, convention={self.convention!r}"
