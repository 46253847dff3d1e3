"""The recipes of docs/recipes.md: every diff applies to the script that it names, and what comes out trains."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
import types
from pathlib import Path

import dcgan
import numpy as np
import pytest
import torch
from pages import PAGES, ROOT, blocks, sections
from PIL import Image
from torch import Tensor, nn

PAGE = PAGES["docs/recipes.md"]
SECTIONS = sections(PAGE)
DIFFS = {
    (title, number): text for title, section in SECTIONS.items() for number, text in enumerate(blocks(section, "diff"))
}
OF_DCGAN = [key for key, text in DIFFS.items() if "dcgan.py" in text]
OF_STYLEGAN = [key for key, text in DIFFS.items() if "stylegan2.py" in text]
HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


def patched(diff: str) -> tuple[Path, str]:
    """The file that a unified diff names, and its text with the diff applied, which must fit to the line."""
    old_name, new_name, *lines = diff.splitlines()
    assert old_name.removeprefix("--- a/") == new_name.removeprefix("+++ b/")
    path = ROOT / old_name.removeprefix("--- a/")
    old, new, read = path.read_text().splitlines(), [], 0
    for index, line in enumerate(lines):
        if hunk := HUNK.fullmatch(line):
            start, n_old, begin, n_new = (int(part or 1) for part in hunk.groups())
            new += old[read : start - 1]
            read = start - 1
            assert begin == len(new) + 1
            body = lines[index + 1 :]
            end = next((i for i, each in enumerate(body) if HUNK.fullmatch(each)), len(body))
            signs = [each[:1] or " " for each in body[:end]]
            assert (n_old, n_new) == (len(signs) - signs.count("+"), len(signs) - signs.count("-"))
        elif line.startswith("+"):
            new.append(line[1:])
        else:
            assert old[read] == line[1:], f"{path.name}:{read + 1}"
            new += [] if line.startswith("-") else [old[read]]
            read += 1
    return path, "\n".join([*new, *old[read:], ""])


def module_of(path: Path, text: str) -> types.ModuleType:
    """The text as a module in the place of `path`."""
    name = ".".join(path.relative_to(ROOT / "examples").with_suffix("").parts)
    module = types.ModuleType(name)
    module.__package__ = name.rpartition(".")[0]
    exec(compile(text, str(path), "exec"), module.__dict__)
    return module


def losses_of(module: types.ModuleType, out: Path, *more: str) -> np.ndarray:
    """Losses [steps, 2] that the script prints in two steps."""
    small = ["--resolution", "32", "--width", "2", "--batch", "4", "--steps", "2"]
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        module.main([*small, "--out", str(out / "fake.png"), *more])
    return np.array(re.findall(r"discriminator (\S+), generator (\S+)", printed.getvalue()), dtype=float)


def trained(generator: nn.Module, discriminator: nn.Module, z: Tensor, real: Tensor) -> tuple[float, float]:
    """Losses of both networks, whose gradients are finite, and not zero for any weight matrix."""
    fake = generator(z)
    loss_d = nn.functional.softplus(-discriminator(real)).mean() + nn.functional.softplus(discriminator(fake)).mean()
    loss_g = nn.functional.softplus(-discriminator(fake)).mean()
    slopes_d = torch.autograd.grad(loss_d, list(discriminator.parameters()), retain_graph=True)
    slopes_g = torch.autograd.grad(loss_g, list(generator.parameters()))
    assert all(slope.isfinite().all() for slope in (*slopes_d, *slopes_g))
    assert all(slope.abs().max() > 0 for slope in (*slopes_d, *slopes_g) if slope.dim() > 1)
    return loss_d.item(), loss_g.item()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """Losses of the script as it is."""
    return losses_of(dcgan, tmp_path_factory.mktemp("plain"))


def test_page_has_the_recipes() -> None:
    titles = [title for title, _ in OF_DCGAN]
    fsg = "Frequency shifted generator (FSG)"
    assert titles == [
        "High-frequency confusion (HFC)", "High-frequency filter (HFF)", "Spectrum discriminator",
        "Anti-aliased resampling", fsg, fsg,
    ]  # fmt: skip
    assert [title for title, _ in OF_STYLEGAN] == ["StyleGAN in one line"]
    assert len(DIFFS) == PAGE.count("```diff")
    hooks, line, mimicry = (title for title, section in SECTIONS.items() if blocks(section, "python"))
    assert (hooks, line, mimicry) == ("Networks that you do not want to edit", "StyleGAN in one line", "torch-mimicry")


def test_readme_shows_lines_of_a_recipe() -> None:
    (shown,) = blocks(PAGES["README.md"], "diff")
    lines = [line for line in shown.splitlines() if line != " ..."]
    assert len(lines) == 3
    assert set(lines) <= set(DIFFS[OF_DCGAN[0]].splitlines())


@pytest.mark.parametrize("key", OF_DCGAN, ids=lambda key: f"{key[0]}-{key[1]}")
def test_a_diff_on_the_dcgan_trains(key: tuple[str, int], plain: np.ndarray, tmp_path: Path) -> None:
    """Two steps with finite losses, all of which the recipe changes, and pictures at the end."""
    path, text = patched(DIFFS[key])
    assert path == Path(dcgan.__file__)
    changed = losses_of(module_of(path, text), tmp_path)
    assert changed.shape == plain.shape == (2, 2)
    assert np.isfinite(changed).all()
    assert (np.abs(changed - plain) > 1e-5).all(), (changed, plain)
    with Image.open(tmp_path / "fake.png") as picture:
        assert picture.size == (8 * 32, 32)


def test_a_diff_must_fit_its_file() -> None:
    """The harness itself refuses a context that is not there, lines that moved, and a wrong count."""
    diff = DIFFS[OF_DCGAN[0]]
    for old, new in ((" LATENT_CHANNELS", " LATENTS"), ("@@ -1", "@@ -2"), (",2 +", ",3 +")):
        assert old in diff
        with pytest.raises((AssertionError, IndexError)):
            patched(diff.replace(old, new, 1))


def test_dcgan_takes_a_folder_and_tells_wrong_input(
    plain: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(16):
        pixels = np.random.default_rng(number).integers(256, size=(32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    losses = losses_of(dcgan, tmp_path, "--data", str(folder))
    assert np.isfinite(losses).all()
    assert (losses != plain).any()
    for wrong, reason in (("--data", "none"), "does not exist"), (("--steps", "0"), "at least 1"):
        with pytest.raises(SystemExit, match="2"):
            dcgan.main(["--out", str(tmp_path / "fake.png"), *wrong])
        err = capsys.readouterr().err
        assert reason in err.splitlines()[-1]


@pytest.mark.parametrize("key", OF_STYLEGAN, ids=lambda key: key[0])
def test_stylegan_through_compat(key: tuple[str, int]) -> None:
    """The same networks with filters of five taps train, and make other images."""
    from studies.testbeds import stylegan2

    path, text = patched(DIFFS[key])
    assert path == Path(stylegan2.__file__)
    changed = module_of(path, text)
    losses, z, real = [], torch.randn(2, 64), torch.rand(2, 3, 32, 32) * 2 - 1
    for module in (stylegan2, changed):
        torch.manual_seed(0)
        losses.append(trained(module.Generator(32), module.Discriminator(32, 1), z, real))
    assert np.isfinite(losses).all()
    assert (np.abs(np.subtract(*losses)) > 1e-5).all()


def test_hooks_on_stylegan_like_networks() -> None:
    (block,) = blocks(SECTIONS["Networks that you do not want to edit"], "python")
    names: dict[str, object] = {}
    torch.manual_seed(0)
    exec(block, names)
    generator, discriminator = names["generator"], names["discriminator"]
    z, real = torch.randn(2, 64), torch.rand(2, 3, 32, 32) * 2 - 1
    assert discriminator(real).shape == (2, 2)
    hooked = trained(generator, discriminator, z, real)
    for hooks in (discriminator._forward_pre_hooks, discriminator._forward_hooks, generator._forward_hooks):
        assert len(hooks) == 1
        hooks.clear()
    del discriminator.spectrum
    unhooked = trained(generator, discriminator, z, real)
    assert abs(hooked[0] - unhooked[0]) > 1e-5
    assert abs(hooked[1] - unhooked[1]) > 1e-5


@pytest.mark.skipif(
    importlib.util.find_spec("torch_mimicry") is None,
    reason="torch-mimicry is not installed: pip install torch-mimicry --no-deps",
)
def test_networks_of_mimicry() -> None:
    """Their own train_step under the hook, and a step with HFC."""

    class Log(dict[str, float]):
        def add_metric(self, name: str, value: float | Tensor, **_: object) -> None:
            self[name] = float(value.detach() if isinstance(value, Tensor) else value)

    networks, confusion = blocks(SECTIONS["torch-mimicry"], "python")
    names: dict[str, object] = {}
    exec(networks, names)
    generator, discriminator = names["generator"], names["discriminator"]
    steps = [torch.optim.Adam(net.parameters(), lr=2e-4, betas=(0.0, 0.9)) for net in (generator, discriminator)]
    real, log = torch.rand(4, 3, 32, 32) * 2 - 1, Log()
    options = {"log_data": log, "device": torch.device("cpu")}
    discriminator.train_step(real_batch=(real, None), netG=generator, optD=steps[1], **options)
    generator.train_step(real_batch=(real, None), netD=discriminator, optG=steps[0], **options)
    assert {"errD", "errG"} <= log.keys()
    assert all(np.isfinite(value) for value in log.values())
    names |= {"real": real, "z": torch.randn(4, 128)}
    exec(confusion, names)
    assert (names["loss_d"] + names["loss_g"]).isfinite()
