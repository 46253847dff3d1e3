"""Kernels with one barrier or mask taken out: the list of them is read off the source."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """A source without one of its barriers or masks.

    Attributes:
        what: the text that is gone.
        line: where it stood.
        source: the whole text without it.
    """

    what: str
    line: int
    source: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}"


def cuda_barriers(source: str) -> list[Mutant]:
    """Returns a mutant per __syncthreads and __syncwarp, a barrier without effect in its place."""
    found = re.finditer(r"__sync(threads|warp)\([^()]*\);", _without_comments(source))
    return [_mutant(source, match.start(), match.end(), ";") for match in found]


def cuda_masks(source: str) -> list[Mutant]:
    """Returns a mutant per `if (condition)` known at run time only, the condition taken for true."""
    text = _without_comments(source)
    mutants = []
    for match in re.finditer(r"\bif \(", text):
        end = _closing(text, match.end() - 1)
        mutants.append(_mutant(source, match.start(), end + 1, "if (true)"))
    return mutants


SELECTION = """\
static int mutant_in_force = -1;
extern "C" int specops_select_mutant(int64_t number, void*) { return mutant_in_force = number, 0; }
"""


def switchable(
    sources: Mapping[str, str], barrier: str, choices: Mapping[str, Sequence[tuple[str, str]]]
) -> tuple[dict[str, str], list[str]]:
    """Returns CUDA sources that hold all their mutants, and what goes in each of them.

    Where `mutant_in_force`, declared by SELECTION, is the number of a mutant, its barrier is passed by, its term of the
    condition of an `if` is true, or its expression another: one compilation does for all.

    Args:
        sources: texts by name.
        barrier: regular expression of the statements that are barriers.
        choices: by name, expressions that stand there once, and what is in their place in the mutant.
    """
    switched, mutants = {}, []
    for name, source in sources.items():
        text = _without_comments(source)
        edits = [(m.start(), m.end(), "if (mutant_in_force != NUMBER) OLD") for m in re.finditer(barrier, text)]
        for match in re.finditer(r"\bif \(", text):
            for start, end in _terms(text, match.end(), _closing(text, match.end() - 1)):
                edits.append((start, end, "(mutant_in_force == NUMBER || (OLD))"))
        for old, new in choices.get(name, ()):
            if text.count(old) != 1:
                raise ValueError(f"{old!r} stands {text.count(old)} times in {name}")
            start = text.index(old)
            edits.append((start, start + len(old), f"(mutant_in_force == NUMBER ? {new} : OLD)"))
        end_of_last, parts = 0, []
        for start, end, form in sorted(edits):
            old = source[start:end]
            parts += [source[end_of_last:start], form.replace("NUMBER", str(len(mutants))).replace("OLD", old)]
            mutants.append(f"{name} line {source.count(chr(10), 0, start) + 1}: {old}")
            end_of_last = end
        switched[name] = "".join([*parts, source[end_of_last:]])
    return switched, mutants


def triton_masks(source: str) -> list[Mutant]:
    """Returns a mutant per `mask=` of a load or store, left out, and per `where`, its first choice always taken."""
    mutants = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        names = {keyword.arg for keyword in node.keywords}
        if "mask" in names:
            kept = [keyword for keyword in node.keywords if keyword.arg not in ("mask", "other")]
            mutants.append(_replaced(source, node, ast.Call(node.func, node.args, kept)))
        if node.func.attr == "where" and len(node.args) == 3:
            mutants.append(_replaced(source, node, node.args[1]))
    return sorted(mutants, key=lambda mutant: mutant.line)


def _replaced(source: str, old: ast.expr, new: ast.expr) -> Mutant:
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line.encode()))
    first = starts[old.lineno - 1] + old.col_offset
    last = starts[(old.end_lineno or 0) - 1] + (old.end_col_offset or 0)
    encoded = source.encode()
    text = (encoded[:first] + f"({ast.unparse(new)})".encode() + encoded[last:]).decode()
    return Mutant(ast.unparse(old), old.lineno, text)


def _mutant(source: str, start: int, end: int, instead: str) -> Mutant:
    return Mutant(source[start:end], source.count("\n", 0, start) + 1, source[:start] + instead + source[end:])


def _without_comments(source: str) -> str:
    """Returns the source with spaces for comments, every character where it was."""
    return re.sub(r"//[^\n]*|/\*.*?\*/", lambda match: re.sub(r"\S", " ", match[0]), source, flags=re.DOTALL)


def _terms(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Returns where the terms of a conjunction without nested ones are."""
    ands = [match.span() for match in re.finditer(" && ", text[start:end])]
    bounds = [start, *(start + each for span in ands for each in span), end]
    return list(zip(bounds[::2], bounds[1::2], strict=True))


def _closing(text: str, start: int) -> int:
    """Returns the position of the parenthesis that closes the one at `start`."""
    depth = 0
    for position in range(start, len(text)):
        depth += (text[position] == "(") - (text[position] == ")")
        if depth == 0:
            return position
    raise ValueError("a parenthesis is not closed")
