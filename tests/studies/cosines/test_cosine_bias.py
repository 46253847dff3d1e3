"""Planar cosines from the command line: outputs, wrong input, resuming after a kill, and the table of a sweep."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import cosine_bias
import numpy as np
import pytest
import torch
from finished_runs import RESULTS, assert_same_numbers, exit_code, refusal, table
from studies.core.errors import InputError
from studies.cosines import report as cosine_report
from studies.cosines import sweep as cosine_sweep
from studies.cosines.run import CosineRun, CosineSettings
from studies.cosines.waves import PlanarCosines

SCRIPT = Path(cosine_bias.__file__)
FILES = RESULTS | {"target.png", "generated.png", *cosine_report.FILES}
WAVES = ["--frequencies", "3,3+16,16"]


def arguments(out: Path, *more: str, steps: int = 3) -> list[str]:
    """A run of seconds; a repeated option wins over the earlier one."""
    small = ["--resolution", "32", "--width", "1", "--batch", "4", "--eval-every", "2", "--threads", "1"]
    return [*WAVES, *small, "--steps", str(steps), "--out", str(out), *more]


def start(*options: str) -> int:
    return exit_code(cosine_bias, *options)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted run, beside a file of a line per time that it generated the evaluated images."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    generate = CosineRun.generate

    def noted(run: CosineRun) -> torch.Tensor:
        with (folder.parent / "generated").open("a") as file:
            file.write(f"{run.step}\n")
        return generate(run)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CosineRun, "generate", noted)
        assert start(*arguments(folder)) == 0
    return folder


def test_run_writes_all_its_files(finished: Path) -> None:
    assert {path.name for path in finished.iterdir()} == FILES
    rows = table(finished)
    assert [int(row["step"]) for row in rows] == [2, 3]
    assert all(np.isfinite(float(value)) for row in rows for value in row.values())
    assert list(rows[0])[:5] == ["step", "seconds", "loss", "distance", "penalty"]
    shared = {"e_low", "e_mid", "e_high", "e_corner", "leakage", "detectability", "swd", "swd_16", "swd_32"}
    levels = {f"leakage_highpass_{width:.2f}" for width in (8, 4, 8 / 3, 2, 8 / 5, 4 / 3, 8 / 7, 1)}
    waves = {f"{name}{wave}" for wave in ("_3_3", "_16_16") for name in ("amplitude", "amplitude_variation")}
    assert shared | levels | waves | {"leakage_hann", "phase_variation_3_3", "phase_variation_16_16"} <= rows[0].keys()
    spectra = np.load(finished / "spectra.npz")
    assert {name: spectra[name].shape for name in spectra} == {"step": (2,), "real": (23,), "fake": (2, 23)}
    config = json.loads((finished / "config.json").read_text())
    assert (config["frequencies"], config["generator"], config["width"]) == ([[3, 3], [16, 16]], "plain", 1)
    densities = np.load(finished / "densities.npz")
    assert {name.rpartition("_")[0] for name in densities} == {
        f"{quantity}_{wave}" for quantity in ("amplitude", "phase") for wave in ("3_3", "16_16")
    }
    for name in ("amplitude_3_3", "phase_3_3", "phase_16_16"):
        distance = np.abs(densities[f"{name}_found"] - densities[f"{name}_true"]).sum() / 2
        column = name.replace("_", "_variation_", 1)
        assert float(rows[-1][column]) == pytest.approx(distance), column


def test_images_are_generated_for_each_evaluation_and_once_for_the_report(finished: Path) -> None:
    assert (finished.parent / "generated").read_text().split() == ["2", "3", "3"]


def test_report_tells_the_numbers(finished: Path) -> None:
    page = (finished / "report.html").read_text()
    row = table(finished)[-1]
    assert f"{float(row['leakage']):.0%} of the power" in page
    assert f"The wave at (16,16) has a mean amplitude of {float(row['amplitude_16_16']):.2f}" in page
    assert page.count("<svg") == 0, "figures are data URLs"
    assert page.count("data:image/svg") == 2 * 4
    assert "http" not in page.replace("http://www.w3.org", "")


def test_a_sweep_is_a_run_each_and_all_of_them_together(finished: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    more = ["--frequencies", "2,1", "3,3+16,16", "--generator", "plain", "fsg16", "--steps", "2"]
    assert start(*arguments(out, *more)) == 0
    modes = [f"{generator}-{waves}" for generator in ("plain", "fsg16") for waves in ("2,1", "3,3+16,16")]
    figures = {name for name in cosine_report.FILES if not name.startswith("densities")}
    written = RESULTS - {"checkpoint.safetensors"} | figures
    assert {path.name for path in out.iterdir()} == {*modes, *written}
    rows = table(out)
    assert [row["run"] for row in rows] == modes
    for row in rows:
        own = table(out / row["run"])[0]
        assert {key: row[key] for key in own} == own
        assert all(row[key] == "" for key in row.keys() - own.keys() - {"run"})
    spectra = np.load(out / "spectra.npz")
    assert spectra["fake"].shape == (4, 1, 23)
    for index, mode in enumerate(modes):
        assert np.array_equal(spectra["fake"][index], np.load(out / mode / "spectra.npz")["fake"])
    alone, first = table(finished)[0], table(out / "plain-3,3+16,16")[0]
    assert {**alone, "seconds": ""} == {**first, "seconds": ""}, "other runs before it change nothing"


WRONG = {
    "outside": (["--frequencies", "17,0"], "must lie within (-16, 16]"),
    "conjugate": (["--frequencies", "3,-3+3,-3"], "same wave twice"),
    "no-pair": (["--frequencies", "3"], "must be U,V"),
    "fraction": (["--frequencies", "1.5,2"], "must be U,V"),
    "run-twice": (["--frequencies", "3,3", "3,3"], "named twice"),
    "unknown-generator": (["--generator", "fsg32"], "invalid choice"),
    "resolution-16": (["--resolution", "16"], "at least 32"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_input_is_one_line(case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options, reason = WRONG[case]
    assert reason in refusal(capsys, cosine_bias, *arguments(tmp_path / "out", *options))
    assert not (tmp_path / "out").exists()


def test_resume_with_other_waves_is_refused(finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = refusal(capsys, cosine_bias, *arguments(finished, "--resume", "--frequencies", "3,3"))
    assert "frequencies [[3, 3], [16, 16]], not [[3, 3]]" in told


def test_prolonged_run_equals_a_long_one(finished: Path, tmp_path: Path) -> None:
    assert start(*arguments(tmp_path, steps=1)) == 0
    assert start(*arguments(tmp_path, "--resume")) == 0
    assert_same_numbers(tmp_path, finished, pictures={"target.png", "generated.png", "densities.npz"})


def test_every_batch_is_drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five batches of waves a step, no two alike, the same ones for the same seed."""
    seen: list[torch.Tensor] = []
    sample = PlanarCosines.sample

    def recorded(data: PlanarCosines, n: int, generator: torch.Generator) -> torch.Tensor:
        seen.append(sample(data, n, generator))
        return seen[-1]

    monkeypatch.setattr(PlanarCosines, "sample", recorded)
    settings = CosineSettings(frequencies=((3, 3),), resolution=32, width=1, batch=4)
    for _ in range(2):
        run = CosineRun(settings, torch.device("cpu"))
        run.advance()
        run.advance()
    first, again = (torch.stack(seen[start + 1 : start + 11]) for start in (0, 11))
    assert len(seen) == 22
    assert torch.equal(first, again)
    assert len(first.flatten(1).unique(dim=0)) == 10


