"""`specops spectrum`: what its options mean, and what it writes."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
from collections import Counter
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import torch

from specops import geometry
from specops.report.files import is_partial, write_atomically
from specops.report.tables import aligned, cell
from specops.spectra.errors import InputError, first_line
from specops.spectra.loading import Framing, size_of_item
from specops.spectra.memory import map_large_pieces
from specops.spectra.outcome.closeups import closeups
from specops.spectra.outcome.page import render
from specops.spectra.outcome.results import Results
from specops.spectra.pixels import UnreadableError, check_range
from specops.spectra.progress import progress
from specops.spectra.run import Job, Processes, processes
from specops.spectra.sources import Source, printable, set_names, source_of
from specops.spectra.sums import Measure, Sums

SMALLEST_SIDE = 8
SKIPPED = 3  # exit code
STATE = "partial.npz"
FILES = ("report.html", "spectra.npz", "spectra.csv", "summary.json", "skipped.csv")
SHOWN_SIZES = 5


def run(options: argparse.Namespace) -> tuple[int, str]:
    """Runs the command; returns its exit code and what it tells.

    Raises:
        InputError: wrong input, mostly before any work.
        CutOffError, OSError: the machine lets it go no further; `--resume` does.
    """
    map_large_pieces(True)
    with processes() as team:
        job = job_of(options, team)
        state = options.out / STATE
        if team.rank == 0:
            prepare(options.out, options.resume, options.overwrite)
        sets = job.run(team, state, options.resume)
        if team.rank > 0:
            return 0, ""
        check_read(job.names, sets)
        seen = closeups(job.sources, sets, job.framing, job.measure, job.limit, options.swd)
        results = Results.of(job.names, sets, job.measure, seen)
        written = (render(results).encode(), results.npz(), results.csv(), results.summary(), results.skipped())
        for file, content in zip(FILES, written, strict=True):
            write_atomically(options.out / file, content)
        state.unlink(missing_ok=True)
        return told(results, options.out)


def told(results: Results, out: Path) -> tuple[int, str]:
    """Returns the exit code of a run, and its numbers and findings as text."""
    lines = [table(results), *results.sentences, *results.warnings]
    skipped = sum(len(sums.skipped) for sums in results.sets)
    if skipped:
        were = " was" if skipped == 1 else "s were"
        lines.append(f"{skipped:,} picture{were} skipped: see {printable(str(out / 'skipped.csv'))}")
    return (SKIPPED if skipped else 0), "\n".join(lines)


def check_read(names: Sequence[str], sets: Sequence[Sums]) -> None:
    """Raises InputError where a set has no picture that was read."""
    for name, sums in zip(names, sets, strict=True):
        if sums.n == 0:
            reason = next(iter(sums.skipped.values()), "it is empty")
            raise InputError(f"{name} has no picture that can be read: {reason}")


def job_of(options: argparse.Namespace, team: Processes) -> Job:
    """Returns what the options ask for; raises InputError."""
    for name, least in {"size": SMALLEST_SIDE, "resize": SMALLEST_SIDE, "limit": 1, "batch": 1}.items():
        if getattr(options, name) is not None and getattr(options, name) < least:
            raise InputError(f"--{name} must be at least {least}; got {getattr(options, name)}")
    if options.size is not None and options.resize is not None:
        raise InputError("--size and --resize exclude each other")
    if options.workers < 0:
        raise InputError(f"--workers must be at least 0; got {options.workers}")
    if options.name and len(options.name) != len(options.sets):
        raise InputError(
            f"--name must be given for each of the {len(options.sets)} sets or for none; got {len(options.name)}"
        )
    if len(set(options.name)) < len(options.name):
        raise InputError(f"--name must differ from set to set; got {', '.join(options.name)}")
    needed = ("sklearn", "torchmetrics") if options.swd else ("sklearn",)
    for module in needed:
        if find_spec(module) is None:
            raise InputError(f"{module} is not installed; pip install 'specops[metrics]' installs it")
    sources = [source_of(path) for path in options.sets]
    framing = Framing(options.size or options.resize, options.resize is not None, check_range(tuple(options.range)))
    side = framing.side
    size = (side, side) if side else team.same(common_size(sources, options.limit) if team.rank == 0 else None)
    measure = Measure(size, options.convention, options.window, device_of(options.device))
    names = [printable(name) for name in options.name] or set_names(options.sets)
    return Job(names, sources, framing, measure, options.limit, options.workers, options.batch)


def device_of(name: str) -> str:
    """Returns a device that is there, of several for torchrun's processes each its own; raises InputError."""
    try:
        device = torch.device(name)
        if device.type == "cuda" and device.index is None:
            device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"--device {name} cannot be used: {first_line(error)}") from error
    return str(device)


def common_size(sources: Sequence[Source], limit: int | None) -> tuple[int, int]:
    """Returns the size (H, W) that all pictures have by their headers, or raises InputError with those there are."""
    sizes: Counter[tuple[int, int]] = Counter()
    for source in sources:
        with progress(f"sizes in {printable(source.path.name)}", None, at_once=False) as tell:
            for number, item in source.items(limit):
                with contextlib.suppress(UnreadableError):  # it will be skipped, with its reason
                    sizes[size_of_item(item)] += 1
                tell(number + 1)
    if not sizes:
        raise InputError(f"{', '.join(str(source.path) for source in sources)}: no picture can be read")
    if len(sizes) > 1:
        common = ", ".join(f"{count:,} of {h} x {w}" for (h, w), count in sizes.most_common(SHOWN_SIZES))
        more = f" and {len(sizes) - SHOWN_SIZES:,} more sizes" if len(sizes) > SHOWN_SIZES else ""
        raise InputError(
            f"pictures have {len(sizes):,} sizes: {common}{more}. Give --size N, which crops, or --resize N"
        )
    (size,) = sizes
    if min(size) < SMALLEST_SIDE:
        raise InputError(f"pictures must have at least {SMALLEST_SIDE} pixels a side; got {size[0]} x {size[1]}")
    return size


def prepare(out: Path, resume: bool, overwrite: bool) -> None:
    """Makes the folder; raises InputError where it holds anything, unless that is to be gone on from or replaced."""
    if out.exists() and not out.is_dir():
        raise InputError(f"--out must be a folder; {out} is a file")
    held = [] if not out.exists() else [path.name for path in out.iterdir() if not is_partial(path)]
    if STATE in held and not (resume or overwrite):
        raise InputError(f"{out} holds a run that was cut off; give --resume to go on, or --overwrite to replace it")
    if held and STATE not in held and not overwrite:
        raise InputError(f"{out} holds files; give another folder, or --overwrite to replace a run's")
    if overwrite and not resume:
        for file in (*FILES, STATE):
            (out / file).unlink(missing_ok=True)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out} cannot be made: {error.strerror}") from error


def table(results: Results) -> str:
    """Returns the numbers of the sets as text."""
    rows: list[tuple[str, ...]] = [("set", "images", *geometry.BANDS, "leakage", "told apart", "slope")]
    width = max(20, shutil.get_terminal_size().columns - 60)
    for i, (name, sums) in enumerate(zip(results.names, results.sets, strict=True)):
        shown = name if len(name) <= width else name[: width - 1] + "…"
        cells = ["-"] * 6
        if i > 0:
            each = results.differences[i - 1]
            cells = [cell(error, "+.3f") for error in each.bands.values()]
            cells += [cell(each.leakage, ".3f"), cell(each.accuracy, ".2f")]
        rows.append((shown, f"{sums.n:,}", *cells, cell(results.spectra[i].slope, ".2f")))
    return aligned(rows)
