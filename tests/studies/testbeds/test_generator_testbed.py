"""The parts of the testbeds: network, measures, history, reading, report and files."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from studies.core import files
from studies.core.data.images import ImageSet
from studies.core.errors import InputError
from studies.core.evaluation import (
    BANDS,
    Evaluation,
    band_errors,
    band_masks,
    checkerboard_error,
    evaluate,
    reduced_spectrum,
)
from studies.core.record.checkpoints import load_checkpoint, save_checkpoint
from studies.core.record.history import COLUMNS, History
from studies.core.record.results import RunResult, format_table
from studies.core.report import plots
from studies.core.report.reading import clamped_percent, judge, learned_at, percent, read_comparison, read_run
from studies.testbeds.generator_run import GeneratorRun, GeneratorSettings
from studies.testbeds.networks.arithmetic import UPSAMPLINGS
from studies.testbeds.networks.generator import PADDINGS, ProgressiveGenerator
from studies.testbeds.networks.gradients import pixel_norm
from studies.testbeds.report import data_url, render, write_report


def network(resolution: int, upsampling: str, padding: str = "reflect", seed: int = 0) -> ProgressiveGenerator:
    generator = torch.Generator().manual_seed(seed)
    return ProgressiveGenerator(resolution, upsampling=upsampling, padding=padding, generator=generator)


def natural_images(n: int, side: int) -> torch.Tensor:
    """Random images [n, 3, side, side] whose spectrum falls like that of photos, in [-1, 1]."""
    noise = torch.randn(n, 3, side, side, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    spectrum = torch.fft.rfft2(noise)
    radius = torch.hypot(torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side)[None]) * side
    images = torch.fft.irfft2(spectrum / (1 + radius), s=(side, side))
    return (images / images.abs().max()).float()


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


# Measures


@pytest.mark.parametrize("resolution", [8, 16, 64, 256])
def test_bands_share_all_bins_but_dc_and_checkerboard(resolution: int) -> None:
    masks = band_masks(resolution)
    covered = np.sum([masks[band] for band in BANDS], axis=0)
    alone = resolution > 8  # at 8² the last bin also holds (3, 4), whose radius is 5 as well
    assert covered.tolist() == [0] + [1] * (len(covered) - 1 - alone) + [0] * alone
    assert all(masks[band].any() for band in BANDS)


def test_bands_at_64() -> None:
    bounds = {band: (np.flatnonzero(mask)[0], np.flatnonzero(mask)[-1]) for band, mask in band_masks(64).items()}
    assert bounds == {"low": (1, 10), "mid": (11, 21), "high": (22, 32), "corner": (33, 44)}


def test_perfect_images_have_no_error() -> None:
    real = natural_images(2, 16)
    perfect = evaluate(real.clone(), real)
    assert perfect.psnr == float("inf")
    assert set(perfect.errors.values()) == {0.0}


@pytest.mark.parametrize(("gain", "error"), [(0.5, -0.75), (1.2, 0.44), (3.0, 1.0), (0.0, -1.0)])
def test_gain_squared_shows_in_every_band(gain: float, error: float) -> None:
    real = natural_images(2, 32)
    errors = evaluate(gain * real, real).errors
    assert errors == pytest.approx(dict.fromkeys(BANDS, error), abs=1e-4)
    spectra = reduced_spectrum(gain * real), reduced_spectrum(real)
    assert checkerboard_error(*spectra) == pytest.approx(gain**2 - 1, abs=1e-4)


def test_checkerboard_is_outside_the_bands() -> None:
    real = natural_images(1, 32).double()
    sign = 1 - 2 * ((torch.arange(32)[:, None] + torch.arange(32)) % 2)
    spectra = reduced_spectrum(real + 0.1 * sign), reduced_spectrum(real)
    assert checkerboard_error(*spectra) > 10
    assert band_errors(spectra[0] / spectra[1] - 1, resolution=32) == pytest.approx(dict.fromkeys(BANDS, 0), abs=1e-9)


def test_empty_spectra_are_no_error_and_excess_is_full() -> None:
    flat = torch.zeros(1, 3, 16, 16)
    assert set(evaluate(flat, flat).errors.values()) == {0.0}
    assert set(evaluate(natural_images(1, 16), flat).errors.values()) == {1.0}


@pytest.mark.parametrize("levels", [1, 10])
def test_psnr_of_a_constant_difference(levels: int) -> None:
    real = (torch.arange(3 * 64).reshape(1, 3, 8, 8) % 200 + 0.5) / 127.5 - 1
    assert evaluate(real + levels / 127.5, real).psnr == pytest.approx(20 * np.log10(255 / levels), abs=1e-9)


# History and checkpoints


def evaluation(value: float, bins: int = 12) -> Evaluation:
    return Evaluation(psnr=20 + value, spectrum=np.full(bins, value), errors=dict.fromkeys(BANDS, value / 10))


def filled(steps: list[int]) -> History:
    history = History()
    for step in steps:
        history.append(
            step, step / 7, 1 / step, evaluation(1 / step), torch.full((1, 3, 2, 2), step, dtype=torch.uint8)
        )
    return history


def test_history_keeps_few_pictures_and_the_last() -> None:
    kept = filled([10 * number for number in range(1, 24)]).pictures
    assert [step // 10 for step in kept] == [1, 2, 3, 4, 6, 8, 12, 16, 23]
    assert all(int(picture[0, 0, 0, 0]) == step for step, picture in kept.items())


def test_longer_runs_keep_the_same_early_pictures() -> None:
    irregular = filled([3, 6, 9, 12, 15, 16])
    irregular.drop_irregular(3)
    regular = filled([3, 6, 9, 12, 15])
    assert irregular.metrics_csv() == regular.metrics_csv()
    for history in (irregular, regular):
        history.append(18, 18 / 7, 1 / 18, evaluation(1 / 18), torch.zeros(1, 3, 2, 2, dtype=torch.uint8))
    assert list(irregular.pictures) == list(regular.pictures) == [3, 6, 9, 12, 18]


def test_pictures_of_an_average_are_thinned_and_kept_as_the_others() -> None:
    """In a history that stopped off the grid and went on through tensors, as in one that never stopped."""

    def append(history: History, steps: list[int]) -> None:
        for step in steps:
            raw, average = (torch.full((1, 3, 2, 2), value, dtype=torch.uint8) for value in (step, 100 + step))
            history.append(step, 1.0, 0.1, evaluation(step), raw, average=(evaluation(-step), average))

    whole, stopped = History(), History()
    append(whole, list(range(3, 25, 3)))
    append(stopped, [3, 6, 9, 12, 15, 16])
    resumed = History.from_tensors(stopped.tensors())
    resumed.drop_irregular(3)
    append(resumed, [18, 21, 24])
    for history in (whole, resumed):
        assert list(history.average_pictures) == list(history.pictures) == [3, 6, 9, 12, 18, 24]
        assert all(int(picture[0, 0, 0, 0]) == 100 + step for step, picture in history.average_pictures.items())
    assert resumed.tensors().keys() == whole.tensors().keys()
    assert all(torch.equal(resumed.tensors()[name], tensor) for name, tensor in whole.tensors().items())
    assert np.array_equal(resumed.averages, whole.averages)


def test_history_survives_tensors_and_csv_exactly() -> None:
    history = filled([1, 2, 3])
    again = History.from_tensors(history.tensors())
    assert again.rows == history.rows
    assert np.array_equal(again.spectra_array(), history.spectra_array())
    assert again.metrics_csv() == history.metrics_csv()
    table = list(csv.DictReader(io.StringIO(history.metrics_csv().decode())))
    assert tuple(table[0]) == COLUMNS == ("step", "seconds", "loss", "psnr", "e_low", "e_mid", "e_high", "e_corner")
    assert [float(row["loss"]) for row in table] == [1 / step for step in (1, 2, 3)]


def run(seed: int = 0, upsample: str = "zeros") -> GeneratorRun:
    torch.set_num_threads(1)
    pixels = natural_images(3, 8)
    settings = GeneratorSettings(upsample, resolution=8, batch=2, seed=seed)
    return GeneratorRun(settings, ImageSet(("a", "b", "c"), pixels), torch.device("cpu"))


def test_run_goes_on_from_a_checkpoint_to_the_bit(tmp_path: Path) -> None:
    whole, stopped, resumed = run(), run(), run()
    losses = [whole.advance().item() for _ in range(8)]
    for _ in range(3):  # an odd number: the checkpoint falls inside an epoch
        loss = stopped.advance()
    stopped.measure(loss)
    save_checkpoint(tmp_path / "a.safetensors", stopped.state())
    resumed.load_state(load_checkpoint(tmp_path / "a.safetensors"))
    assert [resumed.advance().item() for _ in range(5)] == losses[3:]


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


def test_broken_checkpoint_is_told(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(b"broken")
    with pytest.raises(InputError, match="cannot be read"):
        load_checkpoint(path)


def test_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    files.write_atomically(path, b"old")

    def fail(descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        files.write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    monkeypatch.undo()
    files.write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


# Reading and report


def result(mode: str, high: float, checkerboard: float, psnr: float = 25.0) -> RunResult:
    """Result at 16² whose last evaluation has the given numbers; the high band is learned in the second if at all."""
    history = History()
    real = np.linspace(100.0, 1.0, 12)
    for step, error in ((10, 1.0), (20, high), (30, high)):
        fake = real * np.append(np.full(11, 1 + high), 1 + checkerboard)
        errors = {"low": 0.0, "mid": -0.2, "high": error, "corner": 1.0}
        history.append(step, 1.0, 0.1, Evaluation(psnr, fake, errors), torch.zeros(1, 3, 16, 16, dtype=torch.uint8))
    return RunResult(mode, mode.upper(), 16, real, torch.zeros(1, 3, 16, 16, dtype=torch.uint8), history)


def test_reading_follows_the_numbers() -> None:
    weak, strong = result("weak", -0.9, -0.9, psnr=30), result("strong", 0.05, 40.0)
    comparison = " ".join(read_comparison([weak, strong]))
    assert "WEAK has the highest PSNR, 30.0 dB" in comparison
    assert "WEAK is lowest (\N{MINUS SIGN}90 %) and STRONG is nearest to the real image (+5 %)" in comparison
    assert "STRONG has the strongest checkerboard: 41 times" in comparison
    assert "high almost missing" in " ".join(read_run(weak))
    assert "no checkerboard" in " ".join(read_run(weak))
    assert "peaks at 41 times" in " ".join(read_run(strong))
    assert read_comparison([weak]) == []
    assert "checkerboard:" not in " ".join(read_comparison([weak, weak]))


def test_learning_step_is_the_first_that_lasts() -> None:
    learning = result("a", -0.3, 0.0)
    assert learned_at(learning, "low") == 10
    assert learned_at(learning, "high") == 20
    assert learned_at(learning, "corner") is None


def test_percent_and_words() -> None:
    assert [percent(value) for value in (-0.914, 0.0, 0.05, 251)] == ["\N{MINUS SIGN}91 %", "±0 %", "+5 %", "+25,100 %"]
    assert clamped_percent(1.0) == "+100 % or more"
    assert [percent(float(value)) for value in ("inf", "nan")] == ["+∞ %", "no finite error"]
    assert judge(float("nan")) == "without a value"
    assert [judge(value) for value in (-1, -0.2, 0, 0.2, 1)] == [
        "almost missing", "slightly weak", "about right", "slightly strong", "much too strong",
    ]  # fmt: skip


def test_table_is_aligned_and_holds_the_checkerboard() -> None:
    lines = format_table([result("zeros", 0.2, 40.0), result("bilinear", -0.9, -0.99)]).splitlines()
    assert lines[0].split() == ["mode", "PSNR", "e_low", "e_mid", "e_high", "e_corner", "checkerboard"]
    assert lines[1].split() == ["zeros", "25.00", "+0.000", "-0.200", "+0.200", "+1.000", "+40"]
    assert len({len(line) for line in lines}) == 1


def test_report_is_one_escaped_file() -> None:
    page = render([result("a<b", 0.2, 3.0), result("c", -0.9, 0.0)], {"images": "<script>x</script>.png"}, b"")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "A&lt;B" in page
    assert not re.search(r"(?:src|href|srcset)=\"(?!data:)", page)
    assert "http" not in page
    assert (
        page.count("<img") == 2 * (len({10, 20, 30}) + 1) + 1 + 2 + 1 + 2 + 1
    )  # strips, animation, spectra, ratio, errors, PSNR


def test_animation_is_encoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For its file and for the page."""
    encoded = [b"an animation"]
    monkeypatch.setattr(plots, "animation_webp", lambda results: encoded.pop())
    write_report(tmp_path, [result("zeros", 0.2, 3.0)], {})
    assert (tmp_path / "evolution.webp").read_bytes() == b"an animation"
    assert data_url(b"an animation", "webp") in (tmp_path / "report.html").read_text()
    assert not (tmp_path / "average.png").exists()


def test_report_of_extreme_numbers() -> None:
    """Equal images (infinite PSNR) and empty spectra still draw."""
    extreme = result("a", -1.0, -1.0, psnr=float("inf"))
    assert "inf" in render([extreme], {}, b"")
