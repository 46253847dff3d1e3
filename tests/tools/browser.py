"""Pages in headless Chromium, as wide as a phone or a desktop, light and dark: what it measures, logs and draws."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--enable-logging=stderr",
)  # fmt: skip

# A window cannot be as narrow as a phone, a frame can. A srcdoc frame may be measured by the page around it.
_HARNESS = """<!doctype html><meta charset="utf-8">
<style>body {{ margin: 0 }} iframe {{ border: 0; display: block }}</style>
<iframe width="{width}" height="{height}" srcdoc="{page}"></iframe><pre id="measured"></pre>
<script>{script}</script>"""

_SCRIPT = """
const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
const luminance = (color) => {
  const [r, g, b] = color.slice(0, 3).map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
addEventListener("load", () => {
  const page = document.querySelector("iframe").contentDocument, view = page.defaultView;
  const behind = (element) => {  // the colours of all ancestors, one over the other
    const layers = [];
    for (let at = element; at; at = at.parentElement) layers.unshift(rgb(view.getComputedStyle(at).backgroundColor));
    const over = (below, [r, g, b, a = 1]) => [r, g, b].map((v, i) => a * v + (1 - a) * below[i]);
    return layers.reduce(over, [255, 255, 255]);
  };
  const texts = [...page.body.querySelectorAll("*")].filter((element) =>
    element.tagName != "STYLE" && [...element.childNodes].some((node) => node.nodeType == 3 && node.data.trim()));
  const contrast = (element) => {
    const [a, b] = [rgb(view.getComputedStyle(element).color), behind(element)].map(luminance).sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  };
  document.getElementById("measured").textContent = JSON.stringify({
    overflow: page.documentElement.scrollWidth - page.documentElement.clientWidth,
    height: page.documentElement.scrollHeight,
    images: page.images.length,
    broken: [...page.images].filter((image) => image.loading != "lazy" && !image.naturalWidth).map(({ alt }) => alt),
    nameless: [...page.images].filter((image) => !image.alt).length,
    smallest: Math.min(...texts.map((element) => parseFloat(view.getComputedStyle(element).fontSize))),
    contrast: Math.min(...texts.map(contrast)),
    dark: luminance(rgb(view.getComputedStyle(page.body).backgroundColor)) < 0.1,
  });
});
"""


@dataclass(frozen=True)
class Rendering:
    """`measured` in the page, lines of its `console`, and the `screenshot` file of its first `height` pixels."""

    measured: dict[str, Any]
    console: list[str]
    screenshot: Path


def render(page: str, folder: Path, *, width: int, dark: bool, height: int = 2400) -> Rendering:
    """Open the HTML text `page` in a frame of `width` pixels; files go to `folder`."""
    harness = folder / f"harness-{width}-{dark}.html"
    escaped = html.escape(page)
    harness.write_text(_HARNESS.format(width=width, height=height, page=escaped, script=_SCRIPT), encoding="utf-8")
    screenshot = folder / f"{width}-{'dark' if dark else 'light'}.png"
    scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
    common = [CHROMIUM, *_FLAGS, f"--user-data-dir={folder / f'profile-{width}-{dark}'}", scheme]
    common += [f"--window-size={max(width, 500)},{height}"]
    drawn = _run([*common, f"--screenshot={screenshot}", harness.as_uri()])
    dumped = _run([*common, "--dump-dom", harness.as_uri()])
    found = re.search(r'<pre id="measured">(.+?)</pre>', dumped.stdout)
    assert found, f"the page was not measured: {dumped.stderr}"
    console = [line for line in (drawn.stderr + dumped.stderr).splitlines() if "CONSOLE" in line]
    return Rendering(json.loads(html.unescape(found[1])), console, screenshot)


def _run(command: list[Any]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def faults(page: str, folder: Path, *, width: int, dark: bool) -> set[str]:
    """What is wrong with the page as shown: nothing may be wider than it, broken, hard to read or in the console."""
    shown = render(page, folder, width=width, dark=dark)
    measured = shown.measured
    with Image.open(shown.screenshot) as screenshot:
        pixels = np.asarray(screenshot.convert("L"), dtype=np.float64)[:, :width]
    found = {
        "console": bool(shown.console),
        "overflow": measured["overflow"] > 0,
        "broken picture": bool(measured["broken"]),
        "picture without description": measured["nameless"] > 0,
        "small type": measured["smallest"] < 12,
        "low contrast": measured["contrast"] < 4.5,
        "wrong scheme": measured["dark"] != dark or (np.median(pixels) < 60) != dark,
        "empty": pixels.std() < 1,
    }
    return {name for name, wrong in found.items() if wrong}


needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium (apt-get install chromium)")
