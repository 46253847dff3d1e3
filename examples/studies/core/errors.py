"""The exceptions that are told in one line, without a traceback."""

from __future__ import annotations


class InputError(Exception):
    """Wrong input, told in one line: what was expected, what came and how to mend it."""


class TrainingError(Exception):
    """A training that cannot go on, told in one line: what happened and what is left."""
