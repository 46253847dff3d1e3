"""Kernels with one barrier or mask taken out: the list of them is read off the source."""

from __future__ import annotations

import ast
import re
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


def _closing(text: str, start: int) -> int:
    """Returns the position of the parenthesis that closes the one at `start`."""
    depth = 0
    for position in range(start, len(text)):
        depth += (text[position] == "(") - (text[position] == ")")
        if depth == 0:
            return position
    raise ValueError("a parenthesis is not closed")
