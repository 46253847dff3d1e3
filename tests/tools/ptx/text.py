"""PTX as text: what an entry declares, and its instructions in order."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

BITS = {kind + str(bits): bits for kind in "busf" for bits in (8, 16, 32, 64)}
BITS |= {"bf16": 16, "f16x2": 32, "bf16x2": 32, "f32x2": 64, "s16x2": 32, "u16x2": 32}


class PtxError(RuntimeError):
    """A kernel that does what it must not, or what is not implemented here."""


@dataclass(frozen=True)
class Instruction:
    """`@guard opcode operands;`, with the source line that .loc gives, 0 where there is none."""

    guard: str | None
    negated: bool
    opcode: tuple[str, ...]
    operands: tuple[str, ...]
    text: str
    source_line: int

    def __str__(self) -> str:
        return self.text + (f"  (source line {self.source_line})" if self.source_line else "")


@dataclass(frozen=True)
class Parameter:
    name: str
    type: str
    bytes: int


@dataclass
class Entry:
    """A kernel: parameters in order, widths of registers (0: predicate), shared symbols, instructions, labels."""

    name: str
    parameters: list[Parameter]
    widths: dict[str, int] = field(default_factory=dict)
    shared: dict[str, int] = field(default_factory=dict)
    static_bytes: int = 0
    dynamic: set[str] = field(default_factory=set)
    instructions: list[Instruction] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)

    def width(self, register: str) -> int:
        """Returns the width of a register in bits, 0 for a predicate."""
        for name in (register, register.rstrip("0123456789")):
            if name in self.widths:
                return self.widths[name]
        raise PtxError(f"{register} is not declared in {self.name}")


def parse_entries(text: str) -> list[Entry]:
    """Returns the entries of a PTX module."""
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL)
    text = re.sub(r"//[^\n]*", "", text)
    heads = list(re.finditer(r"\.entry\s+([\w$]+)\s*\((.*?)\)(.*?)\{", text, flags=re.DOTALL))
    module_scope = text[: heads[0].start()] if heads else ""
    for variable in re.findall(r"^\s*(?:\.visible\s+)?\.(?:const|global)\b.*?([\w$]+)\[", module_scope, re.MULTILINE):
        if re.search(
            rf"{re.escape(variable)}\b", text[len(module_scope) :]
        ):  # libdevice leaves names that nothing reads
            raise PtxError("variables in .const and .global memory are not implemented")
    entries = []
    for head in heads:
        entry = Entry(head[1], [_parameter(declared) for declared in split_operands(head[2])])
        body = _until_closed(text, head.end())
        for scope in (module_scope, body):
            _declare_shared(entry, scope)
        _read_body(entry, body)
        entries.append(entry)
    return entries


def split_operands(text: str) -> tuple[str, ...]:
    """Splits at commas outside of braces and brackets."""
    parts, depth, part = [], 0, ""
    for character in text:
        depth += (character in "{[(") - (character in "}])")
        if character == "," and depth == 0:
            parts.append(part.strip())
            part = ""
        else:
            part += character
    return tuple(parts + ([part.strip()] if part.strip() else []))


def parts_of(braced: str) -> list[str]:
    """Returns the operands of `{a, b}`, or the only one."""
    return [part.strip() for part in braced.strip("{}").split(",")]


def _parameter(declared: str) -> Parameter:
    array = re.search(r"([\w$]+)\[(\d+)\]$", declared)
    kind = re.search(r"\.(" + "|".join(BITS) + r")\b", declared)
    if not kind:
        raise PtxError(f"parameter not understood: {declared}")
    if array:
        return Parameter(array[1], kind[1], int(array[2]) * BITS[kind[1]] // 8)
    return Parameter(declared.split()[-1], kind[1], BITS[kind[1]] // 8)


def _until_closed(text: str, start: int) -> str:
    depth = 1
    for match in re.finditer(r"[{}]", text[start:]):
        depth += 1 if match[0] == "{" else -1
        if depth == 0:
            return text[start : start + match.start()]
    raise PtxError("an entry is not closed")


def _declare_shared(entry: Entry, scope: str) -> None:
    for match in re.finditer(r"\.shared\s+\.align\s+(\d+)\s+\.b8\s+([\w$]+)\[(\d*)\]", scope):
        align, name, size = int(match[1]), match[2], match[3]
        if size in ("", "0"):
            entry.dynamic.add(name)
            continue
        entry.shared[name] = -(-entry.static_bytes // align) * align
        entry.static_bytes = entry.shared[name] + int(size)


def _read_body(entry: Entry, body: str) -> None:
    statement, source_line = "", 0
    for line in body.splitlines():
        location = re.match(r"\s*\.loc\s+\d+\s+(\d+)", line)
        if location:
            source_line = int(location[1])
            continue
        statement += line + " "
        label = re.match(r"\s*([\w$]+):\s", statement)
        if label:
            entry.labels[label[1]] = len(entry.instructions)
            statement = statement[label.end() :]
        while ";" in statement:
            first, _, statement = statement.partition(";")
            _read_statement(entry, first, source_line)
    if statement.strip(" \t{}"):
        raise PtxError(f"not understood: {statement.strip()}")


def _read_statement(entry: Entry, statement: str, source_line: int) -> None:
    text = " ".join(re.sub(r"^(\s*[{}]\s+)+", " ", statement).split())
    label = re.match(r"([\w$]+):\s*", text)
    if label:
        entry.labels[label[1]] = len(entry.instructions)
        text = text[label.end() :]
    if text.startswith(".reg"):
        kind, names = re.fullmatch(r"\.reg\s+\.(\w+)\s+(.*)", text).groups()
        for name in names.split(","):
            entry.widths[re.sub(r"<\d+>", "", name.strip())] = BITS.get(kind, 0)
        return
    if not text or text.startswith((".shared", ".pragma")):
        return
    match = re.match(r"(?:@(!?)([%\w]+)\s+)?([a-z][\w.:]*)\s*(.*)$", text)
    if not match:
        raise PtxError(f"not understood: {text}")
    opcode = tuple(match[3].replace("::", ":").split("."))
    entry.instructions.append(
        Instruction(match[2], match[1] == "!", opcode, split_operands(match[4]), text, source_line)
    )
