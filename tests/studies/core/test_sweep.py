"""Sweeps of runs: what is finished is not run again, and no run of other settings is taken for one's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from studies.core.errors import InputError, TrainingError
from studies.core.sweep import Job, run_all

PROGRAM = """
import sys, pathlib
out = pathlib.Path(sys.argv[sys.argv.index("--out") + 1]); out.mkdir(exist_ok=True)
assert "--resume" in sys.argv and sys.argv[sys.argv.index("--threads") + 1] == "1"
if "fail" in sys.argv: sys.exit("broken")
(out / "started").write_text((out / "started").read_text() + "x" if (out / "started").exists() else "x")
(out / "report.html").touch()
"""


def test_sweep_runs_what_is_not_finished(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(PROGRAM)
    jobs = [Job(script, (), tmp_path / "runs" / str(number)) for number in range(3)]
    run_all(jobs)
    (jobs[1].folder / "report.html").unlink()
    run_all(jobs)
    assert [(job.folder / "started").read_text() for job in jobs] == ["x", "xx", "x"]


def test_sweep_refuses_a_run_of_other_settings(tmp_path: Path) -> None:
    """Finished or not, before anything is started, and nothing is overwritten; a run of its own settings counts."""
    script, folder = tmp_path / "script.py", tmp_path / "run"
    script.write_text(PROGRAM)
    folder.mkdir()
    (folder / "config.json").write_text('{"resolution": 64, "fix": ["hff"], "steps": 3, "threads": 1}')
    own, other = (
        Job(script, (), folder, settings={folder: {"resolution": resolution, "fix": ["hff"], "newer": 1}})
        for resolution in (64, 32)
    )
    for _ in range(2):
        with pytest.raises(InputError, match="run holds a run of other settings: resolution 64, not 32; give another"):
            run_all([Job(script, (), tmp_path / "first"), other])
        assert not (tmp_path / "first").exists()
        assert not (folder / "started").exists()
        (folder / "report.html").touch()
    run_all([own])
    assert not (folder / "started").exists()


def test_sweep_tells_the_run_that_fails(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(PROGRAM)
    jobs = [Job(script, ("fail",), tmp_path / "a"), *(Job(script, (), tmp_path / str(number)) for number in range(9))]
    with pytest.raises(TrainingError, match=r"a failed: broken; see .*log"):
        run_all(jobs, at_once=1)
    assert not any(job.is_finished for job in jobs)
