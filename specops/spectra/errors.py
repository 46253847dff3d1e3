"""What a command tells in one line before it ends."""

from __future__ import annotations


class InputError(Exception):
    """Wrong input, told in one line: what was expected, what came and how to mend it."""


class CutOffError(Exception):
    """Why a run cannot go on on this machine, in one line; a later one can, from where it stood."""


def first_line(error: BaseException) -> str:
    """Returns what an error says, in one line; its type where it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
