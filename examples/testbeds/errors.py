"""The one exception that a user's wrong input raises."""

from __future__ import annotations


class InputError(Exception):
    """Wrong input, told in one line: what was expected, what came and how to mend it."""
