"""Tables as text."""

from __future__ import annotations

import math
from collections.abc import Sequence

_BAR = r"\|"


def cell(value: float, form: str) -> str:
    """Returns the number in the format `form`; a dash where there is none."""
    return "-" if math.isnan(value) else format(value, form)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Returns the rows as lines, the first column flush left and the others flush right.

    Example:
        >>> print(aligned([("set", "n"), ("photos", "12")]))
        set      n
        photos  12
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = (text.rjust(width) for text, width in zip(others, widths[1:], strict=True))
        lines.append("  ".join([first.ljust(widths[0]), *cells]))
    return "\n".join(lines)


def markdown(rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns the lines of a Markdown table, whose head is the first of the rows.

    Example:
        >>> print(*markdown([("set", "|x|"), ("photos", "12")]), sep="\\n")
        | set | \\|x\\| |
        |---|---|
        | photos | 12 |
    """
    lines = [f"| {' | '.join(text.replace('|', _BAR) for text in row).rstrip()} |" for row in rows]
    return [lines[0], "|---" * len(rows[0]) + "|", *lines[1:]]
