"""The reports of runs on planar cosines: a page, its figures as files, the densities as arrays."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from specops.report.figures import data_url, themed
from specops.report.files import write_atomically
from studies.core.record import folder as run_folder
from studies.core.record.results import RunResult
from studies.core.report.figures import picture_png, spectrum
from studies.core.report.pages import Draw, figure_files, write_figures, write_page, write_pictures

from .figures import densities_of, highpass_levels, leakage
from .measures import WaveDensities
from .run import CosineRun
from .waves import frequency_name

DENSITIES = "densities.npz"
FIGURES: dict[str, Draw] = {"spectrum": spectrum, "leakage": leakage, "highpass_levels": highpass_levels}
FILES = (DENSITIES, *figure_files(FIGURES), *figure_files({"densities": densities_of}))
"""Files of a run beside those of every run."""

_TEMPLATE = Path(__file__).parent / "templates" / "cosine.html.jinja"


def write_run_report(folder: Path, run: CosineRun, config: run_folder.Config) -> None:
    """Write report.html, pictures, figures and the densities of one run."""
    result = run_result(run)
    write_pictures(folder, result)
    write_atomically(folder / DENSITIES, _densities_npz(run.densities))
    write_figures(folder, FIGURES, [result])
    write_figures(folder, {"densities": densities_of}, run.densities)
    _write_page(folder, [run], config)


def write_comparison(folder: Path, runs: Sequence[CosineRun], config: run_folder.Config) -> None:
    """Write to `folder` what all runs measured: rows and spectra, each named by its run, figures and a page."""
    write_atomically(folder / run_folder.METRICS, _all_metrics(runs))
    write_atomically(folder / run_folder.SPECTRA, _all_spectra(runs))
    write_figures(folder, FIGURES, [run_result(run) for run in runs])
    _write_page(folder, runs, config)


def run_result(run: CosineRun) -> RunResult:
    """What plots and tables need of the run."""
    return run.result(title=f"{run.settings.generator}, {frequency_name(run.settings.frequencies)}")


def _write_page(folder: Path, runs: Sequence[CosineRun], config: run_folder.Config) -> None:
    results = [run_result(run) for run in runs]
    write_page(
        folder,
        _TEMPLATE,
        config,
        seen=[(result.title, _read(run)) for run, result in zip(runs, results, strict=True)],
        cards=[_card(run, result) for run, result in zip(runs, results, strict=True)],
        leakage=themed(leakage, results, description="Leakage ratio over training"),
        levels=themed(highpass_levels, results, description="Leakage ratio of high-pass filtered images"),
    )


def _card(run: CosineRun, result: RunResult) -> dict[str, Any]:
    """What the page shows of one run."""
    name = result.title
    return {
        "title": name,
        "real": data_url(picture_png(result.real_pictures), "png"),
        "generated": data_url(picture_png(result.last_pictures), "png"),
        "densities": themed(densities_of, run.densities, description=f"Densities of amplitude and phase, {name}"),
        "spectrum": themed(spectrum, [result], description=f"Reduced spectrum, {name}"),
        "row": result.history.rows[-1],
    }


def _read(run: CosineRun) -> list[str]:
    """The numbers of a run in sentences."""
    row = run.history.rows[-1]
    settings = run.settings
    several = len(settings.frequencies) > 1
    sentences = [
        f"After {int(row['step']):,} steps {row['leakage']:.0%} of the power would have to move to other frequencies "
        f"for the spectrum to be right; under a Hann window {row['leakage_hann']:.0%}."
    ]
    for frequency, (amplitude, phase) in run.true_densities().items():
        suffix = "{}_{}".format(*frequency)
        wave = f"The wave at ({frequency_name([frequency])})" if several else "The wave"
        sentences.append(
            f"{wave} has a mean amplitude of {row[f'amplitude_{suffix}']:.2f}, not 0.50. Of the amplitudes "
            f"{row[f'amplitude_variation_{suffix}']:.0%} would have to move for their density to be right, of the "
            f"phases {row[f'phase_variation_{suffix}']:.0%}; in as many true waves it is "
            f"{amplitude.total_variation:.0%} and {phase.total_variation:.0%}."
        )
    return sentences


def _densities_npz(densities: WaveDensities) -> bytes:
    """`amplitude_U_V_edges [B+1]`, `…_found [B]`, `…_true [B]`, and the same of phases, for each wave."""
    arrays: dict[str, Any] = {}
    for (u, v), pair in densities.items():
        for quantity, density in zip(("amplitude", "phase"), pair, strict=True):
            for part in ("edges", "found", "true"):
                arrays[f"{quantity}_{u}_{v}_{part}"] = getattr(density, part).numpy()
    archive = io.BytesIO()
    np.savez_compressed(archive, **arrays)
    return archive.getvalue()


def _all_metrics(runs: Sequence[CosineRun]) -> bytes:
    """The rows of all runs under the name of each; a column that a run has not is empty."""
    columns = dict.fromkeys(name for run in runs for name in run.history.columns)
    text = io.StringIO()
    writer = csv.DictWriter(text, ["run", *columns], lineterminator="\n")
    writer.writeheader()
    for run in runs:
        for row in csv.DictReader(io.StringIO(run.history.metrics_csv().decode())):
            writer.writerow({"run": run.settings.mode, **row})
    return text.getvalue().encode()


def _all_spectra(runs: Sequence[CosineRun]) -> bytes:
    """`run [R]`, `step [T]`, `real [R, K]`, `fake [R, T, K]`."""
    archive = io.BytesIO()
    arrays: dict[str, Any] = {
        "run": np.array([run.settings.mode for run in runs]),
        "step": np.array(runs[0].history.steps),
        "real": np.stack([run.real_spectrum for run in runs]),
        "fake": np.stack([run.history.spectra_array() for run in runs]),
    }
    np.savez_compressed(archive, **arrays)
    return archive.getvalue()
