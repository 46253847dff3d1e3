"""Every fix against none, three seeds each, at a scale that a CPU trains: the runs, and what is said of them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import jinja2
import matplotlib.figure
import numpy as np
import torch
from matplotlib.axes import Axes
from PIL import Image

from specops.report.figures import DASHES, add_grid, new_figure, style_axes
from specops.report.files import write_atomically
from specops.report.palette import LIGHT
from specops.report.tables import markdown
from specops.spectra.bands import FloatArray
from studies.core.data.images import from_8bit
from studies.core.data.sources import PHOTO_CROPS, open_source
from studies.core.evaluator import Evaluator
from studies.core.record.folder import GENERATED_PICTURE, TARGET_PICTURE, fixed_settings
from studies.core.record.results import RunResult, load_result, mean_and_deviation
from studies.core.report.figures import log_band, settled_spectra
from studies.core.sweep import Job, as_options

from . import cost
from .fixes import NONE, RELEASED_REGULARIZATION_WEIGHT, FixOptions, make_fixes, parse_fixes
from .run import GanSettings

COMPARED = (
    "hff", "hfc", "spectrum-discriminator", "ssd", "spectral-regularization", "focal-frequency", "last-upsample-zeros",
)  # fmt: skip
SEEDS = (0, 1, 2)
SMALL = GanSettings(
    width=32, batch=16, discriminator_steps=1, lr=1e-3, ema=0.98, steps=400, decay_steps=400, eval_every=100,
    eval_images=256,
)  # fmt: skip
"""The reduced scale; data, losses and everything else as by default."""

PUBLISHED = GanSettings(batch=4, eval_images=16)
"""The published network and number of D's steps, on a smaller batch: all costs are proportional to it."""

_TEMPLATE = Path(__file__).parent / "templates" / "fixes.md.jinja"
_SCRIPT = Path(__file__).parents[2] / "gan_fixes.py"
_SETTLED = 2
"""Evaluations at the end of a run whose mean is its result."""
_RIGHT = {"e_low": 0.0, "e_mid": 0.0, "e_high": 0.0, "e_corner": 0.0, "leakage": 0.0, "detectability": 0.5, "swd": 0.0}
"""Measures, and the value of samples that cannot be told from real images."""
_HEADS = ("e_low", "e_mid", "e_high", "e_corner", "leakage", "detectability", "SWD")
_SHOWN_SAMPLES = 8
_ACROSS = 4
"""Panels in a row."""
_GREY = "#8a929c"


@dataclass(frozen=True)
class Costs:
    """Seconds of a step: at the reduced scale by fix, at the published width, and of the filters alone there."""

    small: dict[str, float]
    published: float
    filters: dict[str, float]


def jobs(out: Path) -> list[Job]:
    """The runs, seed by seed: after the first seed there is a result for every fix."""
    names = (
        "width", "batch", "discriminator_steps", "lr", "ema", "steps", "decay_steps", "eval_every", "eval_images"
    )  # fmt: skip
    shared = {"data": PHOTO_CROPS, **{name: getattr(SMALL, name) for name in names}}
    return [
        Job(
            _SCRIPT,
            as_options({**shared, "fix": fix, "seed": seed}),
            folder := folder_of(out, fix, seed),
            SMALL.steps,
            {folder: fixed_settings(settings_of(fix, seed)) | {"data": PHOTO_CROPS}},
        )
        for seed in SEEDS
        for fix in (NONE, *COMPARED)
    ]


def settings_of(fix: str, seed: int) -> GanSettings:
    """The settings of a run."""
    return replace(SMALL, fix=parse_fixes([fix]), seed=seed)


def folder_of(out: Path, fix: str, seed: int) -> Path:
    """Where a run is."""
    return out / fix / f"seed{seed}"


def measured_costs(path: Path) -> Costs:
    """Costs as written to `path` by an earlier call, or measured now on one thread."""
    if not path.exists():
        torch.set_num_threads(1)
        source = open_source(PHOTO_CROPS, SMALL.resolution, flip=True)
        options = FixOptions(resolution=SMALL.resolution, radius=PUBLISHED.radius)
        costs = {
            "small": cost.step_seconds(SMALL, source, COMPARED, repeats=60),
            "published": cost.step_seconds(PUBLISHED, source, (), repeats=2)[NONE],
            "filters": {
                name: cost.filter_seconds(make_fixes([name], options), PUBLISHED, repeats=50) for name in ("hff", "hfc")
            },
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(costs, indent=2).encode())
    return Costs(**json.loads(path.read_bytes()))


def load(out: Path) -> dict[str, list[RunResult]]:
    """Results of finished runs by fix, a result per seed."""
    return {
        fix: [load_result(folder_of(out, fix, seed), title=fix, group=fix) for seed in SEEDS]
        for fix in (NONE, *COMPARED)
    }


def settled(result: RunResult, measure: str) -> float:
    """Mean of a measure over a run's last evaluations."""
    return float(result.history.column(measure)[-_SETTLED:].mean())


def document(
    results: Mapping[str, Sequence[RunResult]], costs: Costs, *, cosines: Sequence[str], effort: str, pictures: str
) -> str:
    """The document in Markdown.

    `cosines` are the lines on the sweep of carriers, `effort` says how long and on what was trained, `pictures` is the
    folder of figures.
    """
    return jinja2.Template(_TEMPLATE.read_text(), undefined=jinja2.StrictUndefined, keep_trailing_newline=True).render(
        seeds=len(SEEDS),
        effort=effort,
        small=SMALL,
        published=PUBLISHED,
        released_weight=f"{RELEASED_REGULARIZATION_WEIGHT:g}",
        settled=_SETTLED,
        table="\n".join(table(results, costs)),
        reading="\n".join(reading(results)),
        cost=cost_sentence(costs),
        cosines="\n".join(cosines),
        names=", ".join(results),
        pictures=pictures,
    )


