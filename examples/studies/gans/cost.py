"""What a run costs: an estimate before it, and the time of training steps with a fix and without, taken in turns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from studies.core import distributed
from studies.core.data.sources import Source

from .fixes import Fixes
from .run import GanRun, GanSettings

TRIAL_BATCH, _TRIAL_STEPS, _TRIAL_SECONDS = 4, 8, 5.0
"""Images a process; steps at most, and the time after which no other begins."""
_HELD_OUT = 16


def trial_seconds(settings: GanSettings, source: Source) -> float:
    """Least seconds of a step on this CPU, of a few on fewer images: its time is proportional to them."""
    batch = min(settings.batch, TRIAL_BATCH * distributed.size())
    run = GanRun(replace(settings, batch=batch, eval_images=_HELD_OUT), source, torch.device("cpu"))
    taken: list[float] = []
    while len(taken) < _TRIAL_STEPS and distributed.most(sum(taken)) < _TRIAL_SECONDS:
        taken.append(_seconds(run.advance))
    return min(taken) * settings.batch / batch


def step_seconds(settings: GanSettings, source: Source, fixes: Sequence[str], *, repeats: int) -> dict[str, float]:
    """Least seconds of a step with no fix ("none") and with each of `fixes`, all of them once per repeat."""
    runs = {"none": GanRun(replace(settings, fix=()), source, torch.device("cpu"))}
    runs |= {name: GanRun(replace(settings, fix=(name,)), source, torch.device("cpu")) for name in fixes}
    return _least({name: run.advance for name, run in runs.items()}, repeats)


def filter_seconds(fixes: Fixes, settings: GanSettings, *, repeats: int) -> float:
    """Least seconds that `shown` takes in a step: without gradient in each of D's steps, with it in the generator's."""
    side, draw = settings.resolution, torch.Generator().manual_seed(0)
    real, fake = torch.rand(2, settings.batch, 3, side, side, generator=draw) * 2 - 1

    def of_step() -> None:
        for _ in range(settings.discriminator_steps):
            fixes.shown(fake, real)
        leaf = fake.clone().requires_grad_()
        shown: Tensor = fixes.shown(leaf, real)[0]
        torch.autograd.grad(shown.sum(), leaf)

    return _least({"": of_step}, repeats)[""]


def _least(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Least seconds of each call, after one of each that does not count."""
    least = dict.fromkeys(calls, float("inf"))
    for repeat in range(repeats + 1):
        for name, call in calls.items():
            seconds = _seconds(call)
            if repeat:
                least[name] = min(least[name], seconds)
    return least


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start
