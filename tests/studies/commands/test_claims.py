"""The claims: what makes them hold, and a command that goes on where it was stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import discriminator_testbed
import generator_testbed
import numpy as np
import pytest
import torch
from finished_runs import assert_same_numbers, environment, refusal
from studies import commands
from studies.commands import claims
from studies.core.data.images import BUNDLED
from studies.core.record.history import History
from studies.core.record.results import RunResult
from studies.core.sweep import Job
from studies.testbeds.claims import CLAIMS, Groups, Measured, exceeds

from specops.geometry import BANDS

SEEDS = 3
N_BINS = 6

HOLDING: dict[str, dict[str, float]] = {
    "bilinear": {"e_low": -0.1, "e_mid": -0.8, "e_high": -0.9, "bin": 0.1},
    "zeros": {"e_low": -0.05, "e_mid": -0.1, "e_high": 0.05, "e_corner": 0.9, "bin": 20.0},
    "zeros with log-spectrum": {"e_corner": 0.2, "bin": 2.0},
    "stride": {},
    "average": {"e_low": 0.01, "e_mid": -0.05, "e_high": 0.5},
    "average, high-pass image": {"e_low": 0.6, "e_mid": 0.1, "e_high": -0.1},
    "MLP": {},
    "stride, grass": {"psnr": 20},
    "average, grass": {"psnr": 24},
    "MLP, grass": {"psnr": 28},
}
"""Numbers with which all claims hold."""


def result(values: dict[str, float], group: str, seed: int) -> RunResult:
    """A history whose last fifth has the values, moved a little by the seed, and whose beginning has others."""
    history = History()
    real = np.ones(N_BINS)
    for step in range(1, 11):
        is_settled = step > 8
        shift = 0.005 * seed if is_settled else 3.0
        errors = {f"e_{band}": values.get(f"e_{band}", 0.0) + shift for band in BANDS}
        spectrum = real.copy()
        spectrum[-1] = values.get("bin", 1.0) * (1 + 0.01 * seed) if is_settled else 1.0
        row = {"step": step, "psnr": values.get("psnr", 20.0) + shift, **errors}
        history.add(row, spectrum, torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
    pictures = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    return RunResult(group, group, 8, real, pictures, history, group=group)


def groups(numbers: dict[str, dict[str, float]]) -> Groups:
    return {name: [result(values, name, seed) for seed in range(SEEDS)] for name, values in numbers.items()}


def verdicts(numbers: dict[str, dict[str, float]]) -> list[list[bool]]:
    return [[each.holds for each in claim.judge(groups(numbers)) if each.holds is not None] for claim in CLAIMS]


def test_all_claims_hold_where_the_orderings_are_there() -> None:
    assert all(all(claim) for claim in verdicts(HOLDING))


CONTRARY = {
    "bilinear-has-high-frequencies": (0, 0, {"bilinear": {"e_high": 0.05}}),
    "nails-learn-unevenly": (0, 1, {"zeros": {"e_mid": -0.95}}),
    "nails-without-peak": (0, 2, {"zeros": {"e_corner": 0.0}}),
    "corner-stays": (1, 0, {"zeros with log-spectrum": {"e_corner": -0.95}}),
    "image-low-worst": (2, 0, {"average": {"e_low": -0.7}}),
    "highpass-high-worst": (2, 1, {"average, high-pass image": {"e_high": -0.8}}),
    "stride-as-good": (3, 0, {"stride, grass": {"psnr": 24}}),
    "mlp-worst": (3, 1, {"MLP, grass": {"psnr": 19}}),
    "mlp-between": (3, 2, {"MLP, grass": {"psnr": 22}}),
}


@pytest.mark.parametrize("case", CONTRARY)
def test_each_condition_fails_on_contrary_numbers(case: str) -> None:
    claim, condition, changes = CONTRARY[case]
    numbers = {name: {**values, **changes.get(name, {})} for name, values in HOLDING.items()}
    assert not verdicts(numbers)[claim][condition]


def test_difference_within_the_spread_is_none() -> None:
    low, high = Measured("low", (1.0, 2.0, 3.0)), Measured("high", (2.0, 3.5, 4.0))
    assert not exceeds(high, low)
    assert exceeds(Measured("high", (12.0, 13.5, 14.0)), low)
    assert not exceeds(low, high)


def test_grass_has_twice_the_seeds_and_others() -> None:
    seeds: dict[str, list[int]] = {}
    for group, job in claims.plan(commands.parse(["claims"])):
        seeds.setdefault(group, []).append(next(iter(job.settings.values()))["seed"])
    for group, found in seeds.items():
        assert found == ([3, 4, 5, 6, 7, 8] if "grass" in group else [0, 1, 2])
        assert list(claims.seeds_of(group, 2)) == ([3, 4, 5, 6] if "grass" in group else [0, 1])


def test_groups_are_those_that_the_claims_need() -> None:
    assert {name for claim in CLAIMS for name in claim.groups} == set(claims.GROUPS) == set(HOLDING)


def test_options_of_a_run_ask_for_the_settings_that_it_is_to_record(tmp_path: Path) -> None:
    testbeds = {claims.GENERATOR: generator_testbed, claims.DISCRIMINATOR: discriminator_testbed}
    for _, job in claims.plan(commands.parse(["claims", "--out", str(tmp_path)])):
        options = testbeds[job.script.name].parse([*job.arguments, "--out", str(job.folder)])
        recorded = dict(job.settings[job.folder])
        assert recorded.pop("images") == [BUNDLED[options.data]]
        assert all(getattr(options, name) in (value, [value]) for name, value in recorded.items())
        assert options.steps == job.steps


TINY = ["--resolution", "8", "--generator-steps", "4", "--discriminator-steps", "4", "--seeds", "2"]


@pytest.fixture
def two_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the groups of the last claim but one, for speed."""
    kept = CLAIMS[2].groups
    monkeypatch.setattr(claims, "CLAIMS", CLAIMS[2:3])
    monkeypatch.setattr(claims, "GROUPS", {name: claims.GROUPS[name] for name in kept})


