"""The four claims of Schwarz, Liao and Geiger 2021 on the frequency bias of generators and discriminators, measured.

Trains what they need with several seeds, as runs of the two testbeds in DIR, judges each claim and writes a page with
pictures. It may be killed at any moment: finished runs are kept, the others go on from their last checkpoint.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from specops.report.figures import png
from specops.report.files import write_atomically
from specops.report.tables import markdown
from studies.core import command_line
from studies.core.data.images import BUNDLED
from studies.core.record.folder import Config
from studies.core.record.results import RunResult, load_result
from studies.core.report.figures import density_ratio
from studies.core.sweep import Job, as_options, effort, run_all
from studies.testbeds.claims import CLAIMS, Claim, Condition, Groups
from studies.testbeds.figures import evolution

SCRIPTS = Path(__file__).parents[2]
GENERATOR, DISCRIMINATOR = "generator_testbed.py", "discriminator_testbed.py"

GROUPS: dict[str, tuple[str, Config]] = {
    "bilinear": (GENERATOR, {"upsample": "bilinear"}),
    "zeros": (GENERATOR, {"upsample": "zeros"}),
    "zeros with log-spectrum": (GENERATOR, {"upsample": "zeros", "loss": "mse+log-spectrum"}),
    "stride": (DISCRIMINATOR, {"downsample": "stride"}),
    "average": (DISCRIMINATOR, {"downsample": "avg"}),
    "average, high-pass image": (DISCRIMINATOR, {"downsample": "avg", "highpass": True}),
    "MLP": (DISCRIMINATOR, {"model": "mlp"}),
    "stride, grass": (DISCRIMINATOR, {"downsample": "stride", "data": "grass"}),
    "average, grass": (DISCRIMINATOR, {"downsample": "avg", "data": "grass"}),
    "MLP, grass": (DISCRIMINATOR, {"model": "mlp", "data": "grass"}),
}
"""Testbed and settings of each group of runs."""

CHOSEN_ON = 3
"""Seeds of grass that were looked at before it was said what they are judged by."""

WORDS = {True: "yes", False: "no", None: ""}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    number = command_line.positive
    parser.add_argument("--out", metavar="DIR", type=Path, default=Path("output/claims"), help="folder of the runs")
    parser.add_argument(
        "--page", metavar="FILE.md", type=Path, default=Path("output/claims/claims.md"),
        help="page to write; its pictures go to the folder of the same name beside it",
    )  # fmt: skip
    parser.add_argument(
        "--seeds", metavar="N", type=_several, default=3,
        help="runs per group, twice that on grass, 2 or more (default: 3)",
    )  # fmt: skip
    parser.add_argument(
        "--jobs", metavar="N", type=number, default=2, help="runs at a time, 1 thread each (default: 2)"
    )
    parser.add_argument("--resolution", metavar="N", type=command_line.resolution, default=64, help="default: 64")
    parser.add_argument("--generator-steps", metavar="N", type=number, default=1500, help="default: 1500")
    parser.add_argument("--discriminator-steps", metavar="N", type=number, default=1500, help="default: 1500")


def plan(options: argparse.Namespace) -> list[tuple[str, Job]]:
    """All runs with their groups: seed by seed, so that a first look needs few of them."""
    runs = []
    for seed in range(CHOSEN_ON + 2 * options.seeds):
        for group, (script, more) in GROUPS.items():
            if seed not in seeds_of(group, options.seeds):
                continue
            steps = options.generator_steps if script == GENERATOR else options.discriminator_steps
            settings = {
                "data": "photo", **more, "resolution": options.resolution, "eval_every": max(1, steps // 30),
                "seed": seed,
            }  # fmt: skip
            arguments = as_options({**settings, "steps": steps})
            folder = options.out / f"{group.replace(',', '').replace(' ', '-')}-{seed}"
            recorded = {name: value for name, value in settings.items() if name != "data"}
            recorded["images"] = [BUNDLED[settings["data"]]]
            runs.append((group, Job(SCRIPTS / script, arguments, folder, steps, {folder: recorded})))
    return runs


def seeds_of(group: str, seeds: int) -> range:
    """Seeds of a group; on grass twice as many, after those on which their criterion was chosen."""
    return range(CHOSEN_ON, CHOSEN_ON + 2 * seeds) if group.endswith(", grass") else range(seeds)


def load(runs: Sequence[tuple[str, Job]]) -> Groups:
    """Results of finished runs by group."""
    names = list(GROUPS)
    groups: dict[str, list[RunResult]] = {name: [] for name in names}
    for group, job in runs:
        groups[group].append(load_result(job.folder, title=group, color=names.index(group), group=group))
    return groups


def text_of(number: int, claim: Claim, conditions: Sequence[Condition], pictures: str) -> str:
    """The claim's section of the page."""
    cells = [(each.criterion, "; ".join(map(str, each.measured)), WORDS[each.holds]) for each in conditions]
    verdict = "holds" if all(condition.holds is not False for condition in conditions) else "does not hold"
    return "\n".join(
        [
            f"## {number}. {verdict[0].upper()}{verdict[1:]}",
            "",
            claim.statement,
            "",
            *markdown([("criterion", "measured, mean ± std over seeds", "holds"), *cells]),
            "",
            f"![Generated over real spectral density]({pictures}/claim-{number}.png)",
            f"![Images over training, first seed]({pictures}/images-{number}.png)",
            "",
        ]
    )


