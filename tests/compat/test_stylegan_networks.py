"""Networks written for StyleGAN's own ops run on specops after the line of docs/recipes.md.

`stylegan_like` has modules under the names of StyleGAN's, which import and call their own `upfirdn2d`.
"""

from __future__ import annotations

import copy
import importlib
import pickle
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from pages import PAGES, blocks, sections
from torch.nn import functional as F

import specops
from specops.compat import stylegan

NAME = "torch_utils.ops.upfirdn2d"
(LINE,) = blocks(sections(PAGES["docs/recipes.md"])["StyleGAN in one line"], "python")


@pytest.fixture(autouse=True)
def _checkout(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Makes the packages importable for one test and forgets them afterwards."""
    monkeypatch.syspath_prepend(Path(__file__).parent / "stylegan_like")
    yield
    for name in [name for name in sys.modules if name.split(".")[0] in ("torch_utils", "training")]:
        del sys.modules[name]


@pytest.fixture
def _moved(_checkout: None) -> None:
    exec(LINE, {})


moved = pytest.mark.usefixtures("_moved")


IMPORTS = {
    "package": "from torch_utils.ops import upfirdn2d as found",
    "renamed": "import torch_utils.ops.upfirdn2d as found",
    "dotted": "import torch_utils.ops.upfirdn2d; found = torch_utils.ops.upfirdn2d",
    "attribute": "import torch_utils.ops.conv2d_resample; found = torch_utils.ops.upfirdn2d",
    "relative": "from torch_utils.ops.conv2d_resample import upfirdn2d as found",
    "name": "import importlib; found = importlib.import_module('torch_utils.ops.upfirdn2d')",
}


@moved
@pytest.mark.parametrize("statement", IMPORTS.values(), ids=IMPORTS)
def test_every_import_finds_the_replacement(statement: str) -> None:
    names: dict[str, object] = {}
    exec(statement, names)
    assert names["found"] is stylegan


def test_without_the_line_they_import_their_own() -> None:
    with pytest.raises(RuntimeError, match="itself was imported"):
        importlib.import_module("training.networks")


@moved
def test_a_replacement_can_be_imported_before_its_package_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "path", [])
        assert importlib.import_module("specops.compat.stylegan") is stylegan
        assert importlib.reload(stylegan) is stylegan
    exec(IMPORTS["dotted"], {})


@moved
def test_errors_of_the_package_are_met_by_imports_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torch_utils").mkdir()
    (tmp_path / "torch_utils" / "__init__.py").write_text("raise OSError('no driver')")
    monkeypatch.syspath_prepend(tmp_path)
    assert stylegan.__name__ in repr(stylegan)
    for form in ("package", "renamed", "dotted"):
        with pytest.raises(OSError, match="no driver"):
            exec(IMPORTS[form], {})


COPIES = {"pickle": lambda module: pickle.loads(pickle.dumps(module)), "copy": copy.copy, "deepcopy": copy.deepcopy}


@pytest.mark.parametrize("copied", COPIES.values(), ids=COPIES)
def test_copies_are_the_module_itself(copied: Callable[[ModuleType], ModuleType]) -> None:
    assert copied(stylegan) is stylegan


@moved
def test_values() -> None:
    """What each module computes is `specops.upfirdn2d` with the padding worked out by hand."""
    resample = importlib.import_module("torch_utils.ops.conv2d_resample").conv2d_resample
    x, w, f = torch.randn(2, 3, 12, 10), torch.randn(4, 3, 3, 3), stylegan.setup_filter((1, 3, 4, 1))
    twice = specops.upfirdn2d(x, f, up=2, padding=(3, 2, 3, 2), gain=4)
    torch.testing.assert_close(resample(x, w, f=f, up=2, padding=1), F.conv2d(twice, w))
    torch.testing.assert_close(resample(x, w, f=f, up=2, padding=[1, 1]), F.conv2d(twice, w))
    half = specops.upfirdn2d(x, f, padding=(2, 2, 2, 2), flip_filter=True)
    torch.testing.assert_close(resample(x, w, f=f, down=2, padding=1, flip_filter=True), F.conv2d(half, w, stride=2))
    assert torch.equal(resample(x, w, padding=1), F.conv2d(x, w, padding=1))

    augment = importlib.import_module("training.augment").Shift()
    along = augment.low_pass
    twice = specops.upfirdn2d(F.pad(x, [3] * 4, mode="reflect"), along, up=2, padding=(6, 5, 6, 5), gain=4).roll(3, -1)
    crop = specops.upfirdn2d(twice, along, down=2, padding=(-1, -1, -1, -1), flip_filter=True)
    torch.testing.assert_close(augment(x, 1.5), crop)
    assert crop.shape == x.shape

    blurred = importlib.import_module("training.loss").blurred(x, 1.5)
    taps = torch.exp2(-((torch.arange(-4, 5) / 1.5) ** 2))
    torch.testing.assert_close(blurred, specops.upfirdn2d(x, taps / taps.sum(), padding=(4, 4, 4, 4)))


@moved
def test_networks_train() -> None:
    """Both losses, R1 among them, have gradients to every parameter, channels_last and in half precision as well."""
    networks, loss = (importlib.import_module(f"training.{name}") for name in ("networks", "loss"))
    augment = importlib.import_module("training.augment").Shift()
    for options in ({}, {"memory_format": torch.channels_last}, {"dtype": torch.bfloat16}):
        generator, discriminator = networks.Generator().to(**options), networks.Discriminator().to(**options)
        dtype = options.get("dtype", torch.float32)
        z, real = torch.randn(3, 4, dtype=dtype), torch.randn(3, 3, 16, 16, dtype=dtype)
        of_generator, of_discriminator = loss.losses(generator, discriminator, augment.to(dtype), z, real)
        slopes = [
            *torch.autograd.grad(of_discriminator, list(discriminator.parameters()), retain_graph=True),
            *torch.autograd.grad(of_generator, list(generator.parameters())),
        ]
        assert all(slope.isfinite().all() and slope.abs().max() > 0 for slope in slopes)
