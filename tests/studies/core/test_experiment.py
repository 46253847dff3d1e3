"""From the command line to a folder of results, on the generator testbed: what is written, refused and resumed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import cosine_bias
import discriminator_testbed
import gan_fixes
import generator_testbed
import numpy as np
import pytest
import torch
from finished_runs import FILES, PICTURES, assert_same_numbers, environment, exit_code, refusal, snapshot, table
from studies.testbeds.generator_run import GeneratorRun

from specops.report.pages import percent

SCRIPTS = (cosine_bias, discriminator_testbed, gan_fixes, generator_testbed)
COLUMNS = ["step", "seconds", "loss", "psnr", "e_low", "e_mid", "e_high", "e_corner"]


def arguments(pictures: Path, out: Path, *more: str, steps: int = 7) -> list[str]:
    """A run of a second; a repeated option wins over the earlier one."""
    small = ["--resolution", "8", "--batch", "2", "--eval-every", "3", "--threads", "1"]
    return ["--image", str(pictures), *small, "--steps", str(steps), "--out", str(out), *more]


def start(*options: str) -> int:
    return exit_code(generator_testbed, *options)


@pytest.fixture(scope="module")
def finished(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    assert start(*arguments(pictures, folder)) == 0
    return folder


# What a run writes


def test_run_writes_all_its_files(finished: Path) -> None:
    assert {path.name for path in finished.iterdir()} == FILES
    rows = table(finished)
    assert list(rows[0]) == COLUMNS
    assert [int(row["step"]) for row in rows] == [3, 6, 7]
    undefined = {name for row in rows for name, value in row.items() if not np.isfinite(float(value))}
    assert undefined == {"e_corner"}, "which has no bin at 8 pixels"
    seconds = [float(row["seconds"]) for row in rows]
    assert seconds == sorted(seconds)
    assert seconds[0] > 0
    spectra = np.load(finished / "spectra.npz")
    assert {name: spectra[name].shape for name in spectra} == {"step": (3,), "real": (6,), "fake": (3, 6)}
    config = json.loads((finished / "config.json").read_text())
    assert (config["upsample"], config["seed"], config["steps"], config["threads"]) == ("bilinear", 0, 7, 1)


def test_several_modes_are_compared(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert start(*arguments(pictures, tmp_path / "out", "--upsample", "zeros", "shuffle")) == 0
    out, err = capsys.readouterr()
    assert err == ""
    head, *rows = (re.split(r"  +", line) for line in out.splitlines())
    assert head == ["run", "PSNR / dB", "Low", "Mid", "High", "Corner", "Checkerboard"]
    assert [name for name, *_ in rows] == ["zeros", "shuffle"]
    for mode, (_, psnr, *errors, _) in zip(("zeros", "shuffle"), rows, strict=True):
        last = table(tmp_path / "out" / mode)[-1]
        assert float(psnr) == pytest.approx(float(last["psnr"]), abs=0.006)
        assert errors[:3] == [percent(float(last[column])) for column in COLUMNS[4:7]]
        assert errors[3:] == ["\N{EN DASH}"], "no corner at 8 pixels"
    page = (tmp_path / "out" / "report.html").read_text()
    assert "Bed of nails" in page
    assert "Pixel shuffle" in page
    shared = PICTURES - {"generated.png"} | {"report.html", "config.json", "zeros", "shuffle"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == shared
    alone = tmp_path / "alone"
    assert start(*arguments(pictures, alone, "--upsample", "shuffle")) == 0
    assert_same_numbers(tmp_path / "out" / "shuffle", alone)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.__name__)
def test_help_tells_the_options(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code(script, "--help") == 0
    out = capsys.readouterr().out
    options = "resolution steps eval-every batch seed device threads out resume overwrite"
    assert all(f"--{option}" in out for option in options.split())


# Wrong input

WRONG = {
    "empty-folder": (["--image", "{tmp}/empty"], "has no picture"),
    "missing": (["--image", "{tmp}/none.png"], "does not exist"),
    "broken": (["--image", "{tmp}/broken.png"], "broken.png"),
    "one-broken-of-many": (["--image", "{pictures}", "--image", "{tmp}/broken.png"], "broken.png"),
    "wrong-array": (["--image", "{tmp}/wide.npy"], "got [3, 8, 9]"),
    "image-and-data": (["--data", "photo"], "not both"),
    "unknown-data": (["--data", "lena"], "invalid choice"),
    "unknown-mode": (["--upsample", "cubic"], "invalid choice"),
    "mode-twice": (["--upsample", "zeros", "zeros"], "twice"),
    "unknown-padding": (["--padding", "circular"], "invalid choice"),
    "no-steps": (["--steps", "0"], "at least 1"),
    "no-eval-every": (["--eval-every", "0"], "at least 1"),
    "negative-batch": (["--batch", "-1"], "at least 1"),
    "no-threads": (["--threads", "0"], "at least 1"),
    "fraction": (["--steps", "1.5"], "must be an integer"),
    "negative-seed": (["--seed", "-1"], "must be in"),
    "resolution-48": (["--resolution", "48"], "power of two"),
    "resolution-4": (["--resolution", "4"], "power of two"),
    "resolution-2048": (["--resolution", "2048"], "power of two"),
    "unknown-device": (["--device", "abacus"], "abacus"),
    "device-without-values": (["--device", "meta"], "meta"),
    "resume-and-overwrite": (["--resume", "--overwrite"], "not allowed"),
    "unknown-option": (["--colour", "red"], "unrecognized"),
    "out-is-a-file": (["--out", "{tmp}/broken.png"], "is a file"),
    "out-below-a-file": (["--out", "{tmp}/broken.png/run"], "cannot be written"),
    "out-holds-other-files": (["--out", "{pictures}"], "not empty"),
    "resume-other-files": (["--out", "{pictures}", "--resume"], "no run to resume"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_line(case: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.png").write_bytes(b"no picture")
    np.save(tmp_path / "wide.npy", np.zeros((3, 8, 9)))
    options, reason = WRONG[case]
    more = [option.format(tmp=tmp_path, pictures=pictures) for option in options]
    before = sorted(tmp_path.rglob("*")) + sorted(pictures.rglob("*"))
    assert reason in refusal(capsys, generator_testbed, *arguments(pictures, tmp_path / "out", *more))
    assert sorted(tmp_path.rglob("*")) + sorted(pictures.rglob("*")) == before


def test_out_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--out" in refusal(capsys, generator_testbed, "--data", "photo")


def test_exit_code_and_line_of_the_real_process(tmp_path: Path) -> None:
    command = [sys.executable, str(generator_testbed.__file__), *arguments(tmp_path / "none.png", tmp_path / "out")]
    process = subprocess.run(command, capture_output=True, text=True, check=False, env=environment())
    assert process.returncode == 2
    assert process.stdout == ""
    assert process.stderr == f"generator_testbed.py: error: {tmp_path / 'none.png'} does not exist\n"


# Existing folders


def test_existing_run_is_refused_and_kept(finished: Path, pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = snapshot(finished)
    assert "--resume" in refusal(capsys, generator_testbed, *arguments(pictures, finished))
    assert snapshot(finished) == before


CONTRADICTIONS = {
    "seed": (["--seed", "1"], "seed 0, not 1"),
    "mode": (["--upsample", "zeros"], "upsample 'bilinear', not 'zeros'"),
    "several-modes": (["--upsample", "bilinear", "zeros"], "testbed 'generator', not"),
    "padding": (["--padding", "zeros"], "padding 'reflect', not 'zeros'"),
    "batch": (["--batch", "3"], "batch 2, not 3"),
    "eval-every": (["--eval-every", "2"], "eval_every 3, not 2"),
    "arithmetic": (["--arithmetic", "published"], "arithmetic 'fast', not 'published'"),
    "image": (["--image", "{pictures}/0.npy"], "its run has images"),
    "steps": (["--steps", "5"], "already reached step 7"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_resume_with_other_settings_is_refused(
    case: str, finished: Path, pictures: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options, reason = CONTRADICTIONS[case]
    before = snapshot(finished)
    more = [option.format(pictures=pictures) for option in options]
    assert reason in refusal(capsys, generator_testbed, *arguments(pictures, finished, "--resume", *more))
    assert snapshot(finished) == before


@pytest.mark.parametrize("name", ["config.json", "checkpoint.safetensors"])
def test_broken_run_is_told(name: str, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert start(*arguments(pictures, tmp_path, steps=1)) == 0
    (tmp_path / name).write_bytes(b"broken")
    assert name in refusal(capsys, generator_testbed, *arguments(pictures, tmp_path, "--resume", steps=1))


def test_overwrite_starts_anew_and_keeps_other_files(finished: Path, pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert start(*arguments(pictures, tmp_path, "--overwrite", "--seed", "1", steps=2)) == 0
    assert start(*arguments(pictures, tmp_path, "--overwrite")) == 0
    assert_same_numbers(tmp_path, finished)
    assert (tmp_path / "notes.txt").read_text() == "mine"


# Resuming


def test_resume_of_a_finished_run_changes_nothing(finished: Path, pictures: Path) -> None:
    before = snapshot(finished)
    assert start(*arguments(pictures, finished, "--resume")) == 0
    assert snapshot(finished) == before


@pytest.mark.parametrize("first", [3, 5], ids=["at-an-evaluation", "between-evaluations"])
def test_prolonged_run_equals_a_long_one(first: int, finished: Path, pictures: Path, tmp_path: Path) -> None:
    assert start(*arguments(pictures, tmp_path, steps=first)) == 0
    assert start(*arguments(pictures, tmp_path, "--resume")) == 0
    assert_same_numbers(tmp_path, finished)


def test_interrupt_tells_how_to_go_on(
    finished: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:

    advance = GeneratorRun.advance

    def interrupted(run: GeneratorRun) -> torch.Tensor:
        if run.step == 5:
            raise KeyboardInterrupt
        return advance(run)

    monkeypatch.setattr(GeneratorRun, "advance", interrupted)
    assert start(*arguments(pictures, tmp_path)) == 130
    assert "--resume" in capsys.readouterr().err
    monkeypatch.undo()
    assert start(*arguments(pictures, tmp_path, "--resume")) == 0
    assert_same_numbers(tmp_path, finished)
