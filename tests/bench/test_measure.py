"""How an entry is measured, on clocks of the test's."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

measure = pytest.importorskip("bench.measure", reason="the repository's root is not on the path: python -m pytest")
registry = pytest.importorskip("bench.registry")

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


def test_repeats_are_taken_in_turn_over_all_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "REPEATS", 3)
    called: list[tuple[str, int]] = []
    warm, short = [7.0, 7.0], [1.0, 3.0]  # a takes less than a timing should
    ticks = iter([warm[0], short[0], warm[1], short[1], 18.0, 4.0, 12.0, 8.0, 6.0, 10.0])  # then a, b, a, b, a, b

    def seconds(work: Callable[[], Any]) -> float:
        work()
        return next(ticks)

    sides = {name: registry.Side(lambda x, name=name: called.append((name, int(x)))) for name in ("a", "b")}
    found = measure.times(sides, [[torch.tensor(0)], [torch.tensor(1)]], measure.Clock(seconds, 2.0))
    assert found == {"a": [4.5, 3.0, 1.5], "b": [2.0, 4.0, 5.0]}
    a, b = [("a", 0), ("a", 1)], [("b", 0), ("b", 1)]
    assert called == 3 * a + 3 * b + 3 * [*a, *a, *b]


def test_each_side_has_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, set[int]] = {"one": set(), "two": set()}
    before = torch.get_num_threads()
    sides = {
        name: registry.Side(lambda name=name: seen[name].add(torch.get_num_threads()), threads)
        for name, threads in (("one", 1), ("two", 2))
    }
    measure.times(sides, [()], measure.Clock(measure.host_seconds, 1e-6))
    assert seen == {"one": {1}, "two": {2}}
    assert torch.get_num_threads() == before


def test_inputs_on_a_gpu_are_several_times_its_last_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(L2_cache_size=50 * 2**10))
    monkeypatch.setattr(torch, "Generator", lambda device: SimpleNamespace(manual_seed=lambda seed: None))
    monkeypatch.setattr(torch, "randn", lambda *shape, **_: torch.zeros(shape))
    assert [len(measure.sets_of_images((side, 1, 2**8), CUDA)) for side in (1, 64, 2**12)] == [200, 4, 2]
    assert [len(images) for images in measure.sets_of_images((1, 2, 2), CPU, count=2)] == [2]


def test_a_copy_counts_what_is_read_and_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "COPIED_BYTES", 1000)

    def seconds(work: Callable[[], Any]) -> float:
        work()
        return 2e-6  # two copies

    monkeypatch.setitem(measure.CLOCKS, "cpu", measure.Clock(seconds, 1e-6))
    assert measure.copy_bandwidth(CPU) == pytest.approx(2e9)


def test_a_gradient_is_that_of_the_last_image_for_one_cotangent() -> None:
    real, fake = torch.ones(3), torch.ones(3, requires_grad=True)
    once, twice = (measure.with_backward(lambda a, b, n=n: n * a * b, (real, fake)) for n in (1, 2))
    torch.testing.assert_close(2 * once(real, fake), twice(real, fake))


def test_a_process_of_its_own_measures_the_entry_alone() -> None:
    spectral = pytest.importorskip("bench.spectral")
    entry = next(each for each in spectral.ratios_to_published() if each.claim.startswith("hff"))
    [row] = measure.measured(entry, CPU)
    assert (row["claim"], row["case"], row["verdict"]) == (entry.claim, entry.case, "")
