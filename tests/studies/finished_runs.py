"""Folders of finished runs: their tables, and whether two hold the same numbers."""

from __future__ import annotations

import csv
import html
import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

import generator_testbed
import numpy as np
import pytest
import safetensors.numpy
from studies.core.report.pages import figure_files
from studies.testbeds.report import FIGURES

PICTURES = {"target.png", "generated.png", "evolution.webp", *figure_files(FIGURES)}
RESULTS = {"metrics.csv", "spectra.npz", "config.json", "report.html", "checkpoint.safetensors"}
FILES = PICTURES | RESULTS
"""What a run of the generator testbed writes."""


def exit_code(script: ModuleType, *arguments: object) -> int:
    """That of an example script, run in this process."""
    try:
        return script.main(list(map(str, arguments)))
    except SystemExit as stop:
        return int(stop.code or 0)


def refusal(capsys: pytest.CaptureFixture[str], script: ModuleType, *arguments: object) -> str:
    """The one line with which a script refuses its arguments."""
    capsys.readouterr()
    assert exit_code(script, *arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    return err


def snapshot(folder: Path) -> dict[str, bytes]:
    """The files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def table(folder: Path) -> list[dict[str, str]]:
    """The rows of metrics.csv."""
    with open(folder / "metrics.csv", newline="") as file:
        return list(csv.DictReader(file))


def table_of(page: str, title: str) -> tuple[list[str], list[list[str]]]:
    """Head and rows of the table below a title of a page."""
    rows = page.partition(f"<h2>{title}</h2>")[2].partition("</table>")[0].split("</tr>")
    cells = (re.findall(r"<t[hd](?: [^>]*)?>(.*?)</t[hd]>", row) for row in rows)
    head, *found = ([html.unescape(cell) for cell in row] for row in cells if row)
    return head, found


def assert_same_numbers(folder: Path, expected: Path, *, pictures: Iterable[str] = PICTURES) -> None:
    """All results but the seconds agree to the bit."""
    rows, wanted = table(folder), table(expected)
    assert [{**row, "seconds": ""} for row in rows] == [{**row, "seconds": ""} for row in wanted]
    spectra, wanted_spectra = np.load(folder / "spectra.npz"), np.load(expected / "spectra.npz")
    assert all(np.array_equal(spectra[name], wanted_spectra[name]) for name in ("step", "real", "fake"))
    tensors, wanted_tensors = (
        safetensors.numpy.load_file(path / "checkpoint.safetensors") for path in (folder, expected)
    )
    assert tensors.keys() == wanted_tensors.keys()
    timed = {"progress/seconds", "history/rows"}
    assert all(np.array_equal(tensors[name], wanted_tensors[name]) for name in tensors.keys() - timed)
    for name in pictures:
        assert (folder / name).read_bytes() == (expected / name).read_bytes(), name


def environment() -> dict[str, str]:
    """That of a process that imports what this one can."""
    scripts = str(Path(generator_testbed.__file__).parent)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([scripts, *filter(None, sys.path)])}