def introduction(options: argparse.Namespace, runs: Sequence[tuple[str, Job]]) -> str:
    """What was run, on which machine."""
    side = options.resolution
    return (
        "# Claims\n\n"
        f"`make claims` writes this page from {len(runs)} runs of the testbeds. The claims are those of Schwarz, Liao "
        "and Geiger 2021, and\n[testbeds.md](testbeds.md) says what is measured.\n\n"
        "| pictures | steps | time |\n|---|---|---|\n"
        f"| {options.seeds} seeds of a photo, {2 * options.seeds} others of grass; {side} x {side} pixels "
        f"| {options.generator_steps} of a generator, {options.discriminator_steps} of a discriminator "
        f"| {effort([job.folder for _, job in runs])} |\n\n"
        "Unless told otherwise, a run counts by the mean over the evaluations in the last fifth of its training. "
        '"Above" means by more\nthan the sum of the standard deviations over the seeds of both sides. '
        "The criterion on grass was chosen on its first seeds, which are\nnot among these.\n"
    )


def write_page(path: Path, options: argparse.Namespace, runs: Sequence[tuple[str, Job]]) -> bool:
    """Judge the claims by finished runs, write the page and its pictures, and print the table; True if all hold."""
    groups = load(runs)
    pictures = path.with_suffix("")
    pictures.mkdir(parents=True, exist_ok=True)
    sections = [introduction(options, runs)]
    holds = True
    for number, claim in enumerate(CLAIMS, start=1):
        conditions = claim.judge(groups)
        holds = holds and all(condition.holds is not False for condition in conditions)
        for condition in conditions:
            measured = "; ".join(map(str, condition.measured))
            print(f"{number}  {WORDS[condition.holds]:3}  {condition.criterion}: {measured}")
        members = [result for name in claim.groups for result in groups[name]]
        first = [groups[name][0] for name in claim.groups]
        write_atomically(pictures / f"claim-{number}.png", png(density_ratio(members), dpi=90))
        write_atomically(pictures / f"images-{number}.png", png(evolution(first), dpi=90))
        sections.append(text_of(number, claim, conditions, pictures.name))
    write_atomically(path, "\n".join(sections).encode())
    return holds


def run(options: argparse.Namespace) -> int:
    """Train, judge, write; returns 0 if all claims hold, 1 if one does not."""
    runs = plan(options)
    run_all([job for _, job in runs], at_once=options.jobs)
    return 0 if write_page(options.page, options, runs) else 1


def _several(text: str) -> int:
    value = command_line.positive(text)
    if value < 2:
        raise argparse.ArgumentTypeError("must be at least 2, or there is no spread")
    return value
