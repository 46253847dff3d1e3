"""The folder of a run: what may be written there, under which names, and what config.json records."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import specops
from specops.report.files import is_partial, write_atomically
from studies.core.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

CHECKPOINT = "checkpoint.safetensors"
METRICS = "metrics.csv"
SPECTRA = "spectra.npz"
CONFIG = "config.json"
REPORT = "report.html"
SKIPPED = "skipped.csv"
TARGET_PICTURE = "target.png"
GENERATED_PICTURE = "generated.png"

_WRITTEN = (CHECKPOINT, METRICS, SPECTRA, REPORT, SKIPPED, TARGET_PICTURE, GENERATED_PICTURE, CONFIG)
_OF_IMAGES = ("pictures", "pixels_sha256")
"""What a record says of the images that a run trains on."""
_OF_OWN_NETWORKS = ("upsample", "downsample", "padding")
_FREE = ("steps",)
"""Settings that a resumed run need not share with what it resumes."""

Config = dict[str, Any]
"""What config.json holds."""


def record(testbed: str, settings: DataclassInstance, device: torch.device, **more: Any) -> Config:
    """What config.json records: the settings, `more`, and what the run is computed on."""
    config = {
        "testbed": testbed,
        **asdict(settings),
        **more,
        "device": str(device),
        "threads": torch.get_num_threads(),
        "versions": {"specops": specops.__version__, "torch": torch.__version__},
    }
    return _as_json(config)


def fixed_settings(settings: DataclassInstance) -> Config:
    """The settings as config.json has them, without those that a resumed run need not share."""
    return {name: value for name, value in _as_json(asdict(settings)).items() if name not in _FREE}


def shown(config: Config) -> dict[str, str]:
    """The record as a page shows it."""
    return {name.replace("_", " "): text(value) for name, value in told(config).items() if value is not None}


def told(config: Config) -> Config:
    """The record without settings of the testbeds' own networks where the run is of another one, which has none."""
    if config.get("model") is None:
        return config
    return {name: value for name, value in config.items() if name not in _OF_OWN_NETWORKS}


def text(value: object) -> str:
    """A recorded value as a page shows it; lists of lists are the frequencies of waves, "3,3 29,29"."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {entry}" for name, entry in value.items())
    if isinstance(value, list) and value and isinstance(value[0], list):
        return " ".join(",".join(map(str, entry)) for entry in value)
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return "" if value is None else str(value)


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

    `written` are names of files and folders beside those that every run writes.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        for name in (*written, *_WRITTEN) if overwrite else ():  # the record last, or a killed call would leave none
            if (path / name).is_dir():
                shutil.rmtree(path / name)
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
    differing = [key for key in fixed if found.get(key) != asked[key]]
    if differing:
        told = "; ".join(_difference(key, found, asked) for key in differing)
        advice = "put the images back as they were" if set(differing) <= set(_OF_IMAGES) else "use its settings"
        raise InputError(f"cannot resume {path}: its run has {told}; {advice}, or start anew with --overwrite")


def _difference(key: str, found: Config, asked: Config) -> str:
    if key not in found:
        return f"no {key}, which is {asked[key]!r} now"
    if key == "pixels_sha256":
        names = [", ".join(config.get("images", [])) for config in (found, asked)]
        return f"images {names[0]}, not {names[1]}" if names[0] != names[1] else f"other pixels in {names[0]}"
    if isinstance(found[key], dict) and isinstance(asked[key], dict):
        pairs = [(name, value, asked[key].get(name)) for name, value in found[key].items()]
        return f"{key}: " + ", ".join(f"{name} {old}, not {new}" for name, old, new in pairs if old != new)
    return f"{key} {found[key]!r}, not {asked[key]!r}"


def _as_json(values: Config) -> Config:
    config: Config = json.loads(json.dumps(values))
    return config
