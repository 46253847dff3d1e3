"""Every public function as a function of one batch of images, for the properties that all of them share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

import specops
import specops.nn as snn
from specops import losses, masks


def _profile(x: Tensor, n_bins: int) -> Tensor:
    return torch.linspace(0.5, 1.5, n_bins, dtype=x.dtype, device=x.device)


def _two(x: Tensor) -> Tensor:
    """Another image, made of x without rounding."""
    return x.flip(-1)


@dataclass(frozen=True)
class Function:
    """A public function for the tests.

    Attributes:
        call: images [..., 4, H, W] -> tensor.
        exempt: property -> why it does not hold.
        image: the result comes in the dtype of x, as images do; else in the compute dtype, as spectra and numbers do.
        size: (H, W) of the images, where the function was built for one.
        keeps_format: the result of channels_last images is channels_last; else always contiguous.
    """

    call: Callable[[Tensor], Tensor]
    image: bool = True
    exempt: dict[str, str] = field(default_factory=dict)
    size: tuple[int, int] | None = None
    keeps_format: bool = False


SCALAR = dict.fromkeys(
    ("any batch", "NaN, Inf"),
    "One number for all images; tests/losses/test_losses.py and tests/functional/test_spectra.py check its batches.",
)
FOCAL = SCALAR | dict.fromkeys(
    ("derivative", "second derivative"),
    "The weight counts as constant, as published; tests/peers/test_focal_frequency_loss.py checks these derivatives.",
)
DETACHED = SCALAR | dict.fromkeys(("derivative", "second derivative"), "A number without gradient, as released.")
MASK = dict.fromkeys(("any batch", "NaN, Inf"), "One mask for all images.")
IDEAL_MASK = MASK | dict.fromkeys(("derivative", "second derivative"), "Piecewise constant: its derivatives are 0.")
LOGITS = {
    "dtypes": "Logits come in the dtype of the parameters; tests/nn/test_nn.py checks them.",
    "autocast": "Its linear layers follow autocast, as torch's do; tests/nn/test_nn.py checks the logits.",
}


def _rgb(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda x: loss(x[..., :3, :, :], _two(x)[..., 1:, :, :])


def _size(x: Tensor) -> tuple[int, int]:
    return x.shape[-2], x.shape[-1]


def _radius(x: Tensor) -> Tensor:
    """A radius in (0, 4), made of x without rounding."""
    return 4 * x.flatten()[0].abs()


def _learnt(module: nn.Module) -> nn.Module:
    """The module with parameters that are all different."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += torch.linspace(-0.3, 0.4, parameter.numel()).reshape(parameter.shape)
    return module


SIZE = (8, 6)
MODULES: dict[str, Function] = {
    "nn.RadialSpectrum": Function(snn.RadialSpectrum(scale="db", window="hann"), image=False),
    "nn.FrequencyFilter": Function(_learnt(snn.FrequencyFilter(SIZE)), size=SIZE),
    "nn.RadialFilter": Function(_learnt(snn.RadialFilter(SIZE)), size=SIZE),
    "nn.LowPass": Function(snn.LowPass(0.2)),
    "nn.HighPass": Function(snn.HighPass(0.2, kind="butterworth")),
    "nn.HFF": Function(snn.HFF(2.5)),
    "nn.HFC": Function(lambda x: snn.HFC(2.5)(x, _two(x))[1]),
    "nn.FrequencyShift": Function(snn.FrequencyShift((0.25, 0.1))),
    "nn.Upsample": Function(snn.Upsample(mode="binomial"), keeps_format=True),
    "nn.Downsample": Function(snn.Downsample(mode="blur", taps=5), keeps_format=True),
    "nn.BlurPool": Function(snn.BlurPool(4), keeps_format=True),
    "nn.SpectrumDiscriminator": Function(
        _learnt(snn.SpectrumDiscriminator(SIZE, 2, dtype=torch.float64)), image=False, exempt=LOGITS, size=SIZE
    ),
}

