"""The folder of a run: what may be written there, and under which names."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from studies.core.errors import InputError
from studies.core.files import is_partial, write_atomically

CHECKPOINT = "checkpoint.safetensors"
METRICS = "metrics.csv"
SPECTRA = "spectra.npz"
CONFIG = "config.json"
REPORT = "report.html"
TARGET_PICTURE = "target.png"
GENERATED_PICTURE = "generated.png"
AVERAGE_PICTURE = "average.png"
ANIMATION = "evolution.webp"
PLOTS = ("evolution", "spectrum", "spectrum_error", "density_ratio", "psnr")
"""Figures, each as PNG and as SVG."""

_WRITTEN = (
    CHECKPOINT, METRICS, SPECTRA, REPORT, TARGET_PICTURE, GENERATED_PICTURE, AVERAGE_PICTURE, ANIMATION,
    *(f"{plot}.{suffix}" for plot in PLOTS for suffix in ("png", "svg")), CONFIG,
)  # fmt: skip

Config = dict[str, Any]


def check_folder(path: Path, config: Config, fixed: Sequence[str], *, resume: bool, overwrite: bool) -> None:
    """Raise InputError unless a run with `config` may use the folder `path`; writes nothing.

    A missing or empty folder is always fine. One that holds something is fine with `overwrite`, or with `resume` if the
    run in it has the same values under the keys `fixed`.
    """
    if path.exists() and not path.is_dir():
        raise InputError(f"output folder {path} is a file; give another --out")
    if overwrite or not _is_used(path):
        return
    if not resume:
        choices = "go on with --resume, start anew with --overwrite, or give another --out"
        raise InputError(f"output folder {path} is not empty: {choices}")
    if not (path / CONFIG).is_file():
        raise InputError(f"output folder {path} holds other files but no run to resume; give another --out")
    _compare(path, read_config(path / CONFIG), config, fixed)


def prepare_folder(path: Path, config: Config, *, overwrite: bool, written: Sequence[str] = ()) -> None:
    """Create the folder and record `config` in it; with `overwrite`, first remove what an earlier run wrote.

    `written` are names of files beside those that every run writes.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        if overwrite:
            for name in (*_WRITTEN, *written):
                (path / name).unlink(missing_ok=True)
        write_atomically(path / CONFIG, json.dumps(config, indent=2).encode() + b"\n")
    except OSError as error:
        raise InputError(f"output folder {path} cannot be written: {error.strerror}") from error


def _is_used(path: Path) -> bool:
    return path.is_dir() and any(not is_partial(entry) for entry in path.iterdir())


def read_config(path: Path) -> Config:
    """What the config.json at `path` records."""
    try:
        config = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}); start anew with --overwrite") from error
    if not isinstance(config, dict):
        raise InputError(f"{path} is no record of a run; start anew with --overwrite")
    return config


def _compare(path: Path, found: Config, asked: Config, fixed: Sequence[str]) -> None:
    contradictions = [
        f"{key} {found[key]!r}, not {asked[key]!r}" if key in found else f"no {key}, which is {asked[key]!r} now"
        for key in fixed
        if found.get(key) != asked[key]
    ]
    if contradictions:
        advice = "use its settings, or start anew with --overwrite"
        raise InputError(f"cannot resume {path}: its run has {'; '.join(contradictions)}; {advice}")
