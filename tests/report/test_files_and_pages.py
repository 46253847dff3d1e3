"""Files, numbers and tables of pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from specops.report import files
from specops.report.pages import clamped_percent, page, percent
from specops.report.tables import aligned


def test_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    files.write_atomically(path, b"old")

    def fail(descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(files.os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        files.write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    monkeypatch.undo()
    files.write_atomically(path, b"new")
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_relative_errors_have_a_typographic_sign() -> None:
    assert [percent(value) for value in (-0.914, 0.0, 0.05, 251)] == ["\N{MINUS SIGN}91 %", "±0 %", "+5 %", "+25,100 %"]
    assert clamped_percent(1.0) == "+100 % or more"
    assert [percent(float(value)) for value in ("inf", "nan")] == ["+∞ %", "\N{EN DASH}"]


def test_columns_are_aligned() -> None:
    lines = aligned([("name", "n"), ("a", "100")]).splitlines()
    assert lines == ["name    n", "a     100"]


def test_values_are_escaped_and_templates_of_the_package_are_found(tmp_path: Path) -> None:
    template = tmp_path / "own.html.jinja"
    template.write_text(
        '{% extends "base.html.jinja" %}{% block heading %}{{ name }} {{ -0.5 | percent }}{% endblock %}'
    )
    made = page(template, name="<script>")
    assert "<h1>&lt;script&gt; \N{MINUS SIGN}50 %</h1>" in made
