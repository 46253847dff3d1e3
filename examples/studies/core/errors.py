"""The exceptions that are told in one line, without a traceback."""

from __future__ import annotations

from specops.spectra.errors import InputError as InputError


class TrainingError(Exception):
    """A training that cannot go on, told in one line: what happened and what is left."""
