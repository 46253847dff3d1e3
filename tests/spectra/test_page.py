"""The page of `specops spectrum`: what it says and shows, of few and many sets, under any name."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from browser import faults, needs_chromium

from specops.report.figures import ThemedFigure
from specops.spectra.loading import Chunk, Images
from specops.spectra.outcome import page as drawing
from specops.spectra.outcome.closeups import Closeup, Outlier, thumbnail
from specops.spectra.outcome.page import PLANE_SIDE, pooled, render
from specops.spectra.outcome.results import Results
from specops.spectra.pixels import Traits
from specops.spectra.sums import Measure, Sums, block_sums

ODD = ("_gen", "写真と生成画像", "$x^2$", "<script>alert(1)</script>&amp;", r"\udcff\udcfe", "a" * 120, "b c " * 30)


def sums_of(images: torch.Tensor, format: str = "PNG") -> Sums:
    numbers = list(range(len(images)))
    traits = {number: Traits(format, None, (16, 16)) for number in numbers}
    return block_sums(Measure((16, 16)), [Chunk({n: f"{n}.png" for n in numbers}, [Images(numbers, images)], traits)])


@functools.cache
def page_of(count: int, side: int = 16) -> str:
    """The page of sets whose high frequencies are weaker and weaker, under odd names first."""
    generator = torch.Generator().manual_seed(0)
    names = ["photos", *ODD, *(f"run {i}, lr=0.00{i}" for i in range(30))][:count]
    images = torch.randn(20, 3, side, side, generator=generator) / 4
    low = torch.nn.functional.avg_pool2d(images, 3, stride=1, padding=1)
    sets = [sums_of(torch.lerp(images, low, i / count), "PNG" if i < 2 else "JPEG") for i in range(count)]
    seen = [Closeup([Outlier("<b>.png", 3.0, thumbnail(images[0].numpy()))], {}) for _ in names]
    return render(Results.of(names, sets, Measure((side, side)), seen))


def test_page_says_first_what_was_found() -> None:
    page = page_of(2)
    heading = re.search(r"<h1>(.*?)</h1>", page, re.DOTALL)
    assert heading
    assert "too little power" in heading[1]
    assert "a linear classifier" in heading[1]
    assert "Chance: two halves of photos differ by" in page
    assert "16 \N{MULTIPLICATION SIGN} 16 pixels" in page
    assert not re.search(r"(?:src|href|srcset)=\"(?!data:)", page)
    assert "http" not in re.sub(r"data:[^\"]*|http://www.w3.org/2000/svg", "", page)
    assert page.count('download="') == 3


@pytest.fixture
def _undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures take most of a page's time."""
    monkeypatch.setattr(drawing, "themed", lambda *_, description: ThemedFigure("data:,", "data:,", description))


@pytest.mark.usefixtures("_undrawn")
def test_any_name_is_shown_as_text() -> None:
    page = page_of.__wrapped__(8)
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;" in page
    assert "&lt;b&gt;.png" in page
    for name in ODD[:3]:
        assert name in page
    assert "<strong>Mind:</strong> 写真と生成画像, $x^2$" in page


def test_a_single_set_and_black_images_have_a_page() -> None:
    for images in (torch.randn(20, 1, 16, 16).clamp(-1, 1), -torch.ones(3, 1, 16, 16)):
        page = render(Results.of(["only"], [sums_of(images)], Measure((16, 16)), [Closeup([], {})]))
        assert "The spectrum of only" in page
        assert "Told apart" not in page
        assert ">nan" not in page
    sets = [sums_of(-torch.ones(3, 1, 16, 16)), sums_of(torch.randn(3, 1, 16, 16))]
    render(Results.of(["black", "noise"], sets, Measure((16, 16)), [Closeup([], {})] * 2))


@pytest.mark.usefixtures("_undrawn")
def test_distances_of_levels_are_columns() -> None:
    sets = [sums_of(torch.randn(4, 1, 16, 16)) for _ in range(2)]
    seen = [Closeup([], {}), Closeup([], {"swd_16": 0.25, "swd": 0.25})]
    page = render(Results.of(["a", "b"], sets, Measure((16, 16)), seen))
    assert "<th>SWD 16</th><th>SWD</th>" in page
    assert page.count("<td>0.25</td>") == 2


def test_a_coefficient_that_stands_out_is_seen_in_a_small_plane() -> None:
    plane = np.zeros((4 * PLANE_SIDE, 3 * PLANE_SIDE))
    plane[5, 7], plane[9, 9] = 3.0, -2.0
    small = pooled(plane)
    assert max(small.shape) == PLANE_SIDE
    assert (small[1, 1], small[2, 2], np.abs(small).sum()) == (3.0, -2.0, 5.0)
    assert pooled(small) is small


@needs_chromium
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [390, pytest.param(1280, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "count", [2, pytest.param(8, marks=pytest.mark.slow), pytest.param(30, marks=pytest.mark.slow)]
)
def test_page_in_a_browser(count: int, width: int, dark: bool, tmp_path: Path) -> None:
    assert faults(page_of(count), tmp_path, width=width, dark=dark) == set()
