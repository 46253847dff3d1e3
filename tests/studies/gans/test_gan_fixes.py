"""gan_fixes.py from the command line: outputs, wrong input, kill -9, losses that are not finite, several processes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import gan_fixes
import numpy as np
import pytest
import torch
from finished_runs import RESULTS, assert_same_numbers, exit_code, refusal, table
from PIL import Image
from studies.core import experiment
from studies.core.data.sources import Source, open_source
from studies.gans import report, study
from studies.gans.cost import trial_seconds
from studies.gans.run import GanRun, GanSettings

BANDS = ["e_low", "e_mid", "e_high", "e_corner"]
MEASURES = [*BANDS, "leakage", "detectability", "cloaking", "swd_32", "swd_16", "swd"]
FILES = {"target.png", "generated.png", *RESULTS, *report.FILES}


def arguments(out: Path, *more: str, steps: int = 5, decay_steps: int | None = 8) -> list[str]:
    """A run of seconds; a repeated option wins over the earlier one."""
    options = {
        "--width": 16, "--batch": 4, "--discriminator-steps": 2, "--steps": steps, "--eval-every": 2,
        "--eval-images": 8, "--ema": 0.9, "--lr": 1e-3, "--threads": 1,
    }  # fmt: skip
    if decay_steps is not None:
        options["--decay-steps"] = decay_steps
    return [str(part) for pair in options.items() for part in pair] + ["--out", str(out), *more]


def start(*options: str) -> int:
    return exit_code(gan_fixes, *options)


@pytest.fixture(scope="module")
def source() -> Source:
    return open_source("photo-crops", 32, flip=True)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted run of HFC and SSD."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    assert start(*arguments(folder, "--fix", "hfc", "--fix", "ssd", "--tensorboard")) == 0
    return folder


# What a run writes


def test_run_writes_all_its_files(finished: Path) -> None:
    assert {path.name for path in finished.iterdir()} == FILES | {"tensorboard"}
    rows = table(finished)
    assert list(rows[0]) == ["step", "seconds", "loss_d", "loss_g", *MEASURES]
    assert [int(row["step"]) for row in rows] == [2, 4, 5]
    assert all(np.isfinite(float(value)) for row in rows for value in row.values())
    spectra = np.load(finished / "spectra.npz")
    assert {name: spectra[name].shape for name in spectra} == {"step": (3,), "real": (23,), "fake": (3, 23)}
    config = json.loads((finished / "config.json").read_text())
    assert (config["arch"], config["fix"], config["radius"], config["seed"]) == ("sngan", ["hfc", "ssd"], 20.0, 0)
    page = (finished / "report.html").read_text()
    assert "sngan, hfc+ssd" in page
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_tensorboard_has_every_evaluation_once(finished: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(finished / "tensorboard")).Reload()
    assert set(events.Tags()["scalars"]) == {"loss_d", "loss_g", *MEASURES}
    logged = [(event.step, event.value) for event in events.Scalars("e_high")]
    assert logged == [(int(row["step"]), pytest.approx(float(row["e_high"]), rel=1e-6)) for row in table(finished)]
    assert [event.step for event in events.Images("samples")] == [2, 4, 5]


@pytest.mark.parametrize(
    "more",
    [
        ["--arch", "ssgan", "--amp"],
        ["--arch", "infomax", "--loss", "non-saturating"],
        ["--resolution", "64", "--fix", "fsg", "--shift-images", "--data", "toyset"],
        ["--workers", "1", "--fix", "spectral-regularization+focal-frequency"],
    ],
    ids=lambda more: "-".join(part.strip("-") for part in more),
)
def test_other_ways_to_train(more: list[str], tmp_path: Path) -> None:
    assert start(*arguments(tmp_path / "out", *more, steps=2)) == 0
    (row,) = table(tmp_path / "out")
    assert all(np.isfinite(float(value)) for value in row.values())
    assert (float(row.get("loss_d_self", 0)) > 0) == ("--arch" in more)
    assert (float(row.get("penalty", 0)) > 0) == ("--workers" in more)


def test_run_on_another_toyset_is_not_resumed(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One that recorded no recipe; on photographs there is none to record."""
    shutil.copytree(finished, tmp_path / "run")
    path = tmp_path / "run" / "config.json"
    config = json.loads(path.read_text())
    del config["toyset_recipe"]
    options = arguments(tmp_path / "run", "--fix", "hfc", "--fix", "ssd", "--resume")
    path.write_text(json.dumps(config | {"data": "toyset"}))
    told = refusal(capsys, gan_fixes, *options, "--data", "toyset")
    assert "its run has no toyset_recipe, which is 2 now;" in told
    path.write_text(json.dumps(config))
    assert start(*options) == 0


