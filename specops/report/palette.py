"""The colours of figures, on light and on dark pages; those of the pages are in templates/base.html.jinja."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Theme:
    """Colours of a figure; `background` may be "none"."""

    background: str
    ink: str
    faint: str
    series: tuple[str, ...]


LIGHT = Theme("white", "#1b1f24", "#c9ced6", ("#0b6fb8", "#c9500f", "#0a8a63", "#a8478d", "#7a6a00", "#5b5bd6"))
DARK = Theme("none", "#e6e8eb", "#3c434d", ("#5cb3f0", "#f59552", "#3ecf9e", "#e394cb", "#d8c24a", "#9d9df5"))
