"""`make fixes`: what its document says of numbers made up, and a sweep of seconds from the runs to the document."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import cosine_bias
import gan_fixes
import numpy as np
import pytest
import torch
from studies import commands
from studies.commands import fixes
from studies.core.errors import InputError
from studies.core.record.folder import REPORT
from studies.core.record.history import History
from studies.core.record.results import RunResult
from studies.core.sweep import Job
from studies.cosines import sweep as cosine_sweep
from studies.gans import command_line, cost
from studies.gans import sweep as fix_sweep
from studies.gans.run import GanSettings
from studies.gans.sweep import Costs

MEASURES = ("e_low", "e_mid", "e_high", "e_corner", "leakage", "detectability", "swd")


def runs(*seeds: Sequence[float]) -> list[RunResult]:
    """A run per seed with those measures in its last two evaluations, on the average, and others before."""
    results = []
    pictures = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    for values in seeds:
        history = History()
        for step, shift in ((1, 5.0), (2, -0.25), (3, 0.25)):
            row = {name: value + shift for name, value in zip(MEASURES, values, strict=True)}
            history.add({"step": step, **row}, np.ones(6), pictures)
        results.append(RunResult("", "", 8, np.ones(6), pictures, history))
    return results


NONE = runs((-0.5, 0.2, -0.3, -0.9, 0.50, 0.60, 0.1), (-0.6, 0.2, -0.3, -0.9, 0.60, 0.65, 0.3))
HFF = runs((0.1, 0.3, 0.3, -0.9, 0.10, 0.90, 0.2), (0.2, 0.3, 0.3, -0.9, 0.20, 0.95, 0.4))
"""Nearer in e_low, on the other side of 0, and leakage; farther in e_mid, detectability; in SWD within the spread."""


@pytest.fixture
def one_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fix_sweep, "COMPARED", ("hff",))
    floor = dict(zip(MEASURES, (0.01, -0.02, 0.03, -0.04, 0.05, 0.6, 0.007), strict=True))
    monkeypatch.setattr(fix_sweep, "_floor", lambda: floor)


@pytest.mark.usefixtures("one_fix")
def test_reading_tells_what_is_nearer_and_farther_beyond_the_spread() -> None:
    expected = "- hff: nearer in e_low, leakage; farther in e_mid, detectability."
    assert fix_sweep.reading({"none": NONE, "hff": HFF}) == [expected]
    assert fix_sweep.reading({"none": NONE, "hff": NONE}) == ["- hff: no measure differs beyond the spread."]


@pytest.mark.usefixtures("one_fix")
def test_table_has_means_and_deviations_over_seeds() -> None:
    costs = Costs(small={"none": 2.0, "hff": 2.1}, published=1.0, filters={})
    assert fix_sweep.table({"none": NONE, "hff": HFF}, costs) == [
        "| fix | e_low | e_mid | e_high | e_corner | leakage | detectability | SWD | step |",
        "|---|---|---|---|---|---|---|---|---|",
        "| none | -0.55 ± 0.07 | +0.20 ± 0.00 | -0.30 ± 0.00 | -0.90 ± 0.00 | 0.55 ± 0.07 | 0.62 ± 0.04 | 200 ± 141 "
        "| +0.0 % |",
        "| hff | +0.15 ± 0.07 | +0.30 ± 0.00 | +0.30 ± 0.00 | -0.90 ± 0.00 | 0.15 ± 0.07 | 0.92 ± 0.04 | 300 ± 141 "
        "| +5.0 % |",
        "| training images | +0.01 | -0.02 | +0.03 | -0.04 | 0.05 | 0.60 | 7 | |",
    ]


def test_cost_sentence_tells_shares_of_a_step() -> None:
    sentence = fix_sweep.cost_sentence(Costs(small={}, published=2.0, filters={"hff": 0.001, "hfc": 0.02}))
    assert "a step takes 2.00 s for 4 images" in sentence
    assert sentence.endswith("hff 0.05 %, hfc 1.00 %.")


# A whole sweep


def run_here(jobs: Sequence[Job], *, at_once: int) -> None:
    """Run what is not finished in this process, for speed; `run_all` has tests of its own."""
    mains = {"gan_fixes.py": gan_fixes.main, "cosine_bias.py": cosine_bias.main}
    for job in jobs:
        job.check()
    for job in jobs:
        if not job.is_finished:
            options = [*job.arguments, "--out", str(job.folder), "--threads", "1", "--resume"]
            assert mains[job.script.name](options) == 0
            assert job.is_finished


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two seeds of one fix and none, and of two carriers; reports of runs are not drawn."""
    small = replace(fix_sweep.SMALL, width=16, batch=4, steps=2, eval_every=1, eval_images=8)
    monkeypatch.setattr(fix_sweep, "SMALL", small)
    monkeypatch.setattr(fix_sweep, "PUBLISHED", GanSettings(width=16, batch=2, eval_images=8, discriminator_steps=2))
    monkeypatch.setattr(fix_sweep, "COMPARED", ("hfc",))
    monkeypatch.setattr(fix_sweep, "SEEDS", (0, 1))
    monkeypatch.setattr(cosine_sweep, "FREQUENCIES", ((2, 1), (9, 9)))
    monkeypatch.setattr(cosine_sweep, "GENERATORS", ("plain",))
    monkeypatch.setattr(cosine_sweep, "SEEDS", (0, 1))
    monkeypatch.setattr(cosine_sweep, "SIZE", {"resolution": 32, "width": 1, "steps": 1, "eval_every": 1})
    for name in ("step_seconds", "filter_seconds"):
        measured = getattr(cost, name)
        monkeypatch.setattr(cost, name, lambda *args, repeats, measured=measured: measured(*args, repeats=1))
    monkeypatch.setattr(fixes, "run_all", run_here)