def test_shifted_images_are_shifted_back(source: Source) -> None:
    """The generator learns images times (-1)^(m+n); its samples are measured as they would be without."""
    settings = GanSettings(fix=("fsg",), shift_images=True, width=16, batch=4, eval_images=8)
    run = GanRun(settings, source, torch.device("cpu"))
    signs = 1 - 2 * ((torch.arange(32)[:, None] + torch.arange(32)) % 2).float()
    assert torch.equal(run._carrier, signs)
    plain = GanRun(GanSettings(width=16, batch=4, eval_images=8), source, torch.device("cpu"))
    torch.testing.assert_close(run.generate(4), plain.generate(4), rtol=0, atol=1e-6)


def test_average_is_exponential(source: Source) -> None:
    run = GanRun(GanSettings(width=16, batch=4, eval_images=8, ema=0.75, lr=1e-2), source, torch.device("cpu"))
    assert run.average is not None
    expected = run.generator.colours.weight.detach().clone()
    for _ in range(2):
        run.advance()
        expected = 0.75 * expected + 0.25 * run.generator.colours.weight.detach()
    torch.testing.assert_close(run.average.colours.weight, expected)
    assert torch.equal(run.average.norm.running_mean, run.generator.norm.running_mean)


def test_rate_falls_to_zero_on_a_line(source: Source) -> None:
    settings = GanSettings(width=16, batch=4, eval_images=8, lr=1e-2, steps=4, decay_steps=4)
    run = GanRun(settings, source, torch.device("cpu"))
    rates = []
    for _ in range(4):
        run.advance()
        rates += [group["lr"] for optimizer in run._optimizers.values() for group in optimizer.param_groups]
    assert rates == pytest.approx([1e-2, 1e-2, 7.5e-3, 7.5e-3, 5e-3, 5e-3, 2.5e-3, 2.5e-3])


def test_amp_computes_networks_in_bfloat16_and_losses_in_float32(source: Source) -> None:
    kinds: dict[str, set[torch.dtype]] = {"judged": set(), "conv": set()}
    settings = GanSettings(width=16, batch=4, eval_images=8, amp=True, fix=("ssd",))
    run = GanRun(settings, source, torch.device("cpu"))
    run.generator.colours.register_forward_hook(lambda module, given, made: kinds["conv"].add(made.dtype))
    run.fixes.fixes[0].layer.register_forward_hook(lambda module, given, made: kinds["judged"].add(made.dtype))
    run.advance()
    assert kinds == {"judged": {torch.float32}, "conv": {torch.bfloat16}}
    plain = GanRun(GanSettings(width=16, batch=4, eval_images=8, amp=True), source, torch.device("cpu"))
    plain.advance()
    assert {part.dtype for part in (*run.parts.values(), *plain.parts.values())} == {torch.float32}
    assert all(weight.dtype == torch.float32 for weight in run.generator.parameters())


