"""Comparing runs, and how the pages look in a browser."""

from __future__ import annotations

import dataclasses
import io
import json
import re
from pathlib import Path

import generator_testbed
import numpy as np
import pytest
from browser import faults, needs_chromium
from finished_runs import PICTURES, refusal, table_of
from PIL import Image
from studies import commands
from studies.commands import compare
from studies.core.record.folder import shown, told
from studies.core.record.results import RunResult, load_result, mean_and_deviation
from studies.core.report import figures
from studies.gans.run import GanRun
from studies.testbeds.figures import animation_webp, psnr
from studies.testbeds.summary import format_table

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
    options = {
        "zeros-0": ["zeros", "--seed", "0"], "zeros-1": ["zeros", "--seed", "1"],
        "_bil $x$": ["bilinear", "--seed", "0"],
    }  # fmt: skip
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


def test_comparison_names_runs_and_groups_seeds(page: str, runs: list[Path]) -> None:
    """By their folders; a table has the settings in which they differ, and no title a list of them."""
    head, rows = table_of(page, "In what the runs differ")
    assert head == ["Run", "upsample", "seed"]
    assert rows == [["zeros-0", "zeros", "0"], ["zeros-1", "zeros", "1"], ["_bil $x$", "bilinear", "0"]]
    assert "zeros, seed 0" not in page
    group = [load_result(folder) for folder in runs[:2]]
    mean, deviation = mean_and_deviation([result.psnr for result in group])
    assert f"zeros, mean ± std of 2</th>\n          <td></td>\n          <td>{mean:.2f} ± {deviation:.2f}" in page


def test_page_and_terminal_have_the_same_numbers(page: str, runs: list[Path]) -> None:
    head, rows = table_of(page, "Final numbers")
    titles = ["zeros-0", "zeros-1", "_bil $x$"]
    lines = format_table([load_result(folder, title=title) for folder, title in zip(runs, titles, strict=True)])
    printed = [re.split(r"  +", line) for line in lines.splitlines()]
    assert [name for name in head if name != "Step"] == ["Run", *printed[0][1:]]
    for row, line in zip(rows, printed[1:], strict=False):
        del row[1]
        assert [cell.replace(" or more", "") for cell in row] == line


def test_groups_are_called_by_what_their_names_begin_with() -> None:
    titles, seeds = ["hfc-seed0", "hfc-seed1", "none-seed0", "x"], ["0", "1", "0", "0"]
    differing = {"fix": ["hfc", "hfc", "none", "hff"], "seed": seeds, "device": ["cpu", "cuda", "cpu", "cpu"]}
    assert compare.groups_of(titles, differing) == ["hfc", "hfc", "none-seed0", "x"]
    assert compare.groups_of(["a", "b"], {"seed": ["0", "1"]}) == ["a and 1 more"] * 2


def test_network_without_the_testbeds_layers_is_not_called_by_them() -> None:
    own = {"testbed": "discriminator", "downsample": "avg", "padding": "zeros", "model": None}
    mlp = own | {"model": "mlp"}
    assert "downsample" in shown(own)
    assert {"downsample", "padding"}.isdisjoint(shown(mlp))
    assert compare.differing_settings([told(own), told(mlp)])["downsample"] == ["avg", ""]


def test_curves_on_top_of_each_other_are_told_apart_and_legends_hide_nothing() -> None:
    """For as many runs as there are colours, and more: no two lines look alike, all are named, none is below a name."""
    names = ["_hidden", "$x_1$", *(f"run {number}" for number in range(10))]
    drawn = [figures.Curve(name, [0, 1], np.ones(2), place, len(names)) for place, name in enumerate(names)]
    figure = figures.curves(drawn)
    (axes,) = figure.axes
    looks = [(line.get_color(), str(line._unscaled_dash_pattern)) for line in axes.lines]
    assert len(set(looks)) == len(names)
    assert len({style for _, style in looks[:4]}) == 4
    assert [text.get_text() for text in axes.get_legend().get_texts()] == names
    figure.draw_without_rendering()
    legend, panel = axes.get_legend().get_window_extent(), axes.get_window_extent()
    assert legend.y1 < axes.xaxis.label.get_window_extent().y0 < panel.y0
    assert figure.bbox.y0 <= legend.y0
    assert figure.bbox.x0 <= legend.x0 < legend.x1 <= figure.bbox.x1


def test_result_from_its_folder_is_that_of_the_run(runs: list[Path], tmp_path: Path) -> None:
    loaded = load_result(runs[0], title="Bed of nails (zeros)")
    again = figures.picture_png(loaded.real_pictures)
    assert again == (runs[0] / "target.png").read_bytes()
    assert svg(psnr([dataclasses.replace(loaded, color=2)])) == (runs[0] / "psnr.svg").read_bytes()


WRONG = {
    "missing": (["{tmp}/none"], "is not the folder of a run"),
    "no-run": (["{tmp}"], "holds no config.json"),
    "several-runs": (["{tmp}/several"], "give their folders"),
    "of-two-kinds": (["{run}", "{tmp}/gan"], "these are of gan and generator"),
    "unnamed": (["{tmp}/unnamed"], "is not the run of an example script (generator, discriminator, gan, cosines)"),
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
    for name, testbed in {"gan": GanRun.testbed, "unnamed": None}.items():
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
