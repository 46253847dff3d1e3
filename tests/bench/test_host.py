"""What a call costs the host, in units of what torch's own cost at the same time, on any processor, busy or not."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

host = pytest.importorskip("bench.host", reason="the repository's root is not on the path: python -m pytest")

from specops import backends  # noqa: E402


class Doubled(torch.autograd.Function):
    """The least that a function with a gradient in Python takes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad * 2


YARDSTICKS = {"no gradient": lambda x: x * 2, "recorded": Doubled.apply, "with backward": Doubled.apply}
# About halfway, as a ratio, between calls that go straight to their kernels and those through torch's dispatcher.
ALLOWED = {
    "radial_spectrum": (3.1, 2.4, 2.0),
    "hff": (5.7, 4.0, 2.5),
    "frequency_filter": (4.0, 2.8, 2.15),
    "upfirdn2d": (7.3, 4.6, 2.8),
    "upsample(zeros)": (4.3, 2.9, 2.4),
    "upsample(binomial)": (4.6, 3.1, 2.5),
}


@pytest.mark.parametrize("name", ALLOWED)
@pytest.mark.parametrize("case", YARDSTICKS)
def test_a_call_costs_a_few_of_torch_s_own(case: str, name: str) -> None:
    if backends.why_not("cpp", "upfirdn2d") is not None:
        pytest.skip("the library is not built")
    prepare, _ = host.CASES[case]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.set_grad_enabled(case != "no gradient"):
        ours, theirs = host.least_microseconds(prepare(host.FUNCTIONS[name]), prepare(YARDSTICKS[case]), rounds=150)
    torch.set_num_threads(threads)
    assert ours / theirs <= ALLOWED[name][list(YARDSTICKS).index(case)], f"{ours:.1f} µs; {theirs:.1f} for {case}"
