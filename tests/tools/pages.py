"""The pages of the documentation: their sections and blocks of code, and how those of Python run."""

from __future__ import annotations

import ast
import os
import re
from pathlib import Path

from torch import Tensor

import specops

ROOT = Path(__file__).parents[2]
PACKAGE = Path(specops.__file__).parent  # in another place where the tests run on an installed wheel
PATHS = sorted(
    [*ROOT.glob("*.md"), *(path for room in ("docs", "csrc", "specops") for path in ROOT.glob(f"{room}/**/*.md"))]
)
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text() for path in PATHS}
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SHAPE = re.compile(r"#\s*(\[[^]]*\])")


def sections(text: str) -> dict[str, str]:
    """The parts of a page by their titles."""
    return dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))


def blocks(text: str, language: str = "") -> list[str]:
    """The fenced blocks of a language; of none, those of a shell."""
    return [block for name, block in FENCED.findall(text) if name == language]


def is_there(path: Path) -> bool:
    """Whether a page may name this file or folder; modules are looked for in the package that runs."""
    own = Path(os.path.relpath(path, ROOT / "specops"))  # which `..` begins for what lies elsewhere
    return path.exists() or (".." not in own.parts and (PACKAGE / own).exists())


def run(block: str, names: dict[str, object], sizes: dict[str, int]) -> None:
    """Executes a block line by line: every tensor that a line assigns has the shape that its comment begins with.

    As in `y = specops.upsample(x)  # [N, C, 2H, 2W]: bed of nails`. Numbers need no comment.
    """
    for statement in ast.parse(block).body:
        exec(compile(ast.Module([statement], []), block, "exec"), names)
        targets = statement.targets if isinstance(statement, ast.Assign) else []
        shape = SHAPE.search(block.splitlines()[statement.end_lineno - 1])
        for name in (node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)):
            value = names[name]
            if isinstance(value, Tensor) and (value.dim() > 0 or shape):
                assert shape, f"no shape in the comment of: {ast.unparse(statement)}"
                expected = eval(re.sub(r"(\d)([A-Z])", r"\1*\2", shape[1]), dict(sizes))
                assert list(value.shape) == expected, ast.unparse(statement)
