"""torch-mimicry's SNGAN at 32 and 64 pixels, as `--model studies.testbeds.mimicry:Generator` and `…:Discriminator`.

`pip install torch-mimicry --no-deps` suffices for its networks. The package's own `__init__` also imports its metrics
and data sets, which need TensorFlow and torchvision; here Python is given the package without running that file.
"""

from __future__ import annotations

import importlib
import sys
from importlib.util import find_spec, module_from_spec
from types import ModuleType

from torch import Tensor, nn

_LAST_LAYER = {32: "l5", 64: "l6"}
"""The discriminator's layer of logits by resolution."""


def import_part(name: str) -> ModuleType:
    """The module `torch_mimicry.NAME`; ModuleNotFoundError if the package is not installed."""
    if "torch_mimicry" not in sys.modules:
        spec = find_spec("torch_mimicry")
        if spec is None:
            raise ModuleNotFoundError("torch-mimicry is not installed: pip install torch-mimicry --no-deps")
        sys.modules["torch_mimicry"] = module_from_spec(spec)
    return importlib.import_module(f"torch_mimicry.{name}")


modules, sngan = import_part("modules"), import_part("nets.sngan")


class Generator(nn.Module):
    """Maps latents `[n, 128]` to images `[n, 3, resolution, resolution]` in [-1, 1]."""

    latent_channels = 128

    def __init__(self, resolution: int) -> None:
        super().__init__()
        _check(resolution)
        self.network = getattr(sngan, f"SNGANGenerator{resolution}")(nz=self.latent_channels)

    def forward(self, z: Tensor) -> Tensor:
        return self.network(z)


class Discriminator(nn.Module):
    """Maps images `[n, 3, resolution, resolution]` to logits `[n, n_logits]`: the last layer has that many outputs."""

    def __init__(self, resolution: int, n_logits: int) -> None:
        super().__init__()
        _check(resolution)
        self.network = getattr(sngan, f"SNGANDiscriminator{resolution}")()
        last = modules.SNLinear(self.network.ndf, n_logits)
        nn.init.xavier_uniform_(last.weight)
        setattr(self.network, _LAST_LAYER[resolution], last)

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)


def _check(resolution: int) -> None:
    if resolution not in _LAST_LAYER:
        raise ValueError(f"resolution must be {' or '.join(map(str, _LAST_LAYER))}; got {resolution}")
