"""What completion and type checkers see of `import specops`: every public name with its types, and no other."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest

import specops

pytest.importorskip("torchmetrics", reason="specops.metrics needs torchmetrics, the extra `metrics`")

ROOT = Path(__file__).parents[1]
PACKAGES = ("functional", "nn", "losses", "metrics", "compat")

USERS_FILE = """\
import specops
import torch
from specops.metrics import LeakageRatio
from specops.nn import BlurPool
from typing_extensions import assert_type

x = torch.randn(2, 3, 64, 64)
assert_type(specops.hfc(x, x, 20), tuple[torch.Tensor, torch.Tensor])
assert_type(specops.geometry.radial_bands(64), dict[str, slice])
assert_type(specops.nn.LowPass(0.25).cutoff, torch.Tensor)
assert_type(specops.nn.SpectrumDiscriminator((64, 48)).size, tuple[int, int])
assert_type(specops.losses.log_spectrum_mse(x, x), torch.Tensor)
assert_type(specops.metrics.SpectralDistance(64).compute(), dict[str, torch.Tensor])
assert_type(specops.metrics.LeakageRatio(64), LeakageRatio)
assert_type(specops.compat.stylegan.upsample2d(x, None, up=2), torch.Tensor)
assert_type(specops.masks.lowpass(64, 20), torch.Tensor)
assert_type(BlurPool(3), specops.nn.BlurPool)
specops.nn.LowPas(0.25)  # wrong
specops.radial_spectrum(x, "plain")  # wrong
specops.normalize_profile(x, "dc")  # wrong
specops.nn.LowPass("0.25")  # wrong
specops.masks.lowpass("64", 20)  # wrong
specops.metrics.Leakage(64)  # wrong
"""


def mypy(file: Path) -> set[int]:
    """The lines of errors; those of specops itself are `make lint`'s to report."""
    options = ["--strict", "--follow-imports", "silent", "--cache-dir", str(file.parent)]
    run = subprocess.run(
        [sys.executable, "-m", "mypy", *options, file.name],
        cwd=file.parent,
        env={"MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    return {
        int(line.split(":")[1]) for line in run.stdout.splitlines() if line.startswith(file.name) and "error" in line
    }


def pyright(file: Path) -> set[int]:
    """The lines of errors."""
    (file.parent / "pyrightconfig.json").write_text(
        json.dumps({"extraPaths": [str(ROOT)], "typeCheckingMode": "strict"})
    )
    command = [sys.executable, "-m", "pyright", "--pythonpath", sys.executable, "--outputjson", file.name]
    run = subprocess.run(command, cwd=file.parent, capture_output=True, text=True)
    return {error["range"]["start"]["line"] + 1 for error in json.loads(run.stdout)["generalDiagnostics"]}


@pytest.mark.parametrize("checker", [pytest.param(mypy, marks=pytest.mark.slow), pyright], ids=["mypy", "pyright"])
def test_a_users_file_is_wrong_where_it_is_and_nowhere_else(
    checker: Callable[[Path], set[int]], tmp_path: Path
) -> None:
    if find_spec(checker.__name__) is None:
        pytest.skip(f"{checker.__name__} is not installed; it comes with the extra `lint`")
    file = tmp_path / "user.py"
    file.write_text(USERS_FILE)
    wrong = {number for number, line in enumerate(USERS_FILE.splitlines(), 1) if line.endswith("# wrong")}
    assert checker(file) == wrong


@pytest.mark.parametrize("name", PACKAGES)
def test_packages_show_their_public_names_alone(name: str) -> None:
    package = importlib.import_module(f"specops.{name}")
    assert getattr(specops, name) is package
    assert [shown for shown in dir(package) if not shown.startswith("_")] == sorted(package.__all__)
    assert name in dir(specops)
    assert all(hasattr(specops, shown) for shown in dir(specops))


@pytest.mark.parametrize("name", PACKAGES)
def test_first_lines_say_in_a_sentence_what_a_thing_does(name: str) -> None:
    package = importlib.import_module(f"specops.{name}")
    for shown in package.__all__:
        first = getattr(package, shown).__doc__.partition("\n")[0]
        assert re.fullmatch(r"(The|[A-Z][a-z]+s) .*\.", first), f"{shown}: {first}"


@pytest.mark.parametrize("module", ["torchmetrics", "triton"])
def test_specops_leaves_alone_what_it_may_do_without(module: str) -> None:
    code = f"import sys, specops; sys.exit({module!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
