"""Comparing runs, and how the pages look in a browser."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import generator_testbed
import numpy as np
import pytest
from browser import faults, needs_chromium
from finished_runs import PICTURES, refusal
from PIL import Image
from studies import commands
from studies.core.record.results import RunResult, load_result, mean_and_deviation
from studies.core.report import figures
from studies.cosines.run import CosineRun
from studies.gans.run import GanRun
from studies.testbeds.figures import animation_webp, psnr

from specops.report.figures import svg

DRAWN = True


def run(out: Path, *more: str) -> Path:
    options = ["--data", "photo", "--resolution", "16", "--steps", "12", "--eval-every", "3", "--threads", "1"]
    assert generator_testbed.main([*options, "--out", str(out), *more]) == 0
    return out


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Bed of nails with two seeds, and bilinear."""
    folder = tmp_path_factory.mktemp("runs")
    options = {"a": ["zeros", "--seed", "0"], "b": ["zeros", "--seed", "1"], "c": ["bilinear", "--seed", "0"]}
    return [run(folder / name, "--upsample", *more) for name, more in options.items()]


@pytest.fixture(scope="module")
def page(runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("comparison")
    assert commands.main(["compare", *map(str, runs), "--out", str(out)]) == 0
    return (out / "report.html").read_text()


def test_figures_are_of_their_formats(runs: list[Path]) -> None:
    starts = {".png": b"\x89PNG", ".svg": b"<?xml", ".webp": b"RIFF"}
    for name in PICTURES:
        assert (runs[0] / name).read_bytes().startswith(starts[Path(name).suffix]), name


def test_comparison_names_what_differs_and_groups_seeds(page: str, runs: list[Path]) -> None:
    assert "differ in upsample, seed." in page
    assert all(title in page for title in ("zeros, seed 0", "zeros, seed 1", "bilinear, seed 0"))
    assert page.count("mean ± std of") == 1
    mean, deviation = mean_and_deviation([load_result(folder).psnr for folder in runs[:2]])
    assert f"zeros, mean ± std of 2</th>\n          <td></td>\n          <td>{mean:.2f} ± {deviation:.2f}" in page


def test_result_from_its_folder_is_that_of_the_run(runs: list[Path], tmp_path: Path) -> None:
    loaded = load_result(runs[0], title="Bed of nails (zeros)")
    again = figures.picture_png(loaded.real_pictures)
    assert again == (runs[0] / "target.png").read_bytes()
    assert svg(psnr([dataclasses.replace(loaded, color=2)])) == (runs[0] / "psnr.svg").read_bytes()


WRONG = {
    "missing": (["{tmp}/none"], "is not the folder of a run"),
    "no-run": (["{tmp}"], "holds no config.json"),
    "several-runs": (["{tmp}/several"], "give their folders"),
    "gan": (["{run}", "{tmp}/gan"], "gan is not the run of a testbed (generator or discriminator)"),
    "cosines": (["{tmp}/cosines"], "cosines is not the run of a testbed (generator or discriminator)"),
    "unnamed": (["{tmp}/unnamed"], "unnamed is not the run of a testbed (generator or discriminator)"),
    "unfinished": (["{tmp}/unfinished"], "cannot be read"),
    "out-is-a-run": (["{run}", "--out", "{run}"], "is one of the runs"),
    "out-below-a-file": (["{run}", "--out", "{run}/psnr.png/x"], "cannot be written"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_line(
    case: str, runs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "several").mkdir()
    (tmp_path / "several" / "config.json").write_text('{"testbed": "generator comparison", "runs": []}')
    for name, testbed in {"gan": GanRun.testbed, "cosines": CosineRun.testbed, "unnamed": None}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps({"testbed": testbed, "resolution": 16}))
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "config.json").write_bytes((runs[0] / "config.json").read_bytes())
    options, reason = WRONG[case]
    arguments = ["--out", str(tmp_path / "out"), *(text.format(tmp=tmp_path, run=runs[0]) for text in options)]
    assert reason in refusal(capsys, commands, "compare", *arguments)


def test_band_is_the_spread_of_the_logarithm() -> None:
    values = np.exp(np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0]]))
    mean, low, high = figures.log_band(values)
    deviation = np.std([0, 2, 4])
    np.testing.assert_allclose(np.log([mean, low, high]), [[2, 1], [2 - deviation, 1], [2 + deviation, 1]], atol=1e-12)


def test_band_has_gaps_where_a_density_vanishes() -> None:
    mean, low, high = figures.log_band(np.array([[0.0, 1.0], [1.0, 1.0]]))
    assert [np.isnan(line).tolist() for line in (mean, low, high)] == [[True, False]] * 3


def test_settled_spectra_are_the_last_fifth(runs: list[Path]) -> None:
    result: RunResult = load_result(runs[0])
    assert np.array_equal(figures.settled_spectra(result), result.history.spectra_array()[-1:])


def test_animation_has_a_frame_per_kept_step(runs: list[Path]) -> None:
    results = [load_result(folder) for folder in runs[1:]]
    with Image.open(io.BytesIO(animation_webp(results))) as animation:
        assert animation.n_frames == len(results[0].history.pictures)
        animation.seek(animation.n_frames - 1)
        last = np.asarray(animation.convert("RGB"))
    enlarged = results[1].history.pictures[12][0].permute(1, 2, 0).numpy().repeat(16, 0).repeat(16, 1)
    assert np.array_equal(last[28 : 28 + 256, 12 + 2 * 268 :][:, :256], enlarged)


# The page in a browser


@needs_chromium
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_comparison_in_a_browser(page: str, tmp_path: Path, width: int, dark: bool) -> None:
    assert faults(page, tmp_path, width=width, dark=dark) == set()


@needs_chromium
def test_report_of_one_run_in_a_browser(runs: list[Path], tmp_path: Path) -> None:
    assert faults((runs[0] / "report.html").read_text(), tmp_path, width=390, dark=False) == set()


FAULTS = {
    "console": "<script>console.error('broken')</script><p>text</p>",
    "overflow": "<div style='width: 500px'>wide</div>",
    "broken picture": "<img src='data:image/png;base64,AAAA' alt='broken'><p>text</p>",
    "picture without description": "<img src='data:image/gif;base64,R0lGODlhAQABAAAAACw='><p>text</p>",
    "low contrast": "<p style='color: #bbb'>pale</p>",
    "small type": "<p style='font-size: 9px'>tiny</p>",
}


@needs_chromium
@pytest.mark.parametrize("fault", FAULTS)
def test_browser_sees_a_fault(fault: str, tmp_path: Path) -> None:
    page = f"<!doctype html><html><body style='background: #fff'>{FAULTS[fault]}</body></html>"
    assert fault in faults(page, tmp_path, width=390, dark=False)
