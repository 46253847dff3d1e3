"""Several processes: their shares of a batch, their gradients, and batch norm over all of them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import gan_fixes
import pytest
import torch
from finished_runs import RESULTS, environment
from studies.core import distributed
from studies.core.errors import InputError
from studies.core.record.checkpoints import load_checkpoint
from studies.gans import synchronized
from studies.gans.report import FILES

SCRIPT = Path(gan_fixes.__file__)


def trained(tmp_path: Path, norms: str, processes: int) -> list[dict[str, dict[str, torch.Tensor]]]:
    path = tmp_path / f"{norms}{processes}-"
    program = [str(Path(__file__).parents[1] / "tools" / "gan_process.py"), norms, str(path)]
    launch = (
        ["-m", "torch.distributed.run", "--nproc-per-node", str(processes), "--standalone"] if processes > 1 else []
    )
    subprocess.run([sys.executable, *launch, *program], env=environment(), check=True, timeout=300)
    return [load_checkpoint(Path(f"{path}{rank}")) for rank in range(processes)]


@pytest.mark.slow
def test_two_processes_have_the_gradients_of_one(tmp_path: Path) -> None:
    """1 × 8 and 2 × 4 images, to rounding, with batch norm over all of them; with each process's own, not."""
    (alone,) = trained(tmp_path, "sync", 1)
    first, second = trained(tmp_path, "sync", 2)
    own = trained(tmp_path, "own", 2)[0]
    for section, tensors in alone.items():
        assert all(torch.equal(second[section][name], value) for name, value in first[section].items())
        for name, value in tensors.items():
            torch.testing.assert_close(first[section][name], value, rtol=2e-3, atol=2e-3, msg=f"{section} {name}")
    apart = (own["generator"]["norm.running_var"] / alone["generator"]["norm.running_var"] - 1).abs().max()
    assert apart > 0.01


@pytest.mark.slow
def test_script_runs_in_two_processes(tmp_path: Path) -> None:
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", str(SCRIPT)]
    small = ["--width", "16", "--batch", "4", "--steps", "2", "--eval-images", "8", "--threads", "1"]
    done = subprocess.run(
        [*launch, *small, "--out", str(tmp_path / "out")],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in (tmp_path / "out").iterdir()} == RESULTS | {"target.png", "generated.png", *FILES}
    assert json.loads((tmp_path / "out" / "config.json").read_text())["processes"] == 2


def test_synchronized_norm_alone_is_torchs_own() -> None:
    x = torch.randn(4, 3, 5, 5)
    own, torchs = synchronized.SynchronizedBatchNorm2d(3), torch.nn.BatchNorm2d(3)
    torch.testing.assert_close(own(x), torchs(x))
    torch.testing.assert_close(own.running_var, torchs.running_var)


def test_synchronized_norm_does_not_cancel_beside_a_large_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Mean 1e3, deviation 1, against float64; the other process has the same images, so that sums are doubled."""
    monkeypatch.setattr(synchronized.distributed, "size", lambda: 2)
    monkeypatch.setattr(synchronized, "all_reduce", lambda tensor: 2 * tensor)
    x = (1e3 + torch.randn(8, 3, 16, 16)).requires_grad_()
    exact = x.detach().double().requires_grad_()
    own, torchs = synchronized.SynchronizedBatchNorm2d(3), torch.nn.BatchNorm2d(3).double()
    slope = torch.randn(8, 3, 16, 16)
    normed, expected = own(x), torchs(torch.cat([exact, exact]))[:8]
    torch.testing.assert_close(normed.double(), expected, rtol=0, atol=2e-4)
    torch.testing.assert_close(own.running_var.double(), torchs.running_var, rtol=1e-4, atol=0)
    normed.backward(slope)
    (gradient,) = torch.autograd.grad(expected, exact, slope.double())
    torch.testing.assert_close(x.grad.double(), gradient, rtol=1e-3, atol=1e-4)


def test_batch_is_to_be_divided_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "size", lambda: 3)
    monkeypatch.setattr(distributed, "rank", lambda: 1)
    assert distributed.share(9) == range(3, 6)
    with pytest.raises(InputError, match="multiple of the 3 processes; got 8"):
        distributed.share(8)
