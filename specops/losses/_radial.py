"""Losses on radial profiles."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from specops import geometry
from specops.functional import normalize_profile, radial_spectrum
from specops.functional._options import check_choice
from specops.functional._spectra import NORMS
from specops.ops._checks import check_pair
from specops.ops._layout import compute_dtype
from specops.ops._reductions import ordered_mean

GREY_DURALL = (0.2989, 0.5870, 0.1140)
GREY_JUNG = (0.299, 0.587, 0.114)


def log_spectrum_mse(fake: Tensor, real: Tensor, *, convention: str = "schwarz2021", norm: str = "backward") -> Tensor:
    r"""Returns the mean squared difference of the log radial spectra of paired images.

    Mean over images and bins of (ln(1 + S_fake) - ln(1 + S_real))², S the radial spectrum averaged over channels. It
    sees the checkerboard of an upsampling, which pixel losses weigh little.

    Args:
        fake, real: images [..., C, H, W] of one shape, paired by index; or [H, W].
        convention, norm: as in `specops.radial_spectrum`.

    Returns:
        A 0-dimensional tensor.

    Raises:
        TypeError, ValueError: images of two shapes or devices; an unknown option.

    Source:
        Schwarz, Liao, Geiger 2021, "On the Frequency Bias of Generative Models", section 4 (generator testbed).

    Example:
        >>> import torch
        >>> from specops.losses import log_spectrum_mse
        >>> images = torch.randn(2, 3, 16, 16)
        >>> log_spectrum_mse(images, images)
        tensor(0.)
    """
    fake, real = check_pair(("fake", "real"), fake, real)
    spectra = (radial_spectrum(x.to(compute_dtype(x.dtype)), convention=convention, norm=norm) for x in (fake, real))
    of_fake, of_real = (spectrum.mean(-2).log1p() if fake.dim() > 2 else spectrum.log1p() for spectrum in spectra)
    return ordered_mean((of_fake - of_real).square())


def spectral_regularization(fake: Tensor, real: Tensor) -> Tensor:
    r"""Returns the cross-entropy of the fakes' log profiles against the mean log profile of the real images.

    -mean over images i and bins k of r_k·ln f_ik + (1 - r_k)·ln(1 - f_ik): f_i is the profile (`durall2020`) of
    20·ln|DFT| of the grey image, brought to [0, 1] by its minimum and maximum; r is the mean of such profiles of the
    real images. The real profile is the target, so that the loss is least at f = r. With the sides exchanged, as in
    the released code, the term is linear in f and least where every f is 0 or 1. Logarithms are cut off at -100 and
    have no gradient there, which is at the minimum and the maximum of each image.

    Args:
        fake, real: images [..., 3, H, W], or grey ones [..., 1, H, W] or [H, W]; numbers of images may differ.

    Returns:
        A 0-dimensional tensor, to be added to the generator's loss with a weight. Its gradient flows through the
        spectrum. That of the released code does not: see `spectral_regularization_detached`.

    Raises:
        TypeError, ValueError: images that are neither grey nor RGB; sets of two sizes or devices.

    Source:
        Durall, Keuper, Keuper 2020, "Watch Your Up-Convolution", section 4 (spectral regularization).

    Example:
        >>> import torch
        >>> from specops.losses import spectral_regularization
        >>> fake = torch.randn(2, 3, 16, 16, requires_grad=True)
        >>> spectral_regularization(fake, torch.randn(4, 3, 16, 16)).backward()
        >>> bool(fake.grad.abs().max() > 0)
        True
    """
    of_fake, of_real = _log_profiles(fake, real, GREY_DURALL, "durall2020", 1e-16)
    return _cross_entropy(of_fake, _batch_mean(of_real))


def spectral_regularization_detached(fake: Tensor, real: Tensor) -> Tensor:
    r"""Returns the spectral regularization as released: a number without gradient.

    -mean over images i and bins k of f_ik·ln r_k + (1 - f_ik)·ln(1 - r_k), profiles as in `spectral_regularization`.
    The released code computes the profiles outside of torch, so that the term has a value but trains nothing. It also
    exchanges the two sides of the cross-entropy. Use it to reproduce results that were obtained so.

    Args:
        fake, real: as in `spectral_regularization`.

    Returns:
        A 0-dimensional tensor that requires no gradient.

    Raises:
        TypeError, ValueError: as `spectral_regularization`.

    Source:
        The code released with Durall, Keuper, Keuper 2020, "Watch Your Up-Convolution".

    Example:
        >>> import torch
        >>> from specops.losses import spectral_regularization_detached
        >>> fake = torch.randn(2, 3, 16, 16, requires_grad=True)
        >>> spectral_regularization_detached(fake, torch.randn(4, 3, 16, 16)).requires_grad
        False
    """
    of_fake, of_real = _log_profiles(fake, real, GREY_DURALL, "durall2020", 1e-16)
    return _cross_entropy(_batch_mean(of_real).detach(), of_fake.detach())


def spectral_profile_loss(fake: Tensor, real: Tensor) -> Tensor:
    r"""Returns the mean absolute difference of the mean log profiles of two sets of images.

    Mean over bins of |f_k - r_k|: f and r are means over images of the profile (`jung2021`) of 20·ln(|DFT|² + 1e-8) of
    the grey image, each profile brought to [0, 1] by its minimum and maximum.

    Args:
        fake, real: images [..., 3, H, W], or grey ones [..., 1, H, W] or [H, W]; numbers of images may differ.

    Returns:
        A 0-dimensional tensor in [0, 1].

    Raises:
        TypeError, ValueError: images that are neither grey nor RGB; sets of two sizes or devices.

    Source:
        Jung, Keuper 2021, "Spectral Distribution Aware Image Generation", section 3 (profiles).

    Example:
        >>> import torch
        >>> from specops.losses import spectral_profile_loss
        >>> images = torch.randn(4, 3, 16, 16)
        >>> float(spectral_profile_loss(images, images))
        0.0
    """
    of_fake, of_real = _log_profiles(fake, real, GREY_JUNG, "jung2021", 1e-8)
    return (_batch_mean(of_fake) - _batch_mean(of_real)).abs().mean()


class LogSpectrumMSE(nn.Module):
    """Computes `log_spectrum_mse(fake, real)`.

    Args:
        convention, norm: as in `specops.radial_spectrum`.

    Example:
        >>> from specops.losses import LogSpectrumMSE
        >>> LogSpectrumMSE()
        LogSpectrumMSE(convention='schwarz2021', norm='backward')
    """

    def __init__(self, *, convention: str = "schwarz2021", norm: str = "backward") -> None:
        super().__init__()
        check_choice("convention", convention, tuple(geometry.CONVENTIONS))
        check_choice("norm", norm, NORMS)
        self.convention, self.norm = convention, norm

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        return log_spectrum_mse(fake, real, convention=self.convention, norm=self.norm)

    def extra_repr(self) -> str:
        return f"convention={self.convention!r}, norm={self.norm!r}"


class SpectralRegularization(nn.Module):
    """Computes `spectral_regularization(fake, real)`.

    Example:
        >>> from specops.losses import SpectralRegularization
        >>> SpectralRegularization()
        SpectralRegularization()
    """

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        return spectral_regularization(fake, real)


class SpectralProfileLoss(nn.Module):
    """Computes `spectral_profile_loss(fake, real)`.

    Example:
        >>> from specops.losses import SpectralProfileLoss
        >>> SpectralProfileLoss()
        SpectralProfileLoss()
    """

    def forward(self, fake: Tensor, real: Tensor) -> Tensor:
        return spectral_profile_loss(fake, real)


def log_profile(
    x: Tensor, weights: tuple[float, float, float], convention: str, eps: float, *, name: str = "x"
) -> Tensor:
    """Returns the logarithmic radial power of the grey images, each profile brought to [0, 1]: [..., K].

    Args:
        x: images [..., 3, H, W], or grey ones [..., 1, H, W] or [H, W].
        weights: of red, green and blue.
        convention, eps: as in `specops.radial_spectrum`.
        name: of x in error messages.
    """
    grey = _grey(name, x.to(compute_dtype(x.dtype)), weights)
    profile = radial_spectrum(grey, convention=convention, scale="log", eps=eps)
    return normalize_profile(profile, mode="minmax")


def _log_profiles(
    fake: Tensor, real: Tensor, weights: tuple[float, float, float], convention: str, eps: float
) -> tuple[Tensor, Tensor]:
    fake, real = check_pair(("fake", "real"), fake, real, paired=False)
    of_fake = log_profile(fake, weights, convention, eps, name="fake")
    return of_fake, log_profile(real, weights, convention, eps, name="real")


def _grey(name: str, x: Tensor, weights: tuple[float, float, float]) -> Tensor:
    """[..., 3, H, W] or [..., 1, H, W] -> [..., H, W]."""
    if x.dim() == 2:
        return x
    if x.shape[-3] == 1:
        return x.squeeze(-3)
    if x.shape[-3] != 3:
        raise ValueError(
            f"{name} must be RGB [..., 3, H, W] or grey [..., 1, H, W]; got {list(x.shape)}. Make grey images with "
            f"{name}.mean(-3, keepdim=True), or pass {name}.unsqueeze(-3) if they are."
        )
    red, green, blue = x.unbind(-3)
    return weights[0] * red + weights[1] * green + weights[2] * blue


def _batch_mean(profiles: Tensor) -> Tensor:
    """[..., K] -> [K]."""
    return profiles.reshape(-1, profiles.shape[-1]).mean(0)


def _cross_entropy(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean of -(t ln p + (1 - t) ln(1 - p)), logarithms not below -100; prediction and target broadcast."""
    return -ordered_mean(target * _bounded_log(prediction) + (1 - target) * _bounded_log(1 - prediction))


def _bounded_log(p: Tensor) -> Tensor:
    """max(ln p, -100), with the gradient 0 where p is 0."""
    zero = p == 0
    return torch.where(zero, -100, torch.where(zero, 1, p).log().clamp(min=-100))
