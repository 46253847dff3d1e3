"""What a call costs the host, in units of what torch's own cost at the same time, on any processor, busy or not."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

host = pytest.importorskip("bench.host", reason="the repository's root is not on the path: python -m pytest")

from cuda_source.idle import idle_gpu  # noqa: E402

from specops import backends  # noqa: E402

# About halfway, in multiplications by torch, between calls that go straight to their kernels and those through torch's
# dispatcher, beside torch 2.10, 2.13 and 2.15, whose functions with a gradient in Python are no measure: 8, 7 and 5 µs.
ALLOWED = {
    "radial_spectrum": (3.1, 3.7, 2.4),
    "hff": (4.1, 4.3, 2.2),
    "frequency_filter": (4.0, 4.1, 2.1),
    "upfirdn2d": (4.1, 4.2, 2.1),
    "upsample(zeros)": (4.3, 4.3, 2.25),
    "upsample(binomial)": (4.6, 4.3, 2.25),
}
# The same between what is prepared once, and plans looked up part by part or calls through the dispatcher.
ALLOWED_ON_GPU = {
    "radial_spectrum": (2.9, 3.6, 2.35),
    "hff": (3.9, 4.7, 2.3),
    "frequency_filter": (3.65, 4.5, 2.17),
    "upfirdn2d": (4.5, 4.85, 2.37),
    "upfirdn2d of 2-D taps": (4.5, 4.85, 2.37),
    "upsample(zeros)": (3.7, 4.25, 2.3),
    "upsample(binomial)": (3.7, 4.25, 2.3),
}
ATTEMPTS = 10  # on a busy machine the least of a few calls is no measure


@pytest.mark.parametrize("name", ALLOWED)
@pytest.mark.parametrize("case", host.CASES)
def test_a_call_costs_a_few_of_torch_s_own(case: str, name: str) -> None:
    if backends.why_not("cpp", "upfirdn2d") is not None:
        pytest.skip("the library is not built")
    check(case, host.FUNCTIONS[name], 8, ALLOWED[name])


@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++ for raw ops whose launchers do nothing")
@pytest.mark.parametrize("name", ALLOWED_ON_GPU)
@pytest.mark.parametrize("case", host.CASES)
def test_a_call_on_a_gpu_costs_a_few_of_torch_s_own(case: str, name: str) -> None:
    with idle_gpu():
        check(case, *host.GPU_FUNCTIONS[name], ALLOWED_ON_GPU[name])


def check(case: str, function: Callable[[Tensor], Tensor], side: int, allowed_of_cases: tuple[float, ...]) -> None:
    """Fails where calls take more than so many multiplications, in the best of the attempts."""
    prepare, _ = host.CASES[case]
    calls = [prepare(function, side), prepare(lambda x: x * 2, side)]
    allowed, least = allowed_of_cases[list(host.CASES).index(case)], [math.inf, math.inf]
    torch.set_num_threads(1)
    with torch.set_grad_enabled(case != "no gradient"):
        for _ in range(ATTEMPTS):
            least = list(map(min, least, host.least_microseconds(*calls, rounds=150)))
            if least[0] <= allowed * least[1]:
                return
    pytest.fail(f"{least[0]:.1f} µs, {least[0] / least[1]:.2f} times a multiplication; {allowed} are allowed")
