"""What keeps the house in order: imports point one way, rooms are small, every op has its twins, docstrings run."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
import subprocess
from collections import Counter
from pathlib import Path

import oracle
import pytest
from samples import SAMPLES

import specops
from specops import backends, ops

PACKAGE = Path(specops.__file__).parent
LAYERS = ["_torch", "_library", "_tracing", "_half_plane", "backends", "ops", "geometry", "masks"]
LAYERS += ["functional", "losses", "nn", "metrics", "report", "spectra", "cli"]
MODULES = [name for _, name, _ in pkgutil.walk_packages(specops.__path__, "specops.") if "_native" not in name]


def layer(module: str) -> int:
    part = module.split(".")[1] if "." in module else ""
    return LAYERS.index(part) if part in LAYERS else len(LAYERS)


def imported(path: Path) -> set[str]:
    """Modules of specops that a file names in its imports."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "specops":
            names |= {f"specops.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("specops."):
            names.add(str(node.module))
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names if alias.name.startswith("specops.")}
    return names


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    module = ".".join(["specops", *path.relative_to(PACKAGE).with_suffix("").parts])
    for name in imported(path):
        assert layer(name) <= layer(module), f"{module} imports {name}"


def test_no_file_is_long_and_no_folder_crowded() -> None:
    """All files that git keeps, but for the root's number; the tables of `docs/internals` count too."""
    root = Path(__file__).parents[1]
    names = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True).stdout.split("\0")[:-1]
    if not names:
        pytest.skip("the tests are in no checkout of git")
    files = [root / name for name in names if (root / name).exists()]
    texts = {path: path.read_bytes() for path in files}
    assert [path for path, text in texts.items() if b"\0" not in text and text.count(b"\n") > 400] == []
    crowded = Counter(path.parent for path in files if path.parent != root)
    assert [folder for folder, count in crowded.items() if count > 12] == []


@pytest.mark.parametrize("op", backends.ops())
def test_every_op_has_its_twins(op: str) -> None:
    """An example, an oracle, and samples, of which the quick ones pass all of the battery."""
    assert "Example:" in (inspect.getdoc(getattr(ops, op)) or "")
    assert callable(getattr(oracle, op))
    samples = [sample for sample in SAMPLES if sample.op == op]
    assert any(sample.quick and sample.small and sample.batched for sample in samples)
    assert len(samples) >= 8
    assert callable(samples[0].reference)


@pytest.mark.parametrize("name", specops.__all__)
def test_public_functions_document_shapes_errors_and_source(name: str) -> None:
    function = getattr(specops, name)
    if inspect.isfunction(function) and function.__module__.startswith("specops.functional"):
        text = inspect.getdoc(function) or ""
        for part in ("[...]", "Args:", "Returns:", "Raises:", "Source:", "Example:"):
            assert part in text.replace("[..., ", "[...] ").replace("[H, W]", "[...]"), part


def test_functions_that_take_a_pair_for_padding_say_what_it_means() -> None:
    """Those where padding may be left out; an op takes all four numbers."""
    modules = [importlib.import_module(name) for name in MODULES if not name.endswith("__main__")]
    functions = {each for module in modules for each in vars(module).values() if inspect.isfunction(each)}
    padded = [
        each for each in functions if getattr(inspect.signature(each).parameters.get("padding"), "default", None) == 0
    ]
    assert len(padded) == 5
    for function in padded:
        text = " ".join((inspect.getdoc(function) or "").split())
        assert re.search(r"[Aa] pair (in `padding` )?is \(x, y\)", text), function


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples_run(name: str) -> None:
    if name.endswith("__main__"):
        return
    failed, _ = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert failed == 0


def test_every_public_docstring_has_an_example_that_runs() -> None:
    """Examples that doctest finds in the modules above, by the names that users call."""
    modules = [importlib.import_module(name) for name in MODULES if not name.endswith("__main__")]
    tests = [test for module in modules for test in doctest.DocTestFinder().find(module)]
    found = {test.name for test in tests if any(example.want for example in test.examples)}
    public = [specops.backends.use, specops.geometry.radial_bins, specops.geometry.radial_bands]
    public += [specops.masks.lowpass, specops.masks.highpass, specops.masks.bandpass]
    for room in ("", ".nn", ".losses", ".metrics", ".ops", ".compat.stylegan"):
        module = importlib.import_module(f"specops{room}")
        public += [getattr(module, name) for name in module.__all__ if not inspect.ismodule(getattr(module, name))]
    assert {f"{each.__module__}.{each.__qualname__}" for each in public} - found == set()
