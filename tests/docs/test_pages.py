"""What the pages of the documentation tell to type: Python runs, and commands exist with the options shown."""

from __future__ import annotations

import functools
import pkgutil
import re
import runpy
import shlex
import sys

import pytest
import torch
from pages import FENCED, PAGES, ROOT, blocks, is_there, run
from torch import nn

SIZES = {"N": 2, "C": 3, "H": 64, "W": 64, "K": 46}
TARGETS = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
OF_THE_PAST = "CHANGELOG.md"  # names what was there too
OF_RECIPES = "docs/recipes.md"  # whose blocks tests/docs/test_recipes.py and tests/compat/test_stylegan_networks.py run


@functools.cache
def executed(page: str) -> dict[str, object]:
    """The names after all blocks of a page have run; those of a training are there from the start."""
    images = [SIZES[name] for name in "NCHW"]
    torch.manual_seed(0)
    names: dict[str, object] = {
        "generator": nn.Sequential(nn.Linear(8, 3 * 64 * 64), nn.Unflatten(1, images[1:]), nn.Tanh()),
        "z": torch.randn(2, 8),
        "real": torch.rand(images) * 2 - 1,
        "loss": torch.tensor(0.5),
        "x": torch.randn(images),
        "blur": torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8,
    }
    for block in blocks(PAGES[page], "python"):
        run(block, names, SIZES)
    return names


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(PAGES[page], "python") and page != OF_RECIPES])
def test_python_runs_and_has_the_shapes_that_it_tells(page: str) -> None:
    executed(page)


def test_readme_adds_terms_of_the_size_of_losses() -> None:
    names = executed("README.md")
    assert names["bins"].n_bins == SIZES["K"]
    assert 0.5 < names["loss"] < 1
    assert 0 < names["penalty"] < 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("y = x[..., :2]  # [N, C, H, W]", "y = x"),
        ("y = x[..., :2]  # the first two columns", "no shape"),
        ("a, b = x, x[0]  # [N, C, H, W] each", "a, b = "),
    ],
)
def test_a_wrong_or_missing_shape_is_noticed(line: str, reason: str) -> None:
    with pytest.raises(AssertionError, match=reason):
        run(line, {"x": torch.zeros(2, 3, 64, 64)}, SIZES)


def test_no_block_is_of_another_language() -> None:
    languages = {name for text in PAGES.values() for name in re.findall(r"^```(.*)\n(?:.*\n)*?```", text, re.MULTILINE)}
    assert languages <= {"", "python", "diff"}


@pytest.mark.parametrize("page", PAGES)
def test_every_block_is_fenced_at_the_margin(page: str) -> None:
    """No test would look at an indented block."""
    assert not re.findall(r"^\n {4}.*|^ +```.*", FENCED.sub("", PAGES[page]), re.MULTILINE)


LINK = re.compile(r"\]\(([^)#:]+)(?:#[\w-]+)?\)")
FILE = re.compile(r"\b(?:csrc|specops|tests|examples|bench|docs)/[\w./-]*\w")
NAME = re.compile(r"`(specops(?:\.\w+)+)")


@pytest.mark.parametrize("page", sorted(PAGES.keys() - {OF_THE_PAST}))
def test_links_files_and_names_are_there(page: str) -> None:
    text = FENCED.sub("", PAGES[page])
    targets = [(ROOT / page).parent / target for target in LINK.findall(text)]
    targets += [ROOT / name for name in FILE.findall(LINK.sub("", text))]
    assert not [str(target) for target in targets if not is_there(target)]
    for name in NAME.findall(text):
        pkgutil.resolve_name(name)


# After variables of the environment; the options of setup.py are those of setuptools.
COMMAND = re.compile(r"make [a-z]|((\w+=\S+ )*(python3?|torchrun) (?!setup\.py))")


def commands() -> list[str]:
    """Commands in blocks and in the text, as far as they call this repository's."""
    found = []
    for page, text in PAGES.items():
        if page == OF_THE_PAST:
            continue
        lines = [line for block in blocks(text) for line in block.replace("\\\n", " ").splitlines()]
        spans = re.findall(r"(?<!`)`([^`]+)`(?!`)", text)
        found += [" ".join(shlex.split(" ".join(line.split()), comments=True)) for line in lines]
        found += [" ".join(span.split()) for span in spans]
    return sorted({command for command in found if COMMAND.match(command)})


@pytest.mark.parametrize("command", commands(), ids=str)
def test_commands_exist_with_their_options(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = re.sub(r"^(\w+=\S+ )+|[][]", "", command).split()  # brackets are around what may be left out
    if words[0] == "make":
        assert words[1] in TARGETS
        assert all(f"$({word.split('=')[0]})" in (ROOT / "Makefile").read_text() for word in words[2:])
        return
    of_a_script = [index for index, word in enumerate(words) if word.startswith("examples/")]
    start = of_a_script[0] if of_a_script else words.index("-m") + 1
    target, arguments = words[start], words[start + 1 :]
    of_a_command = [word for word in arguments[:1] if not (target.endswith(".py") or word.startswith("--"))]
    monkeypatch.setattr(sys, "argv", [target, *of_a_command, "--help"])
    for module in (target, f"{target}.__main__"):  # or runpy warns that it was imported before
        monkeypatch.delitem(sys.modules, module, raising=False)
    with pytest.raises(SystemExit) as caught:
        (runpy.run_path if of_a_script else runpy.run_module)(target, run_name="__main__")
    assert not caught.value.code
    offered = set(re.findall(r"--[\w-]+", capsys.readouterr().out))
    assert {word for word in arguments if word.startswith("--")} <= offered
