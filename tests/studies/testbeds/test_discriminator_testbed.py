"""The discriminator testbed: networks, losses, and runs that resume."""

from __future__ import annotations

from pathlib import Path

import discriminator_testbed
import generator_testbed
import numpy as np
import pytest
import torch
from finished_runs import FILES, exit_code, refusal, table
from small_discriminators import network, run
from studies.core.evaluation import mean_psnr
from studies.core.record.checkpoints import load_checkpoint, save_checkpoint
from studies.testbeds.discriminator_run import (
    MLP,
    cross_entropy,
    squared_slope,
)
from studies.testbeds.networks.discriminators import MLPDiscriminator, append_deviation

MODES = ("avg", "stride", "schwarz_blur", "blur")


# Networks


@pytest.mark.parametrize("downsampling", MODES)
@pytest.mark.parametrize("resolution", [8, 32])
def test_network_gives_a_logit_per_image_and_class(resolution: int, downsampling: str) -> None:
    logits = network(resolution, downsampling, n_logits=5)(torch.randn(2, 3, resolution, resolution))
    assert logits.shape == (2, 5)
    assert logits.isfinite().all()


def test_parameter_count_at_64() -> None:
    assert sum(parameter.numel() for parameter in network(64).parameters()) == 353_633


def test_mlp_has_three_hidden_layers_and_a_logit_per_class() -> None:
    mlp = MLPDiscriminator(8, 2, generator=torch.Generator().manual_seed(0))
    assert mlp(torch.randn(3, 3, 8, 8)).shape == (3, 2)
    assert len(mlp.hidden) == 3


