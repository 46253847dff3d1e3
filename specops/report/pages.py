"""Self-contained HTML pages from templates, and relative errors as they are written there."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import jinja2

_TEMPLATES = Path(__file__).parent / "templates"


def page(template: Path, *folders: Path, **values: Any) -> str:
    """Returns the page of a `template`.

    It may extend and import templates beside it, those in `folders` and those of this package. Values are escaped.
    `percent` and `clamped_percent` are filters.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, *folders, _TEMPLATES]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"percent": percent, "clamped_percent": clamped_percent}
    return environment.get_template(template.name).render(**values)


def percent(error: float) -> str:
    """Returns a relative error with a typographic sign: "+25,100 %"; a dash where there is none."""
    if not math.isfinite(error):
        return "\N{EN DASH}" if math.isnan(error) else "+∞ %"
    rounded = round(100 * error)
    sign = "\N{MINUS SIGN}" if rounded < 0 else "+" if rounded > 0 else "±"
    return f"{sign}{abs(rounded):,} %"


def clamped_percent(error: float) -> str:
    """Returns the same for an error that was clamped to ±1, and may have been larger."""
    return "+100 % or more" if error >= 1 else percent(error)
