"""Compare runs of a testbed: one self-contained page, figures as PNG and SVG, and an animation.

Runs that differ in the seed alone form a group: its mean and standard deviation stand below the table, and its band in
the figure of density ratios.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from studies.core.errors import InputError
from studies.core.record.folder import text
from studies.core.record.results import RunResult, load_config, load_result
from studies.testbeds.reading import WORDINGS
from studies.testbeds.report import write_report
from studies.testbeds.summary import format_table

EXAMPLES = """\
examples:
  python examples/studies compare output/zeros output/bilinear --out output/comparison
  python examples/studies compare output/seeds/*/ --out output/seeds
"""

_INCIDENTAL = ("device", "threads", "versions", "pixels_sha256")
"""Settings that tell runs apart without naming them."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("runs", metavar="RUN", nargs="+", type=Path, help="folder that a testbed wrote with --out")
    parser.add_argument("--out", metavar="DIR", type=Path, required=True, help="folder for report.html and the figures")


def run(options: argparse.Namespace) -> int:
    """Compare the runs and print the table of final numbers."""
    print(compare(options.runs, options.out))
    return 0


def compare(folders: list[Path], out: Path) -> str:
    """Write the comparison of the runs in `folders` to `out`; returns the table of final numbers."""
    configs = [load_config(folder) for folder in folders]
    for folder, config in zip(folders, configs, strict=True):
        if config.get("testbed") not in WORDINGS:
            raise InputError(f"{folder} is not the run of a testbed ({' or '.join(WORDINGS)})")
    testbeds = sorted({config["testbed"] for config in configs})
    if len(testbeds) > 1:
        raise InputError(f"runs of one testbed can be compared; these are of {' and '.join(testbeds)}")
    if any((folder / "config.json").resolve().parent == out.resolve() for folder in folders):
        raise InputError(f"{out} is one of the runs, and its report would be lost; give another --out")
    differing = differing_settings(configs)
    titles = name_runs(folders, differing)
    groups = name_runs(folders, {name: values for name, values in differing.items() if name != "seed"})
    if len(differing.keys() - {"seed"}) == 0 and "seed" in differing:
        groups = ["all seeds"] * len(folders)
    results: list[RunResult] = [
        load_result(folder, title=title, color=index, group=group)
        for index, (folder, title, group) in enumerate(zip(folders, titles, groups, strict=True))
    ]
    shared = {name: value for name, value in configs[0].items() if name not in differing}
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"output folder {out} cannot be written: {error.strerror}") from error
    write_report(out, results, shared, differing=differing)
    return format_table(results)


def differing_settings(configs: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Texts of the settings that are not the same in all `configs`, by name; the seed comes last."""
    names = sorted(dict.fromkeys(name for config in configs for name in config), key=lambda name: name == "seed")
    values = {name: [text(config.get(name)) for config in configs] for name in names}
    return {name: texts for name, texts in values.items() if len(set(texts)) > 1}


def name_runs(folders: list[Path], differing: dict[str, list[str]]) -> list[str]:
    """What tells each run from the others: "zeros, seed 1"; its folder where nothing does."""
    named = {name: texts for name, texts in differing.items() if name not in _INCIDENTAL}
    return [
        ", ".join(_short(name, texts[index]) for name, texts in named.items()) or folder.name
        for index, folder in enumerate(folders)
    ]


def _short(name: str, value: str) -> str:
    words = value.replace("_", "").replace("+", "").replace("-", "").isalpha() and value not in ("True", "False")
    return value if words else f"{name.replace('_', ' ')} {value or 'none'}"
