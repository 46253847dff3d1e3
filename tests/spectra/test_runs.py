"""Runs over sets: the same bits however the work is divided, and after a run was killed at any moment."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import specops
from specops.spectra import sums as summing
from specops.spectra.loading import BLOCK, Framing, Part, chunks
from specops.spectra.sources import source_of
from specops.spectra.sums import Measure, Sums, blocks

SCRIPT = Path(__file__).with_name("run_sets.py")
ENVIRONMENT = os.environ | {"PYTHONPATH": str(Path(specops.__file__).parents[1]), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two sets of some blocks, colour and grey, a few of whose pictures cannot be taken."""
    folder, random = tmp_path_factory.mktemp("sets"), np.random.default_rng(0)
    for name, n in (("first", 3 * BLOCK + 5), ("second", BLOCK)):
        images = random.uniform(-1, 1, (n, 3 if name == "first" else 1, 18, 17)).astype(np.float32)
        images[n // 2] *= 2  # outside the range
        np.save(folder / f"{name}.npy", images)
    return [folder / "first.npy", folder / "second.npy"]


def started(sets: list[Path], state: Path, *options: str, count: int = 1) -> list[str]:
    """Returns the command of a run in so many processes."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)] if count > 1 else []
    return [sys.executable, *launcher, str(SCRIPT), *map(str, sets), "--state", str(state), *options]


def digests(command: list[str]) -> list[list[str]]:
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return [line.split()[2:] for line in done.stdout.splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 2, 3])
def test_any_processes_workers_and_batches_give_the_same_bits(count: int, sets: list[Path], tmp_path: Path) -> None:
    divided = started(sets, tmp_path / "s", "--workers", "0", "2", "--batches", "1", "7", "256", count=count)
    (expected,) = digests(started(sets, tmp_path / "s"))
    assert digests(divided) == [expected] * 6


@pytest.mark.slow
@pytest.mark.parametrize("states", range(5))
def test_a_run_that_was_killed_goes_on_to_the_same_bits(states: int, sets: list[Path], tmp_path: Path) -> None:
    """Killed when so many states have been written, then gone on with by another number of processes."""
    (expected,) = digests(started(sets, tmp_path / "whole"))
    state = tmp_path / "state"
    killed = subprocess.Popen(
        started(sets, state, "--workers", "2"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
    )
    seen: set[int] = set()
    while len(seen) < states and killed.poll() is None:
        if state.exists():
            seen.add(state.stat().st_mtime_ns)
        time.sleep(0.001)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert digests(started(sets, state, "--resume", count=1 + states % 2)) == [expected]


def test_sums_are_those_of_the_definitions(sets: list[Path]) -> None:
    images = np.load(sets[1])
    kept = np.delete(images, len(images) // 2, axis=0)[:, :, 1:17, :16].astype(np.float64)
    total = Sums()
    measure = Measure((16, 16))
    for block in blocks(measure, chunks(source_of(sets[1]), Framing(side=16), (16, 16), Part(), 0, 7)):
        total += block
    assert total.n == len(kept) == BLOCK - 1
    power = np.abs(np.fft.rfft2(kept)) ** 2 / 256
    np.testing.assert_allclose(total.plane, power[:, 0].sum(0).ravel(), rtol=1e-5)
    np.testing.assert_allclose(total.log_plane, np.log(power[:, 0]).sum(0).ravel(), rtol=1e-4)
    profiles = specops.radial_spectrum(torch.from_numpy(kept)).mean(1).numpy() / 256
    np.testing.assert_allclose(total.power, profiles.sum(0), rtol=1e-5)
    np.testing.assert_allclose(total.log_square, (np.log(profiles) ** 2).sum(0), rtol=1e-4)
    numbers = np.delete(np.arange(len(images)), len(images) // 2)
    drawn = summing.times_drawn(numbers)
    np.testing.assert_allclose(total.replicates, drawn.T @ profiles, rtol=1e-5)
    np.testing.assert_allclose(np.sum(np.asarray(total.halves), axis=0), total.power, rtol=1e-12)
    assert list(total.skipped) == [str(len(images) // 2)]


def test_sums_survive_a_file(sets: list[Path]) -> None:
    (block,) = blocks(Measure((16, 16)), chunks(source_of(sets[1]), Framing(side=16), (16, 16), Part(), 0))
    again = Sums.of_arrays(block.arrays())
    assert all(np.array_equal(array, again.arrays()[name]) for name, array in block.arrays().items())


def test_kept_images_are_a_draw_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(summing, "KEPT", 50)
    kept = {number: (str(number), np.zeros(1, np.float32)) for number in range(1000)}
    whole, parts = Sums(kept=dict(kept)), Sums(kept=dict(list(kept.items())[:500]))
    whole.choose()
    assert len(whole.kept) == 50
    assert list(whole.kept) == sorted(whole.kept)
    parts.choose()
    parts.kept |= dict(list(kept.items())[500:])
    parts.choose()
    assert list(parts.kept) == list(whole.kept)
    assert 150 < sum(whole.kept) / 50 < 850
