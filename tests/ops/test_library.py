"""The library without specops: programs that were saved run in a process which loads torch and the library alone."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from torch import Tensor

import specops
from specops import backends

pytestmark = pytest.mark.skipif(backends.no_extension() is not None, reason="the extension is not built")

PROLOGUE = """
import sys, torch
library, folder = sys.argv[1:]
torch.ops.load_library(library)
images, expected = torch.load(folder + "/example.pt")
"""


class Program(torch.nn.Module):
    """Calls one op or more of each family, and ops with scales, lists and several results."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("taps", torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return (
            specops.radial_spectrum(x),
            specops.radial_spectrum(x, scale="log"),
            specops.hff(x, 3),
            specops.frequency_filter(x, specops.masks.lowpass(x.shape[-2:], 3)),
            specops.upsample(x, mode="binomial"),
            specops.upfirdn2d(x, self.taps, up=2, padding=(2, 1, 2, 1), gain=4),
        )


@pytest.fixture
def images() -> Tensor:
    return torch.randn(2, 3, 12, 14, generator=torch.Generator().manual_seed(0))


def run_without_specops(code: str, folder: Path, images: Tensor) -> None:
    """Runs code that makes `results` of `images`, where no specops can be imported, and compares them bit by bit."""
    torch.save((images, Program()(images)), folder / "example.pt")
    epilogue = """
    assert "specops" not in sys.modules
    assert len(results) == len(expected) and all(map(torch.equal, results, expected))
    """
    program = PROLOGUE + textwrap.dedent(code) + textwrap.dedent(epilogue)
    command = [sys.executable, "-I", "-W", "error", "-W", "ignore:`torch.jit.", "-c", program]
    done = subprocess.run([*command, specops.library_path(), folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")  # a trace is of one size
def test_a_torchscript_file_runs_without_specops(tmp_path: Path, images: Tensor) -> None:
    torch.jit.trace(Program(), images).save(tmp_path / "program.pt")
    run_without_specops('results = torch.jit.load(folder + "/program.pt")(images)', tmp_path, images)


@pytest.mark.slow  # a compiler takes half a minute
@pytest.mark.filterwarnings("ignore:.*LeafSpec")  # torch's own
def test_an_aotinductor_package_runs_without_specops(tmp_path: Path, images: Tensor) -> None:
    program = torch.export.export(Program(), (images,))
    torch._inductor.aoti_compile_and_package(program, package_path=str(tmp_path / "program.pt2"))
    code = 'results = torch._inductor.aoti_load_package(folder + "/program.pt2")(images)'
    run_without_specops(code, tmp_path, images)


def test_backends_are_chosen_where_the_library_was_loaded_first(images: Tensor) -> None:
    """The kernels that the library registers for programs without specops do not stay in front of the choice."""
    code = """
    import sys, torch
    torch.ops.load_library(sys.argv[1])
    import specops
    x = torch.ones(1, 4, 4)
    index, weight = torch.zeros(4, 3, dtype=torch.int32), torch.ones(4, 3)
    specops.backends.BACKENDS["reference"].kernels["binned_cross_spectrum"] = lambda *args: torch.full((1, 1), 7.0)
    with specops.backends.use("reference"):
        assert torch.ops.specops.binned_cross_spectrum(x, x, index, weight, 1).item() == 7
    assert torch.ops.specops.binned_cross_spectrum(x, x, index, weight, 1).item() == 256
    """
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code), specops.library_path()]
    home = Path(specops.__file__).parents[1]  # to import this specops
    done = subprocess.run(command, cwd=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
