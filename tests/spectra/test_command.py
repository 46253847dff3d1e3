"""`python -m specops spectrum`: numbers, files, exit codes and manners."""

from __future__ import annotations

import csv
import json
import os
import signal
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import spectrum, started, write_noise

import specops
from specops.report import files
from specops.spectra import command, progress
from specops.spectra.loading import without_interruption
from specops.spectra.pixels import read_picture
from specops.spectra.sources import printable, set_names

SHIM = Path(__file__).with_name("shim_device.py")


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """White noise, and the same at half its contrast."""
    root = tmp_path_factory.mktemp("sets")
    return [write_noise(root / name, gain) for name, gain in (("full", 1.0), ("half", 0.5))]


@pytest.fixture(autouse=True)
def _no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages have tests of their own."""
    monkeypatch.setattr(command, "render", lambda results: "page")


def summary(out: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((out / "summary.json").read_text())
    return found


def test_sets_are_compared(sets: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert spectrum(*sets, "--out", tmp_path / "out") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[1][:2] == ["full", "24"]
    assert lines[2][:2] == ["half", "24"]
    assert [float(error) for error in lines[2][2:6]] == pytest.approx([-0.75] * 4, abs=0.01)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(command.FILES)
    found = summary(tmp_path / "out")
    assert found["sentences"][0].startswith(
        "half has 75 % too little power at all frequencies; a linear classifier tells"
    )
    full, half = found["sets"]
    assert half["accuracy"] == 1
    assert half["images_needed"] == 16
    assert full["files"] == {"formats": "PNG", "sizes": "32 x 32"}


@pytest.mark.parametrize("options", [(), ("--window", "hann"), ("--convention", "durall2020"), ("--size", 16)], ids=str)
def test_numbers_are_radial_spectra(options: tuple[object, ...], sets: list[Path], tmp_path: Path) -> None:
    assert spectrum(sets[0], "--out", tmp_path / "out", *options) == 0
    images = np.stack([read_picture(path, (-1, 1)).values for path in sorted(sets[0].iterdir())])
    given = {name.removeprefix("--"): value for name, value in zip(options[::2], options[1::2], strict=True)}
    if given.pop("size", None):
        images = images[..., 8:24, 8:24]
    profiles = specops.radial_spectrum(torch.from_numpy(images), **given).mean(1).numpy() / images[0, 0].size
    with np.load(tmp_path / "out" / "spectra.npz") as numbers:
        np.testing.assert_allclose(numbers["mean"][0], profiles.mean(0), rtol=1e-5)
        np.testing.assert_allclose(np.log(numbers["spread"][0]), np.log(profiles).std(0), rtol=1e-3)
        assert (numbers["low"] <= numbers["mean"]).all()
        assert (numbers["mean"] <= numbers["high"]).all()
        plain = options == () or "--convention" in options
        expected = np.log(np.abs(np.fft.rfft2(images.astype(np.float64))) ** 2 / images[0, 0].size)
        if plain:  # grey of three channels is their mean power
            power = (np.abs(np.fft.rfft2(images.astype(np.float64))) ** 2).mean(1) / images[0, 0].size
            np.testing.assert_allclose(numbers["log_plane"][0], np.log(power).mean(0), atol=1e-4)
        assert numbers["log_plane"].shape == (1, *expected.shape[2:])
    rows = list(csv.DictReader((tmp_path / "out" / "spectra.csv").read_text().splitlines()))
    assert [float(row["mean"]) for row in rows] == pytest.approx(list(profiles.mean(0)), rel=1e-5)


def test_broken_files_are_skipped_listed_and_told(
    sets: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_noise(tmp_path / "set")
    (folder / "broken.png").write_bytes(b"no picture")
    with open(os.fsencode(folder) + b"/\xff.png", "wb") as stream:
        stream.write(b"")
    assert spectrum(folder, "--out", tmp_path / "out") == 3
    assert "2 pictures were skipped" in capsys.readouterr().out
    rows = list(csv.DictReader((tmp_path / "out" / "skipped.csv").read_text().splitlines()))
    assert {row["picture"] for row in rows} == {"broken.png", r"\udcff.png"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"suffix": "jpg", "quality": 95}, "file formats differ from those of full (JPEG against PNG)"),
        ({"side": 40}, "original sizes differ from those of full (40 x 40 against 32 x 32)"),
    ],
    ids=["format", "size"],
)
def test_what_changes_spectra_by_itself_is_said(
    change: dict[str, object], said: str, sets: list[Path], tmp_path: Path
) -> None:
    other = write_noise(tmp_path / "other", **change)
    assert spectrum(sets[0], other, "--size", 32, "--out", tmp_path / "out") == 0
    assert said in summary(tmp_path / "out")["warnings"][0]


def test_qualities_of_jpeg_that_differ_are_said(tmp_path: Path) -> None:
    made = [write_noise(tmp_path / str(q), suffix="jpg", quality=q) for q in (95, 80)]
    assert spectrum(*made, "--out", tmp_path / "out") == 0
    assert (
        "JPEG quality differs from that of 95 (80 against 95 in the median)" in summary(tmp_path / "out")["warnings"][0]
    )


WRONG = {
    "missing": (["{tmp}/none"], "does not exist"),
    "empty": (["{tmp}"], "no picture can be read"),
    "too-small": (["{full}", "--size", "4"], "at least 8"),
    "size": (["{full}", "--size", "x"], "invalid int"),
    "both": (["{full}", "--size", "16", "--resize", "16"], "exclude each other"),
    "workers": (["{full}", "--workers", "-1"], "at least 0"),
    "limit": (["{full}", "--limit", "0"], "at least 1"),
    "names": (["{full}", "--name", "a", "--name", "b"], "for each of the 1 sets"),
    "same-names": (["{full}", "{full}", "--name", "a", "--name", "a"], "must differ"),
    "range": (["{full}", "--range", "1", "0"], "LOW < HIGH"),
    "device": (["{full}", "--device", "nowhere"], "--device nowhere cannot be used"),
    "out": (["{full}", "--out", "{full}/000.png"], "is a file"),
    "read-only": (["{full}", "--out", "/proc/out"], "cannot be made"),
    "no-source": ([], "SET"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_line(
    case: str, sets: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options, reason = WRONG[case]
    (tmp_path / "empty").mkdir()
    arguments = [
        option.format(tmp=tmp_path / "empty" if case == "empty" else tmp_path, full=sets[0]) for option in options
    ]
    assert spectrum("--out", tmp_path / "out", *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert reason in err
    assert not (tmp_path / "out").exists()


def test_mixed_sizes_are_refused_with_what_there_is(
    sets: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = write_noise(tmp_path / "other", n=3, side=40)
    assert spectrum(sets[0], other, "--out", tmp_path / "out") == 2
    assert "2 sizes: 24 of 32 x 32, 3 of 40 x 40. Give --size N" in capsys.readouterr().err
    assert spectrum(sets[0], other, "--resize", 16, "--out", tmp_path / "out") == 0


def test_what_is_there_is_neither_replaced_nor_mixed(
    sets: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert spectrum(sets[0], "--out", out) == 0
    for option in ((), ("--resume",)):
        assert spectrum(sets[0], "--out", out, *option) == 2
        assert "--overwrite" in capsys.readouterr().err
    (out / command.STATE).write_bytes(b"no state")
    assert spectrum(sets[0], "--out", out) == 2
    assert "give --resume to go on" in capsys.readouterr().err
    assert spectrum(sets[0], "--out", out, "--resume") == 2
    assert "is not the state of a run" in capsys.readouterr().err
    assert spectrum(sets[0], "--out", out, "--overwrite") == 0
    assert not (out / command.STATE).exists()


def test_a_set_that_has_changed_is_not_gone_on_with(
    sets: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = write_noise(tmp_path / "set"), tmp_path / "out"

    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(command, "render", interrupt)
        assert spectrum(folder, "--out", out) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "specops spectrum: error: interrupted; give --resume to go on"
    (folder / "000.png").rename(folder / "new.png")
    assert spectrum(folder, "--out", out, "--resume") == 2
    assert "are not those of the run" in capsys.readouterr().err
    (folder / "new.png").rename(folder / "000.png")
    assert spectrum(folder, "--out", out, "--resume") == 0


@pytest.mark.parametrize("calls", [1, 2, 4], ids=["first state", "second state", "page"])
def test_a_full_disk_is_one_line_and_can_be_gone_on_from(
    calls: int, sets: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left, real = [calls], os.fsync

    def full(descriptor: int) -> None:
        left[0] -= 1
        if left[0] < 1:
            raise OSError(28, "No space left on device")
        real(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(files.os, "fsync", full)
        assert spectrum(sets[0], "--out", tmp_path / "out") == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last == f"specops spectrum: error: {tmp_path / 'out'}: No space left on device; give --resume to go on"
    assert spectrum(sets[0], "--out", tmp_path / "out", "--resume") == 0


def test_interrupted_readers_and_full_devices(sets: list[Path], tmp_path: Path) -> None:
    """A reader that has gone is no failure; a device for the table that is full is one, though the files are there."""
    read, write = os.pipe()
    os.close(read)
    gone = started(sets[0], "--out", tmp_path / "a", stdout=write)
    with open("/dev/full", "w") as stream:
        full = started(sets[0], "--out", tmp_path / "b", stdout=stream)
    told = [process.communicate()[1].splitlines() for process in (gone, full)]
    os.close(write)
    assert (gone.returncode, full.returncode) == (0, 1)
    assert not [line for line in told[0] if "rror" in line]
    assert told[1][-1] == "specops spectrum: error: stdout: No space left on device"
    assert len([line for line in told[1] if "rror" in line]) == 1


@pytest.mark.slow
def test_interrupted_by_the_keyboard(tmp_path: Path) -> None:
    """All processes get the signal, as those of a terminal do; the run goes on to the result of one in one piece."""
    images = np.random.default_rng(0).integers(0, 256, (4000, 128, 128), dtype=np.uint8)
    np.save(tmp_path / "set.npy", images)
    run = started(tmp_path / "set.npy", "--out", tmp_path / "out", start_new_session=True)
    while not (tmp_path / "out" / command.STATE).exists():
        time.sleep(0.01)
    os.killpg(run.pid, signal.SIGINT)
    told = run.communicate()[1].splitlines()
    assert run.returncode == 130, told
    assert told[-1].endswith("interrupted; give --resume to go on")
    assert "Traceback" not in "".join(told)
    for out, options in (("out", ("--resume",)), ("whole", ())):
        again = started(tmp_path / "set.npy", "--out", tmp_path / out, *options)
        again.communicate()
        assert again.returncode == 0
    numbers = [(tmp_path / out / "spectra.csv").read_bytes() for out in ("out", "whole")]
    assert numbers[0] == numbers[1]


def test_without_a_terminal_progress_is_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.01)
    with progress.progress("photos", 100) as tell:
        for done in range(10, 101, 10):
            time.sleep(0.02)
            tell(done)
    err = capsys.readouterr().err
    assert "\r" not in err
    lines = err.splitlines()
    assert len(lines) >= 5
    assert all(line.startswith("photos: ") and "of 100 images, " in line and line.endswith(" left") for line in lines)


@pytest.mark.parametrize("module", ["PIL", "matplotlib", "jinja2", "tqdm"])
def test_missing_package_is_told(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    for name in [name for name in sys.modules if name.startswith(("specops.spectra.", "specops.report"))]:
        monkeypatch.delitem(sys.modules, name)
    assert spectrum(tmp_path, "--out", tmp_path / "out") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{module} is not installed; pip install 'specops[examples,metrics]'" in line


def test_missing_package_of_the_end_is_told_at_the_beginning(
    sets: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None if name == "torchmetrics" else find_spec(name))
    assert spectrum(sets[0], "--swd", "--out", tmp_path / "out") == 2
    assert "torchmetrics is not installed" in capsys.readouterr().err


def test_any_device_gives_the_sums_of_the_cpu(sets: list[Path], tmp_path: Path) -> None:
    """On one whose tensors hold tensors of the CPU; all pixels move there, as bytes."""
    shim = started(sets[0], "--device", "shim", "--workers", 0, "--out", tmp_path / "shim", script=str(SHIM))
    told = shim.communicate()[0].splitlines()
    assert shim.returncode == 0
    assert int(told[-1].split()[1]) >= 24 * 3 * 32 * 32
    assert spectrum(sets[0], "--out", tmp_path / "cpu") == 0
    with np.load(tmp_path / "shim" / "spectra.npz") as ours, np.load(tmp_path / "cpu" / "spectra.npz") as theirs:
        for name in ("mean", "spread", "log_plane"):
            np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-4, atol=1e-5)


def test_names_of_sets() -> None:
    assert set_names([Path("/a/x"), Path("/b/y")]) == ["x", "y"]
    assert set_names([Path("/a/x"), Path("/b/x")]) == ["/a/x", "/b/x"]
    assert set_names([Path("/a/x"), Path("/a/x")]) == ["/a/x", "/a/x (2)"]
    assert printable("a\x1b[31m\n\udcff写") == r"a\x1b[31m\n\udcff写"


def test_what_takes_no_time_is_not_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert list(progress.told("comparison", [1, 2])) == [1, 2]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(progress, "SECONDS_UNTOLD", 0.0)
    assert list(progress.told("comparison", [1, 2])) == [1, 2]
    assert "comparison: 2 of 2 sets" in capsys.readouterr().err


def test_a_signal_waits_for_what_must_not_be_interrupted() -> None:
    done = []

    def undisturbed() -> None:
        with without_interruption():
            signal.raise_signal(signal.SIGINT)
            done.append("all of it")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # it may be ignored, as in a background job
    try:
        with pytest.raises(KeyboardInterrupt):
            undisturbed()
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert done
