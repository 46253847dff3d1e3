"""The generator testbed: its network, and its run in memory."""

from __future__ import annotations

from pathlib import Path

import generator_testbed
import pytest
import torch
from finished_runs import exit_code, table
from PIL import Image
from studies.core.data.images import ImageSet
from studies.testbeds.generator_run import GeneratorRun, GeneratorSettings
from studies.testbeds.networks.arithmetic import UPSAMPLINGS
from studies.testbeds.networks.generator import PADDINGS, ProgressiveGenerator
from studies.testbeds.networks.gradients import pixel_norm


def network(resolution: int, upsampling: str, padding: str = "reflect", seed: int = 0) -> ProgressiveGenerator:
    generator = torch.Generator().manual_seed(seed)
    return ProgressiveGenerator(resolution, upsampling=upsampling, padding=padding, generator=generator)


# The network


@pytest.mark.parametrize("padding", PADDINGS)
@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
@pytest.mark.parametrize("resolution", [8, 16, 128])
def test_network_makes_images_of_any_resolution(resolution: int, upsampling: str, padding: str) -> None:
    made = network(resolution, upsampling, padding)(torch.randn(2, 64))
    assert made.shape == (2, 3, resolution, resolution)
    assert made.isfinite().all()


@pytest.mark.parametrize(
    ("upsampling", "parameters"), [("bilinear", 352_687), ("zeros", 352_687), ("shuffle", 358_023)]
)
def test_parameter_count_at_64(upsampling: str, parameters: int) -> None:
    assert sum(parameter.numel() for parameter in network(64, upsampling).parameters()) == parameters


def test_only_outputs_of_lower_scales_get_no_gradient() -> None:
    model = network(32, "shuffle")
    model(torch.randn(1, 64)).sum().backward()
    unused = {name for name, parameter in model.named_parameters() if parameter.grad is None}
    assert unused == {f"outputs.{scale}.{name}" for scale in range(3) for name in ("weight", "bias")}


def test_latent_scale_does_not_matter() -> None:
    model, z = network(16, "bilinear"), torch.randn(1, 64)
    torch.testing.assert_close(model(7 * z), model(z))


def test_pixel_norm_gives_unit_mean_square() -> None:
    normed = pixel_norm(torch.randn(2, 8, 5, 5))
    torch.testing.assert_close(normed.square().mean(dim=1), torch.ones(2, 5, 5))


def test_pixel_norm_has_gradients_of_two_orders() -> None:
    x = torch.randn(2, 5, 3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(pixel_norm, x)
    assert torch.autograd.gradgradcheck(pixel_norm, x)


def test_paddings_differ_at_the_border_first() -> None:
    z = torch.randn(1, 64)
    assert not torch.equal(network(16, "nearest", "reflect")(z), network(16, "nearest", "zeros")(z))


# The run


def run(seed: int = 0, upsample: str = "zeros") -> GeneratorRun:
    torch.set_num_threads(1)
    pixels = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    settings = GeneratorSettings(upsample, resolution=8, batch=2, seed=seed)
    return GeneratorRun(settings, ImageSet(("a", "b", "c"), pixels), torch.device("cpu"))


def test_seed_decides_latents_and_weights() -> None:
    torch.manual_seed(5)  # global random state plays no part
    first = run(seed=3)
    again = run(seed=3)
    assert torch.equal(first.generate(), again.generate())
    assert not torch.equal(first.generate(), run(seed=4).generate())


def test_every_image_is_drawn_once_per_epoch() -> None:
    drawing = run()
    batches = [drawing._draw().tolist() for _ in range(20)]
    assert [len(batch) for batch in batches] == [2, 1] * 10
    assert all(sorted(a + b) == [0, 1, 2] for a, b in zip(batches[::2], batches[1::2], strict=True))
    assert len({tuple(a + b) for a, b in zip(batches[::2], batches[1::2], strict=True)}) > 1


# From the command line


def test_published_arithmetic_differs_in_rounding_alone(pictures: Path, tmp_path: Path) -> None:
    small = ["--image", pictures, "--resolution", 8, "--batch", 2, "--steps", 7, "--eval-every", 3, "--threads", 1]
    losses = []
    for arithmetic in ("published", "fast"):
        out = tmp_path / arithmetic
        assert exit_code(generator_testbed, *small, "--arithmetic", arithmetic, "--out", out) == 0
        losses.append([float(row["loss"]) for row in table(out)])
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)
    assert losses[0] != losses[1]


def test_picture_of_one_colour_has_a_report(tmp_path: Path) -> None:
    """Where the real density vanishes, errors are infinite."""
    Image.new("RGB", (1, 1), (9, 99, 199)).save(tmp_path / "flat.png")
    flat = ["--image", tmp_path / "flat.png", "--padding", "zeros", "--resolution", 8, "--steps", 1, "--threads", 1]
    assert exit_code(generator_testbed, *flat, "--out", tmp_path / "out") == 0
    assert (tmp_path / "out" / "report.html").exists()
