"""What config.json records of a run, and how a page shows it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import torch

import specops

from .folder import Config

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_FREE = ("steps",)
"""Settings that a resumed run need not share with what it resumes."""


def record(testbed: str, settings: DataclassInstance, device: torch.device, **more: Any) -> Config:
    """What config.json records: the settings, `more`, and what the run is computed on."""
    return _as_json(
        {
            "testbed": testbed,
            **asdict(settings),
            **more,
            "device": str(device),
            "threads": torch.get_num_threads(),
            "versions": {"specops": specops.__version__, "torch": torch.__version__},
        }
    )


def fixed_settings(settings: DataclassInstance) -> Config:
    """The settings as config.json has them, without those that a resumed run need not share."""
    return {name: value for name, value in _as_json(asdict(settings)).items() if name not in _FREE}


def shown(config: Config) -> dict[str, str]:
    """The record as a page shows it."""
    return {name.replace("_", " "): _text(value) for name, value in config.items() if value is not None}


def _as_json(values: Config) -> Config:
    config: Config = json.loads(json.dumps(values))
    return config


def _text(value: object) -> str:
    """Lists of lists are the frequencies of waves, "3,3 29,29"."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {entry}" for name, entry in value.items())
    if isinstance(value, list):
        entries = (",".join(map(str, entry)) if isinstance(entry, list) else str(entry) for entry in value)
        return " ".join(entries) or "none"
    return str(value)
