"""The reports of runs on planar cosines: a page, its figures as files, the densities as arrays."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from studies.core.files import write_atomically
from studies.core.record import folder as run_folder
from studies.core.record.records import shown
from studies.core.record.results import RunResult
from studies.core.report import plots
from studies.core.report.page import data_url, page, themed

from . import plots as cosine_plots
from .measures import WaveDensities
from .run import CosineRun
from .waves import frequency_name

DENSITIES = "densities.npz"
_FIGURES = ("spectrum", "leakage", "highpass_levels", "densities")
_TEMPLATE = Path(__file__).parent / "templates" / "cosine.html.jinja"

FILES = (DENSITIES, *(f"{name}.{suffix}" for name in _FIGURES for suffix in ("png", "svg")))
"""Files of a run beside those of every run."""


def write_run_report(folder: Path, run: CosineRun, densities: WaveDensities, config: run_folder.Config) -> None:
    """Write report.html, pictures, figures and `densities`, which are those of the last images, of one run."""
    result = run_result(run)
    last = result.history.steps[-1]
    write_atomically(folder / run_folder.TARGET_PICTURE, plots.picture_png(result.real_pictures))
    write_atomically(folder / run_folder.GENERATED_PICTURE, plots.picture_png(result.history.pictures[last]))
    write_atomically(folder / DENSITIES, _densities_npz(densities))
    _write_figures(folder, [result])
    figure = cosine_plots.densities(densities)
    for encode in (plots.png, plots.svg):
        write_atomically(folder / f"densities.{encode.__name__}", encode(figure))
    write_atomically(folder / run_folder.REPORT, _render([run], [densities], config).encode())


def write_comparison(
    folder: Path, runs: Sequence[CosineRun], densities: Sequence[WaveDensities], config: run_folder.Config
) -> None:
    """Write to `folder` what all runs measured: rows and spectra, each named by its run, figures and a page."""
    write_atomically(folder / run_folder.METRICS, _all_metrics(runs))
    write_atomically(folder / run_folder.SPECTRA, _all_spectra(runs))
    _write_figures(folder, [run_result(run) for run in runs])
    write_atomically(folder / run_folder.REPORT, _render(runs, densities, config).encode())


def run_result(run: CosineRun) -> RunResult:
    """What plots and tables need of the run."""
    settings = run.settings
    return RunResult(
        mode=settings.mode,
        title=f"{settings.generator}, {frequency_name(settings.frequencies)}",
        resolution=settings.resolution,
        real=run.real_spectrum,
        real_pictures=run.real_pictures,
        history=run.history,
        testbed=run.testbed,
    )


def _write_figures(folder: Path, results: Sequence[RunResult]) -> None:
    figures: dict[str, Figure] = {
        "spectrum": plots.spectrum(results),
        "leakage": cosine_plots.leakage(results),
        "highpass_levels": cosine_plots.highpass_levels(results),
    }
    for name, figure in figures.items():
        for encode in (plots.png, plots.svg):
            write_atomically(folder / f"{name}.{encode.__name__}", encode(figure))


def _render(runs: Sequence[CosineRun], densities: Sequence[WaveDensities], config: run_folder.Config) -> str:
    results = [run_result(run) for run in runs]
    cards = [
        {
            "title": result.title,
            "sentences": _read(run),
            "real": data_url(plots.picture_png(result.real_pictures), "png"),
            "generated": data_url(plots.picture_png(result.history.pictures[result.history.steps[-1]]), "png"),
            "densities": themed(
                lambda _, theme, found=found: cosine_plots.densities(found, theme),
                [result],
                f"Densities of amplitude and phase, {result.title}",
            ),
            "spectrum": themed(plots.spectrum, [result], f"Reduced spectrum, {result.title}"),
            "row": result.history.rows[-1],
        }
        for run, result, found in zip(runs, results, densities, strict=True)
    ]
    return page(
        _TEMPLATE,
        cards=cards,
        leakage=themed(cosine_plots.leakage, results, "Leakage ratio over training"),
        levels=themed(cosine_plots.highpass_levels, results, "Leakage ratio of high-pass filtered images"),
        settings=shown(config),
    )


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
