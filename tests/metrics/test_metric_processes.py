"""Every metric over several processes has the value that one process computes."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from metric_cases import METRICS, assert_same, both_sides, computed

PARTS = [(0, 1), (1, 1), (1, 17)]  # of the images, for each process


def worker(rank: int, folder: str) -> None:
    """One process: its part of the images, the second's empty, then the other images, reversed."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=len(PARTS))
    start, stop = PARTS[rank]
    real, fake = both_sides()
    results = {}
    for name, build in METRICS.items():
        metric = build()
        first = computed(metric, [real[start:stop]] if stop > start else [], [fake[start:stop]] if stop > start else [])
        again = computed(metric, [], [real[start:stop]] if stop > start else [])
        results[name] = (first, again)
    torch.save(results, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_processes_agree_with_one(tmp_path: Path) -> None:
    """With real processes, unequal parts and one process without images; computed twice, with an update between."""
    torch.multiprocessing.spawn(worker, args=(str(tmp_path),), nprocs=len(PARTS))
    real, fake = both_sides()
    per_process = [torch.load(tmp_path / f"{rank}.pt") for rank in range(len(PARTS))]
    for name, build in METRICS.items():
        metric = build()
        first, again = computed(metric, [real], [fake]), computed(metric, [], [real])
        assert any((first[key] != again[key]).any() for key in first), name
        for results in per_process:
            bound = 1e-12 if name in ("RadialSpectrumStatistics", "SpectralDistance", "LeakageRatio") else 1e-6
            assert_same(results[name][0], first, bound)
            assert_same(results[name][1], again, bound)