FUNCTIONS: dict[str, Function] = {
    "radial_spectrum": Function(specops.radial_spectrum, image=False),
    "radial_spectrum (log, hann)": Function(
        lambda x: specops.radial_spectrum(x, scale="log", window="hann", norm="ortho", convention="plain"), image=False
    ),
    **{
        f"radial_spectrum ({name})": Function(
            lambda x, name=name: specops.radial_spectrum(x, convention=name), image=False
        )
        for name in ("rapsd", "durall2020", "jung2021", "ssd2021")
    },
    "radial_cross_spectrum": Function(lambda x: specops.radial_cross_spectrum(x, _two(x)), image=False),
    "fourier_ring_correlation": Function(lambda x: specops.fourier_ring_correlation(x, _two(x)), image=False),
    "power_spectrum": Function(lambda x: specops.power_spectrum(x, shift=True), image=False),
    "leakage_ratio": Function(
        lambda x: specops.leakage_ratio(
            specops.power_spectrum(x).flatten(end_dim=-3).mean(0),
            specops.power_spectrum(_two(x)).flatten(end_dim=-3).mean(0),
        ),
        image=False,
        exempt=SCALAR,
    ),
    "normalize_profile": Function(
        lambda x: specops.normalize_profile(specops.radial_spectrum(x), mode="minmax"), image=False
    ),
    "masks.lowpass": Function(lambda x: masks.lowpass(_size(x), _radius(x)), exempt=IDEAL_MASK),
    **{
        f"masks.lowpass ({kind})": Function(
            lambda x, kind=kind: masks.lowpass(_size(x), _radius(x), kind=kind), exempt=MASK
        )
        for kind in masks.KINDS[1:]
    },
    "masks.highpass (butterworth)": Function(
        lambda x: masks.highpass(_size(x), _radius(x), kind="butterworth", order=3), exempt=MASK
    ),
    "masks.bandpass (logistic)": Function(
        lambda x: masks.bandpass(_size(x), _radius(x), 2 * _radius(x), kind="logistic", width=2), exempt=MASK
    ),
    "frequency_filter": Function(
        lambda x: specops.frequency_filter(x, masks.lowpass((x.shape[-2], x.shape[-1]), 2.5, kind="gaussian"))
    ),
    "radial_filter": Function(
        lambda x: specops.radial_filter(
            x, _profile(x, specops.geometry.radial_bins((x.shape[-2], x.shape[-1]), convention="plain").n_bins)
        )
    ),
    "radial_filter (linear)": Function(
        lambda x: specops.radial_filter(
            x,
            _profile(x, specops.geometry.radial_bins((x.shape[-2], x.shape[-1]), convention="durall2020").n_bins),
            convention="durall2020",
            interpolation="linear",
        )
    ),
    "frequency_shift": Function(lambda x: specops.frequency_shift(x, (0.25, 0.1), imag=_two(x))),
    "frequency_shift_complex": Function(lambda x: specops.frequency_shift_complex(x, _two(x), (0.25, 0.1))[1]),
    "hff": Function(lambda x: specops.hff(x, 2.5)),
    "hfc": Function(lambda x: specops.hfc(x, _two(x), 2.5)[1]),
    "swap_bands": Function(
        lambda x: specops.swap_bands(x, _two(x), masks.lowpass((x.shape[-2], x.shape[-1]), 2.5, device=x.device))
    ),
    "upfirdn2d": Function(
        lambda x: specops.upfirdn2d(
            x, torch.tensor([1.0, 3.0, 1.0], device=x.device), up=2, padding=1, gain=0.04, boundary="reflect"
        ),
        keeps_format=True,
    ),
    **{
        f"downsample ({mode})": Function(
            lambda x, mode=mode: specops.downsample(x, mode=mode),
            keeps_format=True,
        )
        for mode in ("stride", "avg", "blur", "schwarz_blur", "binomial", "sinc", "fourier")
    },
    **{
        f"upsample ({mode})": Function(
            lambda x, mode=mode: specops.upsample(x, mode=mode),
            keeps_format=True,
        )
        for mode in ("zeros", "nearest", "bilinear", "binomial", "sinc", "fourier", "shuffle")
    },
    "log_spectrum_mse": Function(_rgb(losses.log_spectrum_mse), image=False, exempt=SCALAR),
    "spectral_regularization": Function(_rgb(losses.spectral_regularization), image=False, exempt=SCALAR),
    "spectral_regularization_detached": Function(
        _rgb(losses.spectral_regularization_detached), image=False, exempt=DETACHED
    ),
    "spectral_profile_loss": Function(_rgb(losses.spectral_profile_loss), image=False, exempt=SCALAR),
    "focal_frequency_loss": Function(_rgb(losses.focal_frequency_loss), image=False, exempt=FOCAL),
    "focal_frequency_loss (options)": Function(
        _rgb(losses.FocalFrequencyLoss(0.5, 1.5, 2, True, True, True)), image=False, exempt=FOCAL
    ),
    **MODULES,
}
