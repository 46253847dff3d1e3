"""`python -m specops spectrum`: the numbers, the page, and wrong input."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from browser import faults, needs_chromium
from PIL import Image

import specops
from specops import cli
from specops.spectra.page import render
from specops.spectra.sources import centre_square, set_names
from specops.spectra.statistics import ImageSpectra, band_errors, density, relative_error


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """White noise, and the same at half its contrast; sides from 32 to 40 pixels."""
    root = tmp_path_factory.mktemp("sets")
    random = np.random.default_rng(0)
    for name in ("full", "half"):
        (root / name).mkdir()
    for number in range(4):
        noise = random.uniform(-100, 100, (32 + 2 * number, 36, 3))
        for name, gain in (("full", 1.0), ("half", 0.5)):
            Image.fromarray((127.5 + gain * noise).astype(np.uint8)).save(root / name / f"{number}.png")
    return [root / "full", root / "half"]


def spectrum(*arguments: object) -> int:
    try:
        return cli.main(["spectrum", *map(str, arguments)])
    except SystemExit as stop:
        return int(stop.code or 0)


def test_page_compares_the_sets(folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert spectrum(*folders, "--out", tmp_path / "page.html") == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["set", "images", "low", "mid", "high", "corner"]
    assert lines[1] == ["full", "4", *["+0.000"] * 4]
    assert lines[2][:2] == ["half", "4"]
    assert [float(error) for error in lines[2][2:]] == pytest.approx([-0.75] * 4, abs=0.01)
    page = (tmp_path / "page.html").read_text()
    assert "32 \N{MULTIPLICATION SIGN} 32 pixels" in page
    assert "\N{MINUS SIGN}75" in page or "-75" in page
    assert not re.search(r"(?:src|href|srcset)=\"(?!data:)", page)
    assert "http" not in page
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_profile_is_the_radial_spectrum_of_the_centre_square(folders: list[Path]) -> None:
    path = folders[0] / "1.png"  # 34 × 36 pixels
    pixels = torch.from_numpy(np.array(Image.open(path), dtype=np.float64)).permute(2, 0, 1)[:, 9:25, 10:26] / 127.5 - 1
    expected = specops.radial_spectrum(pixels).mean(0)
    np.testing.assert_allclose(density(centre_square(path, 16)), expected, rtol=1e-12)


def test_single_picture_and_size(folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert spectrum(folders[0] / "3.png", "--size", 16, "--out", tmp_path / "page.html") == 0
    assert "3.png       1" in capsys.readouterr().out
    assert "16 \N{MULTIPLICATION SIGN} 16 pixels" in (tmp_path / "page.html").read_text()


def test_equal_names_are_told_apart_and_escaped(folders: list[Path]) -> None:
    assert set_names([Path("a/x"), Path("b/x")]) == ["a/x", "b/x"]
    page = render([ImageSpectra("<script>", np.ones((1, 12)))], 16)
    assert "<script>" not in page


def test_band_without_frequencies_has_a_dash(
    folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert spectrum(*folders, "--size", 8, "--out", tmp_path / "page.html") == 0
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == ["corner", "-", "-"]
    page = (tmp_path / "page.html").read_text()
    assert page.count("<td>\N{EN DASH}</td>") == 2
    assert "nan" not in page.replace("data:", "").split("<table>")[1].split("</table>")[0]


def test_empty_spectra_still_draw() -> None:
    black = ImageSpectra("black", np.zeros((2, 12)))
    flat = ImageSpectra("flat", np.ones((2, 12)))
    render([black, flat], 16)
    assert set(band_errors(relative_error(flat.mean, black.mean), 16).values()) == {1.0}


WRONG = {
    "missing": (["{tmp}/none"], "does not exist"),
    "empty": (["{tmp}"], "holds no picture"),
    "broken": (["{tmp}/text.pgm"], "no picture that Pillow can read"),
    "cut": (["{tmp}/cut/cut.png"], "cannot be read"),
    "too-large": (["{full}", "--size", "33"], "at least 33 are needed"),
    "too-small": (["{full}", "--size", "-1"], "at least 8 are needed"),
    "size": (["{full}", "--size", "x"], "invalid int"),
    "out": (["{full}", "--out", "{tmp}/none/page.html"], "cannot be written"),
    "no-source": ([], "DIR_OR_IMAGE"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_line(
    case: str, folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "sources"
    (source / "cut").mkdir(parents=True)
    whole = (folders[0] / "0.png").read_bytes()
    (source / "cut" / "cut.png").write_bytes(whole[: len(whole) // 2])
    options, reason = WRONG[case]
    (source / "text.pgm").write_bytes(b"" if case == "empty" else b"no picture")
    if case == "empty":
        (source / "text.pgm").unlink()
    arguments = [option.format(tmp=source, full=folders[0]) for option in options]
    assert spectrum("--out", tmp_path / "page.html", *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert reason in err
    assert not (tmp_path / "page.html").exists()


@pytest.mark.parametrize("module", ["PIL", "matplotlib", "jinja2"])
def test_missing_package_is_told(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    for name in [name for name in sys.modules if name.startswith(("specops.spectra", "specops.report"))]:
        monkeypatch.delitem(sys.modules, name)
    assert spectrum(tmp_path, "--out", tmp_path / "page.html") == 2
    err = capsys.readouterr().err
    assert f"{module} is not installed; pip install 'specops[examples]'" in err
    assert len(err.splitlines()) == 1


@needs_chromium
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_page_in_a_browser(folders: list[Path], tmp_path: Path, dark: bool) -> None:
    assert spectrum(*folders, "--out", tmp_path / "page.html") == 0
    assert faults((tmp_path / "page.html").read_text(), tmp_path, width=390, dark=dark) == set()
