"""Networks of users, by name: `--model my_package.module:MyNet`.

Generator: `MyNet(resolution)`, called with `z [n, 64]` (or `[n, MyNet.latent_channels]`), gives images `[n, 3, N, N]`.
Discriminator: `MyNet(resolution, n_logits)`, called with images `[n, 3, N, N]`, gives logits `[n, n_logits]`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .errors import InputError

_FORM = "my_package.module:MyNet"


def model_name(reference: str) -> str:
    """The class of `my_package.module:MyNet`; any other name as it is."""
    return reference.rpartition(":")[2]


def find_model(reference: str, *, option: str = "--model") -> type[nn.Module]:
    """The class that `my_package.module:MyNet`, given as `option`, names; the working folder is searched as well."""
    module_name, _, name = reference.partition(":")
    if not module_name or not name.isidentifier():
        raise InputError(f"{option} must be of the form {_FORM}; got {reference!r}")
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise InputError(f"{option} {reference}: importing {module_name} raised {told(error)}") from error
    found = getattr(module, name, None)
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        what = "nothing of that name" if found is None else f"{type(found).__name__} {name}"
        raise InputError(f"{option} {reference} must name a subclass of torch.nn.Module; {module_name} has {what}")
    return found


def latent_channels(reference: str) -> int:
    """Channels of the latents that a generator takes: its attribute `latent_channels`, or 64."""
    return int(getattr(find_model(reference), "latent_channels", 64))


def load_model(reference: str, *arguments: int, seed: int) -> nn.Module:
    """`MyNet(*arguments)`, whose weights are drawn from torch's own random state seeded with `seed`."""
    made_by = f"{model_name(reference)}({', '.join(map(str, arguments))})"
    model = find_model(reference)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = model(*arguments)
    except Exception as error:
        raise InputError(f"--model {reference}: {made_by} raised {told(error)}") from error
    if not any(parameter.requires_grad for parameter in network.parameters()):
        raise InputError(f"--model {reference}: {made_by} has no parameters to train")
    return network


def try_generator(reference: str, network: nn.Module, z: Tensor, resolution: int) -> None:
    """Raise InputError unless the network makes images of `z`."""
    _try(reference, network, z, [len(z), 3, resolution, resolution], "images")


def try_discriminator(reference: str, network: nn.Module, x: Tensor, n_logits: int) -> None:
    """Raise InputError unless the network gives logits of `x` that have second derivatives, which R1 needs."""
    x = x.clone().requires_grad_()
    logits = _try(reference, network, x, [len(x), n_logits], "logits")
    try:
        (slope,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
        slope.square().sum().backward()
    except RuntimeError as error:
        raise InputError(f"--model {reference} must be twice differentiable for R1; {told(error)}") from error
    network.zero_grad()


def _try(reference: str, network: nn.Module, x: Tensor, expected: Sequence[int], what: str) -> Tensor:
    """The network's output for `x`, checked; neither its buffers nor torch's random state change."""
    called = f"--model {reference}, called with {list(x.shape)},"
    network.eval()
    try:
        with torch.random.fork_rng(devices=[]):
            made: Any = network(x)
    except Exception as error:
        raise InputError(f"{called} raised {told(error)}") from error
    network.train()
    if not isinstance(made, Tensor) or not made.is_floating_point() or list(made.shape) != list(expected):
        raise InputError(f"{called} must return {what} {list(expected)}; it returned {_described(made)}")
    if not made.isfinite().all():
        raise InputError(f"{called} returned {what} with NaN or infinity")
    if not made.requires_grad:
        raise InputError(f"{called} returned {what} without gradient")
    return made


def _described(made: object) -> str:
    if isinstance(made, Tensor):
        return f"{made.dtype} {list(made.shape)}".replace("torch.", "")
    if isinstance(made, (tuple, list)):
        return f"a {type(made).__name__} of {len(made)}"
    return f"a {type(made).__name__}"


def told(error: Exception) -> str:
    """An exception in one line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