def table(results: Mapping[str, Sequence[RunResult]], costs: Costs) -> list[str]:
    """Markdown: mean ± standard deviation over seeds of each measure, and the cost of a step."""
    rows = [["fix", *_HEADS, "step"]]
    for fix, runs in results.items():
        cells = [_cell(measure, *mean_and_deviation([settled(run, measure) for run in runs])) for measure in _RIGHT]
        rows.append([fix, *cells, _percent(costs.small[fix] / costs.small[NONE] - 1)])
    floor = _floor()
    return markdown([*rows, ["training images", *(_number(measure, floor[measure]) for measure in _RIGHT), ""]])


def reading(results: Mapping[str, Sequence[RunResult]]) -> list[str]:
    """Markdown: which measures each fix brings nearer to their right value, or farther, beyond the spread of seeds."""
    without = {measure: _distances(results[NONE], measure) for measure in _RIGHT}
    lines = []
    for fix in COMPARED:
        verdicts: dict[str, list[str]] = {"nearer": [], "farther": []}
        for measure, head in zip(_RIGHT, _HEADS, strict=True):
            mean, deviation = mean_and_deviation(_distances(results[fix], measure))
            mean_without, deviation_without = mean_and_deviation(without[measure])
            if abs(mean - mean_without) > deviation + deviation_without:
                verdicts["nearer" if mean < mean_without else "farther"].append(head)
        told = [f"{verdict} in {', '.join(heads)}" for verdict, heads in verdicts.items() if heads]
        lines.append(f"- {fix}: {'; '.join(told) or 'no measure differs beyond the spread'}.")
    return lines


def cost_sentence(costs: Costs) -> str:
    """What the filters cost at the published width."""
    shares = [f"{name} {100 * seconds / costs.published:.2f} %" for name, seconds in costs.filters.items()]
    return (
        f"With the published channels and {PUBLISHED.discriminator_steps} steps of D a step takes "
        f"{costs.published:.2f} s for {PUBLISHED.batch} images on one thread.\nOf that time "
        f"the filters take, forward and backward: {', '.join(shares)}."
    )


def spectra_figure(results: Mapping[str, Sequence[RunResult]]) -> matplotlib.figure.Figure:
    """S_gen / S_real by frequency, a panel per fix, beside the same without fix; bands: one deviation over seeds."""
    rows = math.ceil(len(results) / _ACROSS)
    figure = new_figure(10.0, 2.5 * rows, LIGHT)
    panels = figure.subplots(rows, _ACROSS, sharex=True, sharey=True, squeeze=False).flat
    for axes in panels[len(results) :]:
        axes.remove()
    for axes, fix in zip(panels, results, strict=False):
        _draw_ratio(axes, results[NONE], _GREY)
        if fix != NONE:
            _draw_ratio(axes, results[fix], LIGHT.series[0])
        axes.axhline(1, color=LIGHT.ink, linewidth=0.8, linestyle=DASHES)
        axes.set_title(fix)
        axes.set_yscale("log")
        add_grid(axes, LIGHT)
        style_axes(axes, LIGHT)
    figure.supxlabel("f / f_nyq (corner)", fontsize=10)
    figure.supylabel("S_gen / S_real", fontsize=10)
    return figure


def samples_picture(out: Path) -> Image.Image:
    """Eight held-out real images, and eight samples of the first seed's runs below, a row per fix; twice enlarged."""
    pictures = [folder_of(out, NONE, SEEDS[0]) / TARGET_PICTURE]
    pictures += [folder_of(out, fix, SEEDS[0]) / GENERATED_PICTURE for fix in (NONE, *COMPARED)]
    side = SMALL.resolution
    rows = []
    for path in pictures:
        with Image.open(path) as picture:
            rows.append(np.asarray(picture.convert("RGB"))[:side, : side * _SHOWN_SAMPLES])
    grid = Image.fromarray(np.concatenate(rows))
    return grid.resize((2 * grid.width, 2 * grid.height), Image.Resampling.NEAREST)


def _floor() -> dict[str, float]:
    """The measures of training images instead of samples: what no generator can be expected to beat."""
    source = open_source(PHOTO_CROPS, SMALL.resolution, flip=True)
    count = SMALL.eval_images
    return Evaluator(from_8bit(source.held_out(count))).measure(from_8bit(source.images(0, count, 0, range(count))))


def _distances(runs: Sequence[RunResult], measure: str) -> list[float]:
    return [abs(settled(run, measure) - _RIGHT[measure]) for run in runs]


def _draw_ratio(axes: Axes, runs: Sequence[RunResult], color: str) -> None:
    spectra: FloatArray = np.stack([settled_spectra(run).mean(0)[1:] / run.real[1:] for run in runs])
    mean, low, high = log_band(spectra)
    axes.fill_between(runs[0].frequency[1:], low, high, color=color, alpha=0.2, linewidth=0)
    axes.plot(runs[0].frequency[1:], mean, color=color, linewidth=1.5)


def _cell(measure: str, mean: float, deviation: float) -> str:
    return f"{_number(measure, mean)} ± {_number(measure, deviation).lstrip('+')}"


def _number(measure: str, value: float) -> str:
    if measure == "swd":
        return f"{1000 * value:.0f}"
    return f"{value:+.2f}" if measure.startswith("e_") else f"{value:.2f}"


def _percent(share: float) -> str:
    return f"{100 * share:+.1f} %"