def command(folder: Path, *more: str) -> list[str]:
    return ["claims", *TINY, *more, "--out", str(folder / "runs"), "--page", str(folder / "claims.md")]


@pytest.mark.slow
def test_page_is_written_and_finished_runs_are_kept(
    two_groups: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = commands.main(command(tmp_path))
    page = (tmp_path / "claims.md").read_text()
    assert code == (0 if "## 1. Holds" in page else 1)
    assert page.count("| average") == 2
    pictures = {path.name for path in (tmp_path / "claims").iterdir()}
    assert pictures == {"claim-1.png", "images-1.png"}
    assert all(f"(claims/{name})" in page for name in pictures)
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*.*") if path.suffix != ".lock"}
    assert len([path for path in stamps if path.name == "checkpoint.safetensors"]) == 4
    capsys.readouterr()
    assert commands.main(command(tmp_path)) == code
    assert "PSNR" not in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert "resolution 8, not 16" in refusal(capsys, commands, *command(tmp_path, "--resolution", "16"))
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps
    assert (tmp_path / "claims.md").read_text() == page


@pytest.mark.slow
def test_killed_command_goes_on_to_the_same_numbers(tmp_path: Path) -> None:
    """SIGKILL leaves the running testbed an orphan: the next command waits for it or goes on from its checkpoint."""
    script = (
        "import sys; from studies import commands; from studies.commands import claims; "
        "claims.GROUPS = {'MLP': claims.GROUPS['MLP']}; claims.CLAIMS = (); sys.exit(commands.main(sys.argv[1:]))"
    )
    command = [sys.executable, "-W", "ignore", "-c", script, "claims"]
    steps = ["--discriminator-steps", "90"]

    def options(name: str) -> list[str]:
        return [*TINY, *steps, "--out", str(tmp_path / name), "--page", str(tmp_path / f"{name}.md")]

    killed = subprocess.Popen([*command, *options("killed")], env=environment(), stdout=subprocess.DEVNULL)
    metrics = tmp_path / "killed" / "MLP-0" / "metrics.csv"
    deadline = time.monotonic() + 120
    while not metrics.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    for name in ("killed", "whole"):
        subprocess.run([*command, *options(name)], env=environment(), check=True, stdout=subprocess.DEVNULL)
    for seed in (0, 1):
        assert_same_numbers(tmp_path / "killed" / f"MLP-{seed}", tmp_path / "whole" / f"MLP-{seed}")


WRONG = {
    "one-seed": (["--seeds", "1"], "at least 2"),
    "no-jobs": (["--jobs", "0"], "at least 1"),
    "resolution": (["--resolution", "7"], "power of two"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_options_are_one_line(case: str, capsys: pytest.CaptureFixture[str]) -> None:
    options, reason = WRONG[case]
    assert reason in refusal(capsys, commands, "claims", *options)


def test_failed_run_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(claims, "GROUPS", {"MLP": (claims.DISCRIMINATOR, {"downsample": "none"})})
    assert "invalid choice: 'none'" in refusal(capsys, commands, *command(tmp_path))
    assert not (tmp_path / "claims.md").exists()


def test_run_that_ended_earlier_goes_on(tmp_path: Path) -> None:
    (tmp_path / "report.html").touch()
    (tmp_path / "metrics.csv").write_text("step,loss\n2,1\n4,1\n")
    assert Job(Path("script.py"), (), tmp_path, 4).is_finished
    assert not Job(Path("script.py"), (), tmp_path, 6).is_finished
