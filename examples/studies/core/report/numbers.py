"""Final numbers of runs, in the same units on pages and terminals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from specops.geometry import BANDS
from specops.report.pages import percent
from specops.report.tables import aligned

Form = Callable[[float], str]

_NUMBERS: dict[str, tuple[str, Form]] = {
    "leakage": ("Leakage", "{:.3f}".format),
    "leakage_hann": ("Leakage, Hann window", "{:.3f}".format),
    "detectability": ("Detectability", "{:.2f}".format),
    "cloaking": ("Cloaking", "{:.2f}".format),
    "swd": ("10³ SWD", lambda distance: f"{1000 * distance:.1f}"),
    "fid": ("FID", "{:.2f}".format),
    "kid_mean": ("KID", "{:.4f}".format),
}
"""What tables call a column of metrics.csv, and how they write it."""


def final_numbers(row: Mapping[str, float]) -> dict[str, str]:
    """The numbers of a row of metrics.csv beside its bands, by what tables call them."""
    shown = {}
    for name, value in row.items():
        level = name.removeprefix("swd_")
        if level.isdigit():
            shown[f"10³ SWD {level}²"] = _NUMBERS["swd"][1](value)
        elif name in _NUMBERS:
            head, form = _NUMBERS[name]
            shown[head] = form(value)
    return shown


def band_numbers(errors: Mapping[str, float]) -> dict[str, str]:
    """The clamped relative errors of bands, by what tables call those."""
    return {band.capitalize(): percent(error) for band, error in errors.items()}


def numbers_of(row: Mapping[str, float]) -> dict[str, str]:
    """All of a row that tables show."""
    return band_numbers({band: row[f"e_{band}"] for band in BANDS}) | final_numbers(row)


def heads_of(rows: Iterable[Mapping[str, str]]) -> list[str]:
    """The heads of all rows, in order."""
    return list(dict.fromkeys(head for row in rows for head in row))


def table(rows: Mapping[str, Mapping[str, str]]) -> str:
    """Numbers of runs by their name as aligned text; a dash where a run has none of that name."""
    heads = heads_of(rows.values())
    return aligned([("run", *heads), *((name, *(of.get(head, "-") for head in heads)) for name, of in rows.items())])
