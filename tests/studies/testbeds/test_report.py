"""Tables, sentences and pages of the testbeds."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from small_discriminators import run
from studies.core.data.images import to_8bit
from studies.core.evaluation import evaluate
from studies.core.record.history import History
from studies.core.record.results import RunResult
from studies.core.report.figures import spectrum
from studies.core.report.reading import judge
from studies.testbeds import report
from studies.testbeds.figures import tiles
from studies.testbeds.reading import learned_at, read_comparison, read_run
from studies.testbeds.summary import format_table

from specops.report.figures import data_url


def page_of(folder: Path, results: list[RunResult], config: dict[str, object]) -> str:
    report.write_report(folder, results, config)
    return (folder / "report.html").read_text()


def result(mode: str, high: float, checkerboard: float, psnr: float = 25.0, corner: float = 1.0) -> RunResult:
    """Result at 16² whose last evaluation has the given numbers; the high band is learned in the second if at all."""
    history = History()
    real = np.linspace(100.0, 1.0, 12)
    for step, error in ((10, 1.0), (20, high), (30, high)):
        fake = real * np.append(np.full(11, 1 + high), 1 + checkerboard)
        row = {"step": step, "psnr": psnr, "e_low": 0.0, "e_mid": -0.2, "e_high": error, "e_corner": corner}
        history.add(row, fake, torch.zeros(1, 3, 16, 16, dtype=torch.uint8))
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


def test_errors_in_words() -> None:
    assert [judge(value) for value in (-1, -0.2, 0, 0.2, 1)] == [
        "almost missing", "slightly weak", "about right", "slightly strong", "much too strong",
    ]  # fmt: skip


def test_table_is_aligned_and_holds_the_checkerboard() -> None:
    lines = format_table([result("zeros", 0.2, 40.0), result("bilinear", -0.9, -0.99)]).splitlines()
    assert lines[0].split() == [
        *("run", "PSNR", "/", "dB", "Low", "Mid", "High", "Corner", "Checkerboard"),
    ]
    assert lines[1].replace(" %", "%").split() == [
        "ZEROS",
        "25.00",
        "±0%",
        "\N{MINUS SIGN}20%",
        "+20%",
        "+100%",
        "+4,000%",
    ]
    assert len({len(line) for line in lines}) == 1


def test_report_is_one_escaped_file(tmp_path: Path) -> None:
    page = page_of(tmp_path, [result("a<b", 0.2, 3.0), result("c", -0.9, 0.0)], {"images": "<script>x</script>.png"})
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
    monkeypatch.setattr(report, "animation_webp", lambda results: encoded.pop())
    report.write_report(tmp_path, [result("zeros", 0.2, 3.0)], {})
    assert (tmp_path / "evolution.webp").read_bytes() == b"an animation"
    assert data_url(b"an animation", "webp") in (tmp_path / "report.html").read_text()
    assert not (tmp_path / "average.png").exists()


def test_report_of_extreme_numbers(tmp_path: Path) -> None:
    """Equal images (infinite PSNR) and empty spectra still draw."""
    extreme = result("a", -1.0, -1.0, psnr=float("inf"))
    assert "inf" in page_of(tmp_path, [extreme], {})


def test_band_without_frequencies_is_absent(tmp_path: Path) -> None:
    """A dash in the tables, of a run and of a group, and no word in the sentences."""
    empty = result("a", 0.2, 0.0, corner=float("nan"))
    page = page_of(tmp_path, [empty, empty], {})
    assert page.count("<td>\N{EN DASH}</td>") == 3
    assert "corner" not in " ".join(read_run(empty))
    assert format_table([empty]).split()[-3] == "\N{EN DASH}"


def test_average_is_drawn_beside_the_raw_pixels(tmp_path: Path) -> None:
    """Its own pictures, spectrum and PSNR."""
    drawn = run()
    drawn.measure(drawn.advance())
    drawn._average = drawn._real / 2  # else like the raw pixels, so early
    drawn.measure(drawn.advance())
    shown = drawn.result(title="Average")
    assert torch.equal(shown.average_pictures, to_8bit(drawn.average()))
    assert list(tiles(shown)) == ["target", "step 1", "step 2", "moving average"]
    evaluated = evaluate(drawn.average(), drawn._real)
    lines = {line.get_label(): line for line in spectrum([shown]).axes[0].get_lines()}
    np.testing.assert_array_equal(lines["moving average"].get_ydata(), evaluated.spectrum[1:])
    assert lines["moving average"].get_color() == lines["generated"].get_color()
    assert lines["moving average"].get_linestyle() == "--"
    assert lines["generated"].get_linestyle() == "-"
    head, row = (re.split(r"  +", line) for line in format_table([shown]).splitlines())
    assert row[head.index("PSNR of average / dB")] == f"{evaluated.psnr:.2f}"
    page = page_of(tmp_path, [shown, shown], {})
    assert page.count(f"<td>{evaluated.psnr:.2f}</td>") == 2
    assert f"<td>{evaluated.psnr:.2f} ± 0.00</td>" in page
    assert page.count(f"its moving average at {evaluated.psnr:.1f} dB") == 2
    assert page.count('alt="Average, moving average"') == 2