@pytest.mark.parametrize("n", [1, 2, 16, 17, 32])
def test_deviation_channel(n: int) -> None:
    x = torch.randn(n, 4, 2, 2, generator=torch.Generator().manual_seed(2))
    extended = append_deviation(x)
    assert torch.equal(extended[:, :4], x)
    channel = extended[:, 4]
    assert torch.equal(channel, channel[:, :1, :1].expand_as(channel))
    groups = 2 if n == 32 else 1
    for group in range(groups):
        members = x[group::groups]
        expected = (members.var(0, unbiased=False) + 1e-8).sqrt().mean()
        torch.testing.assert_close(channel[group::groups], expected.expand(n // groups, 2, 2))


# Losses


def test_slope_of_a_linear_discriminator() -> None:
    """∇ of Σ logits is the sum of the weights, for every image."""
    weights = torch.randn(2, 48, dtype=torch.float64)
    x = torch.randn(3, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    logits = x.flatten(1) @ weights.T
    torch.testing.assert_close(squared_slope(logits, x), weights.sum(0).square().sum())


def test_cross_entropy_of_both_targets() -> None:
    logits = torch.tensor([[0.0], [2.0]])
    for target, sign in ((1.0, -1.0), (0.0, 1.0)):
        torch.testing.assert_close(
            cross_entropy(logits, target=target), torch.nn.functional.softplus(sign * logits).mean()
        )


def test_each_image_is_judged_by_its_own_logit() -> None:
    """The gradient of an image's loss reaches its own row of the last layer alone."""
    drawn = run()
    logits = drawn.network(drawn._real[:1], torch.tensor([2]))
    assert logits.shape == (1, 1)
    logits.sum().backward()
    rows = drawn.network.main.logits.weight.grad.abs().sum(1)
    assert (rows > 0).tolist() == [False, False, True]


def test_spectrum_discriminator_adds_a_logit() -> None:
    drawn = run(spectrum_discriminator=True)
    logits = drawn.network(drawn._real, torch.tensor([0, 1, 2]))
    assert logits.shape == (3, 2)
    shifted = drawn._real.roll((1, 3), dims=(-2, -1))  # the same spectrum
    again = drawn.network(shifted, torch.tensor([0, 1, 2]))
    torch.testing.assert_close(again[:, 1], logits[:, 1])
    assert not torch.allclose(again[:, 0], logits[:, 0])


# Training


def test_only_drawn_images_change() -> None:
    drawn = run(batch=1)
    before = drawn.generate().clone()
    drawn.advance()
    changed = (drawn.generate() != before).flatten(1).any(1)
    assert changed.sum() == 1


def test_average_follows_the_images() -> None:
    drawn = run()
    expected = drawn.generate().clone()
    for _ in range(3):
        drawn.advance()
        expected = 0.999 * expected + 0.001 * drawn.generate()
    torch.testing.assert_close(drawn.average(), expected, rtol=1e-5, atol=1e-7)


def test_pixels_do_not_train_the_discriminator() -> None:
    drawn = run()
    classes = torch.tensor([0, 1])
    before = [parameter.detach().clone() for parameter in drawn.network.parameters()]
    drawn._train_pixels(classes)
    assert all(torch.equal(a, b) for a, b in zip(before, drawn.network.parameters(), strict=True))


@pytest.mark.slow
def test_image_is_learned() -> None:
    drawn = run(n=1, model=MLP)
    start = mean_psnr(drawn.generate(), drawn._real)
    for _ in range(300):
        drawn.advance()
    assert mean_psnr(drawn.generate(), drawn._real) > start + 3


@pytest.mark.parametrize("settings", [{}, {"spectrum_discriminator": True}, {"model": MLP}], ids=["avg", "sd", "mlp"])
def test_run_goes_on_from_a_checkpoint_to_the_bit(tmp_path: Path, settings: dict[str, object]) -> None:
    whole, stopped, resumed = (run(**settings) for _ in range(3))
    losses = [whole.advance().item() for _ in range(8)]
    for _ in range(3):  # an odd number: the checkpoint falls inside an epoch
        loss = stopped.advance()
    stopped.measure(loss)
    save_checkpoint(tmp_path / "a.safetensors", stopped.state())
    resumed.load_state(load_checkpoint(tmp_path / "a.safetensors"))
    assert [resumed.advance().item() for _ in range(5)] == losses[3:]
    assert torch.equal(resumed.generate(), whole.generate())
    assert torch.equal(resumed.average(), whole.average())
    assert torch.equal(resumed.history.average_pictures[3], stopped.history.average_pictures[3])


# Command line


def arguments(pictures: Path, out: Path, *more: str, steps: int = 7) -> list[str]:
    options = ["--image", str(pictures), "--resolution", "8", "--batch", "2", "--steps", str(steps)]
    return [*options, "--eval-every", "3", "--threads", "1", "--out", str(out), *more]


def start(*options: str) -> int:
    return exit_code(discriminator_testbed, *options)


def test_run_writes_what_the_generator_testbed_does_and_the_average(pictures: Path, tmp_path: Path) -> None:
    assert start(*arguments(pictures, tmp_path / "out", "--spectrum-discriminator")) == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == FILES | {"average.png"}
    rows = table(tmp_path / "out")
    bands = ["psnr", "e_low", "e_mid", "e_high", "e_corner"]
    columns = ["step", "seconds", "loss", *bands, "loss_d", "r1", *(f"average_{name}" for name in bands)]
    assert list(rows[0]) == columns
    assert [int(row["step"]) for row in rows] == [3, 6, 7]
    undefined = {name for row in rows for name, value in row.items() if not np.isfinite(float(value))}
    assert undefined == {"e_corner", "average_e_corner"}, "which have no bin at 8 pixels"
    spectra = np.load(tmp_path / "out" / "spectra.npz")
    shapes = {"step": (3,), "real": (6,), "fake": (3, 6), "average": (3, 6)}
    assert {name: spectra[name].shape for name in spectra} == shapes
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Discriminator testbed" in page
    assert "Generator testbed" not in page


def test_several_modes_are_compared(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert start(*arguments(pictures, tmp_path / "out", "--downsample", "stride", "blur", "--highpass", steps=2)) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["run", "stride", "blur"]
    page = (tmp_path / "out" / "report.html").read_text()
    assert "what differs is\n  the discriminator." in page


WRONG = {
    "unknown-mode": (["--downsample", "max"], "invalid choice"),
    "mode-and-model": (["--downsample", "avg", "--model", "mlp"], "not allowed"),
    "no-form": (["--model", "perceptron"], "must be of the form"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_line(case: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options, reason = WRONG[case]
    assert reason in refusal(capsys, discriminator_testbed, *arguments(pictures, tmp_path / "out", *options))
    assert not (tmp_path / "out").exists()


def test_run_of_the_other_testbed_is_not_resumed(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert generator_testbed.main(arguments(pictures, tmp_path, steps=1)) == 0
    told = refusal(capsys, discriminator_testbed, *arguments(pictures, tmp_path, "--resume"))
    assert "testbed 'generator', not 'discriminator'" in told