def test_run_of_days_is_warned_of_before_it_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With how long it takes, and the options that make it shorter."""
    monkeypatch.setattr(study, "trial_seconds", lambda settings, source: 50.0)
    monkeypatch.setattr(study.GanStudy, "training", lambda *_: SimpleNamespace(settings=GanSettings(), step=0))
    monkeypatch.setattr(experiment, "train", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    assert start("--out", str(tmp_path / "run")) == 130
    warning = capsys.readouterr().err.splitlines()[0]
    assert warning == (
        "warning: 100,000 steps take about 58 days on this CPU, 50 s each. Shorter on a CPU: --width 32 (256 now), "
        "--batch 16 (64 now), --discriminator-steps 1 (5 now), --steps 2000 (100,000 now); or --device cuda on a GPU"
    )


def test_trial_changes_no_number_and_run_of_seconds_is_not_warned_of(
    tmp_path: Path, finished: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study, "_TRIED_FROM", 0)
    seconds = []
    monkeypatch.setattr(study, "trial_seconds", lambda *given: seconds.append(trial_seconds(*given)) or seconds[0])
    assert start(*arguments(tmp_path / "run", "--fix", "hfc", "--fix", "ssd")) == 0
    assert_same_numbers(tmp_path / "run", finished, pictures={"generated.png", "target.png"})
    assert 0 < seconds[0] < 60
    assert "warning" not in capsys.readouterr().err


# Wrong input

WRONG = {
    "unknown-fix": (["--fix", "hfx"], "--fix must be of"),
    "contradiction": (["--fix", "hff+hfc"], "cannot be combined"),
    "no-folder": (["--data", "{tmp}/none"], "does not exist"),
    "width": (["--width", "20"], "multiple of 16"),
    "batch-of-one": (["--batch", "1"], "batch norm"),
    "quarters": (["--arch", "ssgan", "--batch", "6"], "multiple of 4"),
    "shift-images": (["--shift-images"], "goes with --fix fsg"),
    "shift": (["--fix", "fsg", "--shift", "0.25,0", "--shift-images"], "multiples of ½"),
    "no-shift": (["--fix", "fsg", "--shift", "1"], "FX,FY"),
    "radius": (["--radius", "0"], "above 0"),
    "ema": (["--ema", "1"], "must be in [0, 1)"),
    "features": (["--features", "torch.nn:Nothing"], "--features torch.nn:Nothing must name a subclass"),
    "weights": (["--features-weights", "x.pt"], "goes with --features"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_input_is_told_in_one_line(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    more, told = WRONG[name]
    options = arguments(tmp_path / "out", *[part.format(tmp=tmp_path) for part in more])
    assert told in refusal(capsys, gan_fixes, *options)
    assert not (tmp_path / "out").exists()


# Interruptions


def test_resumed_with_more_steps_is_as_never_stopped(finished: Path, tmp_path: Path) -> None:
    options = ("--fix", "hfc", "--fix", "ssd")
    assert start(*arguments(tmp_path / "run", *options, steps=3)) == 0
    assert start(*arguments(tmp_path / "run", *options, "--resume")) == 0
    assert_same_numbers(tmp_path / "run", finished, pictures={"generated.png", "target.png"})


def test_resume_keeps_the_decay_that_the_run_began_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --decay-steps more steps do not change it; asked for, another one is refused."""
    monkeypatch.setattr("studies.gans.study.write_report", lambda folder, result, config: None)
    assert start(*arguments(tmp_path / "run", steps=2, decay_steps=None)) == 0
    assert start(*arguments(tmp_path / "run", "--resume", steps=4, decay_steps=None)) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["steps"], config["decay_steps"]) == (4, 2)
    assert [row["step"] for row in table(tmp_path / "run")] == ["2", "4"]
    assert start(*arguments(tmp_path / "run", "--resume", steps=4, decay_steps=4)) == 2


def test_folder_with_broken_pictures_is_trained_on_and_must_not_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is skipped is told once and listed, before the first step and later."""
    faces, out = tmp_path / "faces", tmp_path / "out"
    faces.mkdir()
    for number in range(18):
        Image.fromarray(np.full((32, 32, 3), number, np.uint8)).save(faces / f"{number:02}.png")
    (faces / "none.png").write_text("text")
    Image.new("RGB", (32, 32)).save(faces / "04-cut.bmp")
    (faces / "04-cut.bmp").write_bytes((faces / "04-cut.bmp").read_bytes()[:-100])
    options = arguments(out, "--data", str(faces))
    assert start(*options) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "skipped" in line]
    assert [line.partition(", see")[0] for line in told] == ["1 picture is skipped"] * 2
    listed = (out / "skipped.csv").read_text().splitlines()
    assert listed[0] == "picture,reason"
    assert [line.partition(",")[0] for line in listed[1:]] == ["none.png", "04-cut.bmp"]
    assert start(*options, "--resume", "--steps", "6") == 0
    assert "skipped" not in capsys.readouterr().err
    Image.new("RGB", (32, 32)).save(faces / "new.png")
    told = refusal(capsys, gan_fixes, *options, "--resume")
    assert "its run has pictures: count 19, not 20, newest" in told
    assert "put the images back as they were, or start anew with --overwrite" in told


def test_resume_refuses_other_settings(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = refusal(capsys, gan_fixes, *arguments(finished, "--fix", "hfc", "--resume"))
    assert "its run has fix ['hfc', 'ssd'], not ['hfc']" in told
