"""The sweep over carriers, generators and seeds: its runs, its table and what the table says."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from specops.report.tables import markdown
from studies.core.errors import InputError
from studies.core.record.folder import CONFIG, METRICS, Config, fixed_settings, read_config
from studies.core.record.results import mean_and_deviation
from studies.core.sweep import Job, as_options

from .figures import error_by_frequency
from .networks import PUBLISHED_RESOLUTION, PUBLISHED_WIDTH
from .run import EVALUATED_IMAGES, CosineSettings
from .waves import Frequency, frequency_name

FREQUENCIES: tuple[Frequency, ...] = ((3, 3), (12, 12), (20, 20), (29, 29))
GENERATORS = ("plain", "shifted")
SEEDS = (0, 1, 2)
SIZE: Config = {"resolution": 64, "width": 8, "steps": 150, "eval_every": 50}
"""The reduced scale; everything else as by default."""
_SCRIPT = Path(__file__).parents[2] / "cosine_bias.py"

Errors = dict[str, dict[Frequency, list[float]]]
"""Final leakage ratios, one per seed, by generator and frequency, frequencies in ascending order."""


def jobs(out: Path) -> list[Job]:
    """The runs of the sweep, in folders below `out`: a job per generator and seed, each of all frequencies."""
    return [_job(out / f"{name}-{seed}", name, seed) for seed in SEEDS for name in GENERATORS]


def read_errors(folders: Sequence[Path]) -> Errors:
    """The final leakage ratios of the finished runs of one wave in `folders`, or in the folders right below them."""
    found: dict[str, dict[Frequency, list[float]]] = {}
    for folder in run_folders(folders):
        config = read_config(folder / CONFIG)
        if len(config["frequencies"]) > 1:
            continue
        with open(folder / METRICS, newline="") as stream:
            last = list(csv.DictReader(stream))[-1]
        if int(last["step"]) < config["steps"]:
            raise InputError(
                f"run {folder} is at step {last['step']} of {config['steps']}; let it finish with --resume"
            )
        u, v = config["frequencies"][0]
        found.setdefault(config["generator"], {}).setdefault((u, v), []).append(float(last["leakage"]))
    return {name: dict(sorted(by.items(), key=lambda item: _radius(item[0]))) for name, by in found.items()}


def table(folders: Sequence[Path]) -> list[str]:
    """The sweep in Markdown: leakage ratio, mean ± sample standard deviation over seeds, and what it says, in lines."""
    errors = read_errors(folders)
    frequencies = sorted({frequency for by in errors.values() for frequency in by}, key=_radius)
    rows = [["generator", *(frequency_name([frequency]) for frequency in frequencies)]]
    rows += [[name, *(_cell(by[each]) if each in by else "" for each in frequencies)] for name, by in errors.items()]
    return [*markdown(rows), "", *(f"- {sentence}" for sentence in reading(errors))]


def introduction() -> str:
    """What the numbers of the table are."""
    return (
        f"Leakage ratio of {EVALUATED_IMAGES} generated images after {SIZE['steps']} steps (0: all power where it "
        "should be; 1: all\nelsewhere) by the carrier's cycles per image along columns and rows, mean ± standard "
        f"deviation over {len(SEEDS)} seeds: a\nWGAN-GP at the reduced scale of {SIZE['resolution']} pixels and width "
        f"{SIZE['width']} ({PUBLISHED_RESOLUTION} and {PUBLISHED_WIDTH} were published), all else as in\n"
        "[cosines.md](cosines.md)."
    )


def reading(errors: Errors) -> list[str]:
    """For each generator, how its error moves with the frequency, and which steps of that exceed the seeds' spread."""
    return [_read(name, by) for name, by in errors.items() if len(by) > 1]


def figure(folders: Sequence[Path]) -> Figure:
    """Leakage ratio over the carrier's frequency, a line per generator, a dot per run."""
    return error_by_frequency(read_errors(folders))


def _job(folder: Path, generator: str, seed: int) -> Job:
    carriers = [frequency_name([frequency]) for frequency in FREQUENCIES]
    runs = [CosineSettings(frequencies=(each,), generator=generator, seed=seed, **SIZE) for each in FREQUENCIES]
    settings: dict[Path, Config] = {folder: {"runs": [run.mode for run in runs]}}
    settings |= {folder / run.mode: fixed_settings(run) for run in runs}
    arguments = ("--frequencies", *carriers, *as_options({"generator": generator, "seed": seed, **SIZE}))
    return Job(_SCRIPT, arguments, folder, SIZE["steps"], settings)


def _read(name: str, by: dict[Frequency, list[float]]) -> str:
    frequencies = list(by)
    (first, low), (last, high) = ((frequency_name([f]), by[f]) for f in (frequencies[0], frequencies[-1]))
    direction = "grows" if sum(high) / len(high) > sum(low) / len(low) else "falls"
    ends = f"`{name}`: from {first} to {last} the leakage {direction}, {_cell(low)} to {_cell(high)}"
    pairs = list(itertools.pairwise(frequencies))
    apart = [_apart(by[a], by[b], direction) for a, b in pairs]
    if all(apart):
        return f"{ends}, at each step by more than the spread: every run is beyond every run of the frequency before."
    whole = "the ends do not overlap" if _apart(low, high, direction) else "the runs of the two ends overlap"
    overlapping = [
        f"{frequency_name([a])} and {frequency_name([b])}"
        for (a, b), is_apart in zip(pairs, apart, strict=True)
        if not is_apart
    ]
    return f"{ends}; {whole}; between {', '.join(overlapping)} runs overlap or go the other way."


def _apart(low: Sequence[float], high: Sequence[float], direction: str) -> bool:
    """Whether every value of one frequency is beyond every value of the other, in that direction."""
    return max(low) < min(high) if direction == "grows" else min(low) > max(high)


def _cell(values: Sequence[float]) -> str:
    if len(values) < 2:
        return f"{values[0]:.3f}"
    return "{:.3f} ± {:.3f}".format(*mean_and_deviation(values))


def run_folders(folders: Sequence[Path]) -> list[Path]:
    """The folders of single runs among `folders` and right below them."""
    candidates = [path for folder in folders for path in (folder, *sorted(folder.glob("*/")))]
    runs = [path for path in candidates if (path / CONFIG).is_file() and "resolution" in read_config(path / CONFIG)]
    if not runs:
        raise InputError(f"no finished run in {', '.join(map(str, folders))}")
    return runs


def _radius(frequency: Frequency) -> int:
    return frequency[0] ** 2 + frequency[1] ** 2