# The sweep


def write_run(folder: Path, generator: str, frequency: tuple[int, int], leakage: float, *, step: int = 5) -> None:
    folder.mkdir(parents=True)
    config = {"generator": generator, "frequencies": [frequency], "resolution": 64, "steps": 5}
    (folder / "config.json").write_text(json.dumps(config))
    with open(folder / "metrics.csv", "w", newline="") as stream:
        csv.writer(stream).writerows([["step", "leakage"], [2, 1.0], [step, leakage]])


def test_table_and_reading_of_a_sweep(tmp_path: Path) -> None:
    """Means and spreads over seeds; what overlaps is said, and where the order turns round."""
    for seed, noise in enumerate((-0.1, 0.0, 0.1)):
        for frequency, plain, shifted in (((3, 3), 0.2, 0.9), ((20, 20), 0.45, 0.8), ((29, 29), 0.8, 0.2)):
            write_run(tmp_path / f"plain-{seed}" / f"{frequency}", "plain", frequency, plain + noise)
            write_run(tmp_path / f"shifted-{seed}" / f"{frequency}", "shifted", frequency, shifted + noise)
    lines = cosine_sweep.table(sorted(tmp_path.iterdir()))
    assert lines[:4] == [
        "| generator | 3,3 | 20,20 | 29,29 |",
        "|---|---|---|---|",
        "| plain | 0.200 ± 0.100 | 0.450 ± 0.100 | 0.800 ± 0.100 |",
        "| shifted | 0.900 ± 0.100 | 0.800 ± 0.100 | 0.200 ± 0.100 |",
    ]
    assert "`plain`: from 3,3 to 29,29 the leakage grows" in lines[5]
    assert "at each step by more than the spread" in lines[5]
    assert "`shifted`: from 3,3 to 29,29 the leakage falls" in lines[6]
    assert "the ends do not overlap; between 3,3 and 20,20 runs overlap" in lines[6]
    figure = cosine_sweep.figure(sorted(tmp_path.iterdir()))
    assert [line.get_label() for line in figure.axes[0].lines if not line.get_label().startswith("_")] == [
        "plain",
        "shifted",
    ]


def test_what_grows_within_the_spread_is_said_to_overlap() -> None:
    (sentence,) = cosine_sweep.reading({"plain": {(3, 3): [0.2, 0.4], (9, 9): [0.35, 0.6]}})
    assert "the leakage grows" in sentence
    assert "the runs of the two ends overlap; between 3,3 and 9,9 runs overlap" in sentence


def test_unfinished_sweep_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no finished run"):
        cosine_sweep.table([tmp_path])
    write_run(tmp_path / "run", "plain", (3, 3), 0.2, step=4)
    with pytest.raises(InputError, match="at step 4 of 5"):
        cosine_sweep.table([tmp_path])


def test_jobs_of_the_sweep_are_valid(tmp_path: Path) -> None:
    """Every pair of generator and seed once, all of them with the same carriers, into different folders."""
    jobs = cosine_sweep.jobs(tmp_path)
    options = [cosine_bias.parse([*job.arguments, "--out", str(job.folder)]) for job in jobs]
    assert {job.script for job in jobs} == {SCRIPT}
    assert len({job.folder for job in jobs}) == len(jobs) == 6
    pairs = {(generator, seed) for generator in ("plain", "shifted") for seed in range(3)}
    assert {(each.generator[0], each.seed) for each in options} == pairs
    assert {(each.steps, each.width, len(each.frequencies)) for each in options} == {(150, 8, 4)}
