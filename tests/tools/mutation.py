"""Copies of a kernel without one of its barriers, conditions or masks, which are read off its source."""

from __future__ import annotations

import ast
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cuda_source import CSRC


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
        sources: texts by their place in csrc.
        barrier: regular expression of the statements that are barriers.
        choices: by name, expressions that stand there, and what is in the place of one of them in a mutant.
    """
    switched: dict[str, str] = {}
    mutants: list[str] = []
    for name, source in sources.items():
        edits = []
        for old, new in choices.get(name, ()):
            found = [match.span() for match in re.finditer(re.escape(old), source)]
            if not found:
                raise ValueError(f"{old!r} does not stand in {name}")
            edits += [(start, end, f"(mutant_in_force == NUMBER ? {new} : OLD)") for start, end in found]
        chosen = _numbered(name, source, edits, mutants)
        text = _without_comments(chosen)
        edits = [(m.start(), m.end(), "if (mutant_in_force != NUMBER) OLD") for m in re.finditer(barrier, text)]
        for match in re.finditer(r"\bif \(", text):
            for start, end in _terms(text, match.end(), _closing(text, match.end() - 1)):
                edits.append((start, end, "(mutant_in_force == NUMBER || (OLD))"))
        switched[name] = _numbered(name, chosen, edits, mutants)
    return switched, mutants


def write_switched(switched: Mapping[str, str], source: Path, folder: Path) -> Path:
    """Returns a copy of a `.cu` source that defines SELECTION, in a copy of csrc that holds the switched texts."""
    shutil.copytree(CSRC, folder, dirs_exist_ok=True)
    for name, text in switched.items():
        (folder / name).write_text(text)
    copy = folder / source.relative_to(CSRC)
    copy.write_text(SELECTION + copy.read_text())
    return copy


def _numbered(name: str, text: str, edits: Sequence[tuple[int, int, str]], mutants: list[str]) -> str:
    """Returns the text with each span in its form, OLD and its NUMBER filled in, and lists what it was in `mutants`."""
    end_of_last, parts = 0, []
    for start, end, form in sorted(edits):
        old = text[start:end]
        parts += [text[end_of_last:start], form.replace("NUMBER", str(len(mutants))).replace("OLD", old)]
        mutants.append(f"{name} line {text.count(chr(10), 0, start) + 1}: {old}")
        end_of_last = end
    return "".join([*parts, text[end_of_last:]])


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


def _without_comments(source: str) -> str:
    """Returns the source with spaces for comments, every character where it was."""
    return re.sub(r"//[^\n]*|/\*.*?\*/", lambda match: re.sub(r"\S", " ", match[0]), source, flags=re.DOTALL)


def _terms(text: str, start: int, end: int) -> list[tuple[int, int]]:
    """Returns where the terms of a condition are that must all be true."""
    outermost = [i for i in range(start, end) if text[start:i].count("(") == text[start:i].count(")")]
    ands = [i for i in outermost if text.startswith(" && ", i)]
    if any(text.startswith(" || ", i) for i in outermost):
        return [(start, end)]
    return list(zip([start, *(i + len(" && ") for i in ands)], [*ands, end], strict=True))


def _closing(text: str, start: int) -> int:
    """Returns the position of the parenthesis that closes the one at `start`."""
    depth = 0
    for position in range(start, len(text)):
        depth += (text[position] == "(") - (text[position] == ")")
        if depth == 0:
            return position
    raise ValueError("a parenthesis is not closed")
