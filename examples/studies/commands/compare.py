"""Compare runs of one example script: one self-contained page, figures as PNG and SVG, and of testbeds an animation.

Runs are called by their folders; a table has the settings in which they differ. Runs that differ in the seed alone form
a group, with a band in the figure of density ratios, and of testbeds with mean and standard deviation below the table.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from itertools import takewhile
from pathlib import Path

from specops.spectra.sources import set_names
from studies.core.errors import InputError
from studies.core.record.folder import Config, text, told
from studies.core.record.results import RunResult, load_config, load_result
from studies.core.report import comparison
from studies.testbeds.reading import WORDINGS
from studies.testbeds.report import write_report
from studies.testbeds.summary import format_table

EXAMPLES = """\
examples:
  python examples/studies compare output/zeros output/bilinear --out output/comparison
  python examples/studies compare output/seeds/*/ --out output/seeds
  python examples/studies compare output/hfc output/none --out output/fixes
"""

HEADINGS = {"gan": "GANs", "cosines": "Planar cosines"}
"""By name of the testbed, of those beside the two of Schwarz et al."""

_INCIDENTAL = ("device", "threads", "versions", "pixels_sha256", "processes")
"""Settings that make no other run: those that differ in them and the seed alone are a group."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("runs", metavar="RUN", nargs="+", type=Path, help="folder that a script wrote with --out")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder for report.html and the figures")


def run(options: argparse.Namespace) -> int:
    """Compare the runs and print the table of final numbers."""
    print(compare(options.runs, options.out))
    return 0


def compare(folders: list[Path], out: Path) -> str:
    """Write the comparison of the runs in `folders` to `out`; returns the table of final numbers."""
    configs = [load_config(folder) for folder in folders]
    kinds = (*WORDINGS, *HEADINGS)
    for folder, config in zip(folders, configs, strict=True):
        if config.get("testbed") not in kinds:
            raise InputError(f"{folder} is not the run of an example script ({', '.join(kinds)})")
    testbeds = sorted({config["testbed"] for config in configs})
    if len(testbeds) > 1:
        raise InputError(f"runs of one kind can be compared; these are of {' and '.join(testbeds)}")
    if any((folder / "config.json").resolve().parent == out.resolve() for folder in folders):
        raise InputError(f"{out} is one of the runs, and its report would be lost; give another --out")
    configs = [told(config) for config in configs]
    differing = differing_settings(configs)
    titles = set_names(folders)
    results: list[RunResult] = [
        load_result(folder, title=title, color=place, of=len(folders), group=group)
        for place, (folder, title, group) in enumerate(zip(folders, titles, groups_of(titles, differing), strict=True))
    ]
    shared = {name: value for name, value in configs[0].items() if name not in differing}
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"output folder {out} cannot be written: {error.strerror}") from error
    if testbeds[0] in WORDINGS:
        write_report(out, results, shared, differing=differing)
        return format_table(results)
    comparison.write_comparison(out, HEADINGS[testbeds[0]], results, shared, differing)
    return comparison.format_table(results)


def differing_settings(configs: Sequence[Config]) -> dict[str, list[str]]:
    """Texts of the settings that are not the same in all `configs`, by name; the seed comes last."""
    names = sorted(dict.fromkeys(name for config in configs for name in config), key=lambda name: name == "seed")
    values = {name: [text(config.get(name)) for config in configs] for name in names}
    return {name: texts for name, texts in values.items() if len(set(texts)) > 1}


def groups_of(titles: Sequence[str], differing: dict[str, list[str]]) -> list[str]:
    """For each run a name of those that differ from it in the seed alone: what their names begin with."""
    named = [texts for name, texts in differing.items() if name not in ("seed", *_INCIDENTAL)]
    keys = [tuple(texts[run] for texts in named) for run in range(len(titles))]
    members = {key: [title for title, own in zip(titles, keys, strict=True) if own == key] for key in keys}
    names = {key: _common(of) for key, of in members.items()}
    if len(set(names.values())) < len(names):
        names = {key: _first(of) for key, of in members.items()}
    return [names[key] for key in keys]


def _common(titles: Sequence[str]) -> str:
    """What the names of runs begin with, without a word for the seed at its end; the first where that is nothing."""
    if len(titles) == 1:
        return titles[0]
    letters = takewhile(lambda column: len(set(column)) == 1, zip(*titles, strict=False))
    begin = "".join(column[0] for column in letters)
    return begin.rstrip("/_-. 0").removesuffix("seed").rstrip("/_-. ") or _first(titles)


def _first(titles: Sequence[str]) -> str:
    return titles[0] if len(titles) == 1 else f"{titles[0]} and {len(titles) - 1} more"
