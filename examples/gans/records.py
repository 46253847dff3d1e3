"""What config.json records of a run, and how a page shows it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

from testbeds.run_folder import Config

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

FREE = ("steps",)
"""Settings that a resumed run need not share with what it resumes."""


def fixed_settings(settings: DataclassInstance) -> Config:
    """The settings as config.json has them, without those that a resumed run need not share."""
    config: Config = json.loads(json.dumps(asdict(settings)))
    return {name: value for name, value in config.items() if name not in FREE}
