"""Comparing the runs of gan_fixes.py and those of cosine_bias.py."""

from __future__ import annotations

import re
from pathlib import Path
from types import ModuleType

import cosine_bias
import gan_fixes
import pytest
from finished_runs import exit_code, table_of
from studies import commands

KINDS = {
    "gans": (gan_fixes, "--width 16 --batch 2 --discriminator-steps 1 --eval-images 16", "--fix", ("none", "hfc")),
    "waves": (cosine_bias, "--resolution 32 --width 4 --batch 2", "--frequencies", ("3,3", "5,5")),
}
"""Script, options, and what differs between two runs."""


@pytest.mark.parametrize("kind", KINDS)
def test_two_runs_on_one_page(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Called by their folders, with what differs in a table; the page and the terminal have the same numbers."""
    script, options, differing, values = KINDS[kind]
    folders = [run(script, tmp_path / "runs" / value, *options.split(), differing, value) for value in values]
    capsys.readouterr()
    assert commands.main(["compare", *map(str, folders), "--out", str(tmp_path / "out")]) == 0
    printed = [re.split(r"  +", line) for line in capsys.readouterr().out.splitlines()]
    page = (tmp_path / "out" / "report.html").read_text()
    head, rows = table_of(page, "Final numbers")
    assert [name for name in head if name != "Step"] == ["Run", *printed[0][1:]]
    assert [[cell.replace(" or more", "") for cell in (row[0], *row[2:])] for row in rows] == printed[1:]
    assert [row[0] for row in rows] == list(values)
    head, rows = table_of(page, "In what the runs differ")
    assert head == ["Run", differing.strip("-")]
    assert rows == [[value, value] for value in values]
    assert page.count('alt="real images') == 2
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".html", ".png", ".svg"}


def run(script: ModuleType, out: Path, *options: str) -> Path:
    assert exit_code(script, *options, "--steps", 2, "--eval-every", 1, "--threads", 1, "--out", out) == 0
    return out