@pytest.mark.usefixtures("tiny")
def test_document_is_written_from_runs_and_finished_ones_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = commands.parse(["fixes", "--out", str(tmp_path / "runs"), "--document", str(tmp_path / "fixes.md")])
    fixes.run(options)
    text = (tmp_path / "fixes.md").read_text()
    pictures = {path.name for path in (tmp_path / "fixes").iterdir()}
    assert pictures == {"spectra.png", "cosines.png", "samples.png"}
    assert all(f"(fixes/{name})" in text for name in pictures)
    assert [text.count(f"\n| {name} | ") for name in ("none", "hfc", "training images", "plain")] == [1] * 4
    assert "\n- hfc: " in text
    assert "| generator | 2,1 | 9,9 |" in text
    assert "a row each: none, hfc." in text
    assert re.search(r"; 0 minutes of training in all, on .+, torch \d.+, one thread a run\.\n", text)
    assert "| 1e-05, of a term without gradient |" in text
    assert "after 1 steps" in text
    assert "over 2 seeds: a\nWGAN-GP at the reduced scale of 32 pixels and width 1 (128 and 64 were published)" in text
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*") if path.is_file()}
    assert len([path for path in written if path.name == "checkpoint.safetensors"]) == 2 * 2 + 2 * 2
    lost = fix_sweep.folder_of(tmp_path / "runs" / "gans", "hfc", 1)
    (lost / REPORT).unlink()
    fixes.run(options)
    assert (lost / REPORT).exists()
    rewritten = {path for path, stamp in written.items() if path.stat().st_mtime_ns != stamp}
    assert rewritten
    assert {path.parent for path in rewritten} == {lost}
    assert (tmp_path / "fixes.md").read_text() == text
    monkeypatch.setattr(cosine_sweep, "SIZE", {**cosine_sweep.SIZE, "width": 2})
    with pytest.raises(InputError, match="plain-2,1 holds a run of other settings: width 1, not 2; give another"):
        fixes.run(options)
    monkeypatch.setattr(fix_sweep, "SMALL", replace(fix_sweep.SMALL, lr=0.1))
    with pytest.raises(InputError, match=r"seed0 holds a run of other settings: lr 0\.001, not 0\.1; give another"):
        fixes.run(options)


def test_options_of_a_run_ask_for_the_settings_that_it_is_to_record(tmp_path: Path) -> None:
    pairs = [(fix, seed) for seed in fix_sweep.SEEDS for fix in ("none", *fix_sweep.COMPARED)]
    for job, pair in zip(fix_sweep.jobs(tmp_path), pairs, strict=True):
        options = gan_fixes.parse([*job.arguments, "--out", str(job.folder)])
        assert command_line.settings(options) == fix_sweep.settings_of(*pair)
