"""What the files of sets are, and what of it changes spectra by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from specops.spectra.sums import Sums

FORMATS_DIFFER = 0.1  # share of pictures whose format would have to change
QUALITIES_DIFFER = 2  # of the median
SIZES_DIFFER = 1.05  # ratio of the median numbers of pixels
SHOWN = 3  # of what pictures have, the most frequent


def files_of(sums: Sums) -> dict[str, str]:
    """Returns formats, JPEG qualities, original sizes and notes of a set of at least one picture, in words."""
    quality = _known(sums)
    told = {
        "formats": _listed(sums.traits["format"], sums.n),
        "sizes": _listed(Counter({_shape(size): count for size, count in sums.traits["size"].items()}), sums.n),
    }
    if quality:
        low, median, high = (_quantile(quality, q) for q in (0.05, 0.5, 0.95))
        told["JPEG quality"] = str(median) if low == high else f"{median} (90 % within {low} to {high})"
    if sums.traits["notes"]:
        told["notes"] = "; ".join(f"{note}: {count:,}" for note, count in sorted(sums.traits["notes"].items()))
    return told


def _listed(counted: Counter[str], n: int) -> str:
    if len(counted) == 1:
        return next(iter(counted))
    told = [f"{count / n:.0%} {each}".replace("%", " %", 1) for each, count in counted.most_common(SHOWN)]
    others = len(counted) - SHOWN
    return ", ".join([*told, f"{others:,} more"] if others > 0 else told)


def warnings_of(names: Sequence[str], sets: Sequence[Sums]) -> list[str]:
    """Returns, in words, in what the files of each set differ from those of the first so that spectra do, and notes."""
    told: dict[str, list[str]] = {}
    for name, sums in zip(names, sets, strict=True):
        for each in _differences(sums, sets[0], names[0]) if sums is not sets[0] else ():
            told.setdefault(each, []).append(name)
    lines = [f"{_some(having)}: {each}" for each, having in told.items()]
    for name, sums in zip(names, sets, strict=True):
        notes = sorted(sums.traits["notes"].items())
        lines += [f"{name}: {note} in {count:,} of {sums.n:,} pictures" for note, count in notes]
    return lines


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join([*names[:SHOWN], f"{more:,} more sets"] if more > 0 else names)


def _differences(sums: Sums, reference: Sums, name: str) -> list[str]:
    told = []
    both = (sums, reference)
    if _distance(*(each.traits["format"] for each in both)) > FORMATS_DIFFER:
        shares = " against ".join(_listed(each.traits["format"], each.n) for each in both)
        told.append(f"file formats differ from those of {name} ({shares}), which alone changes spectra")
    qualities = [_quantile(known, 0.5) for each in both if (known := _known(each))]
    if len(qualities) == 2 and abs(qualities[0] - qualities[1]) > QUALITIES_DIFFER:
        medians = f"{qualities[0]} against {qualities[1]} in the median"
        told.append(f"JPEG quality differs from that of {name} ({medians}), which alone changes spectra")
    areas = [_quantile(_areas(each), 0.5) for each in both]
    if max(areas) > SIZES_DIFFER * min(areas):
        shapes = " against ".join(_shape(each.traits["size"].most_common(1)[0][0]) for each in both)
        told.append(f"original sizes differ from those of {name} ({shapes}), and so does what a frequency means")
    return told


def _distance(a: Counter[Any], b: Counter[Any]) -> float:
    """Share of elements that would have to change to make one distribution the other."""
    return sum(abs(a[key] / a.total() - b[key] / b.total()) for key in a.keys() | b.keys()) / 2


def _known(sums: Sums) -> Counter[int]:
    return Counter({quality: count for quality, count in sums.traits["quality"].items() if quality is not None})


def _areas(sums: Sums) -> Counter[int]:
    areas: Counter[int] = Counter()
    for (height, width), count in sums.traits["size"].items():
        areas[height * width] += count
    return areas


def _quantile(counted: Counter[int], q: float) -> int:
    """The element of a place in the order of all that were counted."""
    left = min(int(q * counted.total()), counted.total() - 1)
    for element, count in sorted(counted.items()):
        left -= count
        if left < 0:
            return element
    raise ValueError("nothing was counted")


def _shape(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
