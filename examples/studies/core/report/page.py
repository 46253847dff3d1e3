"""Pages of studies: templates, and figures for light and dark pages in them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import matplotlib.figure

from studies.core.record.results import RunResult

from . import plots
from .reading import clamped_percent, percent

_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Figure:
    """A picture for light and for dark pages, as data URLs, with its description."""

    light: str
    dark: str
    description: str


def page(template: Path, **values: Any) -> str:
    """The page of a `template`, which may extend base.html.jinja and take the macro of figure.html.jinja."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([template.parent, _TEMPLATES]),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"percent": percent, "clamped_percent": clamped_percent}
    return environment.get_template(template.name).render(**values)


def themed(draw: Callable[..., matplotlib.figure.Figure], results: Sequence[RunResult], description: str) -> Figure:
    """What `draw(results, theme)` draws, for light and for dark pages."""
    light, dark = (data_url(plots.svg(draw(results, theme)), "svg+xml") for theme in (plots.LIGHT, plots.DARK))
    return Figure(light, dark, description)


def data_url(content: bytes, kind: str) -> str:
    """A file of the type image/`kind` as text to be put into a page."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
