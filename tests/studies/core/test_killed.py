"""Runs that are killed (SIGKILL) at any moment: --resume ends with the numbers of a run that never stopped."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType

import cosine_bias
import discriminator_testbed
import gan_fixes
import generator_testbed
import numpy as np
import pytest
from finished_runs import RESULTS, assert_same_numbers, environment, exit_code, table


def small(pictures: Path, *more: str) -> list[str]:
    """Options of a small run of a testbed."""
    shared = ["--resolution", "8", "--batch", "2", "--eval-every", "3", "--threads", "1"]
    return ["--image", str(pictures), *shared, *more]


KILLER = """
# Forks a run per moment; the run kills itself (SIGKILL) with its n-th file half written, whole, or just renamed.
import os, signal, sys
import generator_testbed
from specops.report import files
from studies.testbeds import report

report.write_figures = lambda *arguments: None
report.themed = report.themed_each = lambda *arguments, **options: None
report.write_page = lambda folder, *arguments, **options: files.write_atomically(folder / "report.html", b"not drawn")

def run(out, moment, arguments):
    calls = iter(range(1_000_000))
    replace = os.replace

    def die():
        os.kill(os.getpid(), signal.SIGKILL)

    def replace_or_die(source, target):
        call = next(calls)
        if 3 * call == moment:
            os.truncate(source, os.path.getsize(source) // 2)
            die()
        if 3 * call + 1 == moment:
            die()
        replace(source, target)
        if 3 * call + 2 == moment:
            die()

    files.os.replace = replace_or_die
    os._exit(generator_testbed.main([*arguments, "--out", out]))

folder, *arguments = sys.argv[1:]
generator_testbed.main([*arguments, "--out", f"{folder}/warm-up"])  # what loads late loads once, before the forks
for moment in range(1000):
    child = os.fork()
    if child == 0:
        run(f"{folder}/{moment}", moment, arguments)
    status = os.waitpid(child, 0)[1]
    if status == 0:
        break
    if not os.WIFSIGNALED(status):
        sys.exit(f"moment {moment}: exit status {status}")
"""


@pytest.mark.slow
def test_killed_at_every_file_operation(pictures: Path, tmp_path: Path) -> None:
    """Each file of the run is once left half written, once whole under its partial name, once just renamed."""
    options = small(pictures, "--steps", "7")
    assert exit_code(generator_testbed, *options, "--out", tmp_path / "whole") == 0
    command = [sys.executable, "-W", "ignore", "-c", KILLER, str(tmp_path), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment(), timeout=300)
    moments = sorted((path for path in tmp_path.glob("[0-9]*")), key=lambda path: int(path.name))
    writes = 1 + 1 + 3 * 3 + 2 + 4  # settings; first checkpoint; it, metrics, spectra; both again; three pictures, page
    assert len(moments) == 3 * writes + 1
    assert not (moments[2] / "checkpoint.safetensors").exists()
    assert (moments[5] / "checkpoint.safetensors").exists()
    for folder in moments[:-1]:
        assert exit_code(generator_testbed, *options, "--resume", "--out", folder) == 0
        assert_same_numbers(folder, tmp_path / "whole", pictures={"target.png", "generated.png"})
        assert {path.name for path in folder.iterdir()} >= RESULTS


GAN = ["--width", "16", "--batch", "4", "--eval-every", "2", "--eval-images", "8", "--threads", "1"]
COSINES = ["--frequencies", "3,3+16,16", "--resolution", "32", "--width", "1", "--batch", "4", "--eval-every", "2"]
FROM_OUTSIDE = {
    "generator": (generator_testbed, ["--loss", "mse+log-spectrum"], 300),
    "discriminator": (discriminator_testbed, ["--spectrum-discriminator"], 300),
    "cosines": (cosine_bias, [*COSINES, "--threads", "1"], 40),
    "gan": (gan_fixes, [*GAN, "--fix", "hfc+ssd", "--ema", "0.9", "--discriminator-steps", "2"], 40),
}


@pytest.mark.parametrize("study", [pytest.param(name, marks=pytest.mark.slow) for name in FROM_OUTSIDE])
def test_killed_at_random_moments(study: str, pictures: Path, tmp_path: Path) -> None:
    """From outside, three times in one run, at moments drawn anew."""
    script, more, steps = FROM_OUTSIDE[study]
    options = [*(small(pictures) if "--batch" not in more else []), *more, "--steps", str(steps)]
    moments = np.random.default_rng().uniform(0.0, 1.0, 3)
    print("moments:", moments)  # shown if the test fails
    for moment in moments:
        kill_after_an_evaluation(script, [*options, "--out", str(tmp_path / "killed"), "--resume"], moment)
    for name in ("killed", "whole"):
        assert exit_code(script, *options, "--resume", "--out", tmp_path / name) == 0
    assert_same_numbers(tmp_path / "killed", tmp_path / "whole", pictures={"target.png", "generated.png"})


def kill_after_an_evaluation(script: ModuleType, options: list[str], seconds: float) -> None:
    """Start the run, and kill it that long after its next evaluation, unless it has ended."""
    metrics = Path(options[options.index("--out") + 1]) / "metrics.csv"
    stamp = metrics.stat().st_mtime_ns if metrics.exists() else 0
    command = [sys.executable, "-W", "ignore", str(script.__file__), *options]
    process = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (metrics.exists() and metrics.stat().st_mtime_ns > stamp):
        time.sleep(0.005)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_killed_while_training(pictures: Path, tmp_path: Path) -> None:
    """From outside, as soon as there is an evaluation."""
    options = small(pictures, "--steps", "60")
    kill_after_an_evaluation(generator_testbed, [*options, "--out", str(tmp_path / "killed")], 0)
    assert 0 < len(table(tmp_path / "killed")) < 20
    for name in ("killed", "whole"):
        assert exit_code(generator_testbed, *options, "--resume", "--out", tmp_path / name) == 0
    assert_same_numbers(tmp_path / "killed", tmp_path / "whole")
