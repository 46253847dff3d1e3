"""Triton's own JIT and compiler, with the interpreter for a device."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

triton = pytest.importorskip("triton", reason="triton is not installed")
tl = triton.language
from ptx import PtxError  # noqa: E402  (after the import above, which belongs before it)
from triton.backends.compiler import GPUTarget  # noqa: E402  (after the skip where triton is missing)
from triton_driver import executed_on  # noqa: E402

from specops.ops import triton_launch  # noqa: E402  (after the skip: it imports triton, as the driver does)

FUSED = {"enable_fp_fusion": True}  # which Triton 3.9 wants to be told


@triton.jit
def scaled_sum_kernel(x, y, out, scale, n, MASKED: tl.constexpr, SIZE: tl.constexpr):
    i = tl.program_id(0) * SIZE + tl.arange(0, SIZE)
    if MASKED:
        total = tl.load(x + i, mask=i < n, other=0.0) + tl.load(y + i, mask=i < n, other=0.0)
        tl.store(out + i, total * scale, mask=i < n)
    else:
        tl.store(out + i, (tl.load(x + i) + tl.load(y + i)) * scale)


@triton.jit
def row_sums_kernel(x, out, COLUMNS: tl.constexpr):
    row = tl.program_id(0)
    tl.store(out + row, tl.sum(tl.load(x + row * COLUMNS + tl.arange(0, COLUMNS)).to(tl.float32)))


@pytest.mark.parametrize("arch", [80, 90, 100])
def test_kernels_of_every_target_run_on_cpu_tensors(arch: int) -> None:
    x, y = torch.randn(2, 1000)
    out = torch.full((1000,), torch.nan)
    with executed_on(arch) as runs:
        scaled_sum_kernel[(4,)](x, y, out, 0.5, 1000, MASKED=True, SIZE=256, num_warps=2, **FUSED)
    torch.testing.assert_close(out, (x + y) * 0.5, rtol=0, atol=0)
    (run,) = runs
    assert run.grid == (4, 1, 1)
    assert f"sm_{arch}" in run.ptx
    loads = run.counters.loads[run.storage(x)]
    assert (loads.bytes, run.counters.stores[run.storage(out)].bytes) == (8000, 4000)  # x and y in one storage


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64], ids=str)
def test_reductions_through_shared_memory(dtype: torch.dtype) -> None:
    x = torch.randint(-8, 8, (3, 512)).to(dtype)
    out = torch.empty(3)
    with executed_on(90) as runs:
        row_sums_kernel[(3,)](x, out, COLUMNS=512, num_warps=4, **FUSED)
    assert torch.equal(out, x.float().sum(-1))
    assert runs[0].counters.barriers > 0
    assert runs[0].counters.loads[runs[0].storage(x)].excess == 1.0


def test_a_mask_left_out_is_reported() -> None:
    x, y, out = torch.randn(3, 1000).unbind()
    x, y, out = x.clone(), y.clone(), out.clone()
    with executed_on(80), pytest.raises(PtxError, match=r"block 3 .* out of bounds"):
        scaled_sum_kernel[(4,)](x, y, out, 1.0, 1000, MASKED=False, SIZE=256, num_warps=2, **FUSED)


def test_tensors_elsewhere_are_refused() -> None:
    x = torch.empty(1024, device="meta")
    with executed_on(80), pytest.raises((TypeError, ValueError)):
        scaled_sum_kernel[(4,)](x, x, x, 1.0, 1024, MASKED=False, SIZE=256, num_warps=2, **FUSED)


def test_a_kernel_that_is_freed_later_asks_for_no_driver() -> None:
    """What fails in a destructor is an error of whichever test is running then."""
    if not hasattr(triton.compiler.CompiledKernel, "__del__"):
        pytest.skip(f"triton {triton.__version__} unloads no kernel that is freed")
    kernel = triton.jit(scaled_sum_kernel.fn)
    x, y, out = torch.ones(3, 256).unbind()
    with executed_on(80):
        compiled = kernel[(1,)](
            x.clone(), y.clone(), out.clone(), 0.5, 256, MASKED=True, SIZE=256, num_warps=2, **FUSED
        )
    compiled.__del__()


AS_IT_COMES, MOST = {"num_warps": 4, **FUSED}, {"num_warps": 4, "maxnreg": 255, **FUSED}
TWICE = {"num_warps": 8, "maxnreg": 255, **FUSED}


class Spilling:
    """In the place of a kernel that spills, compiled in some ways, so many registers."""

    def __init__(self, *spills: tuple[dict[str, int], int]) -> None:
        self.spills, self.tried, self.launched = spills, [], []

    def warmup(self, *args: Any, grid: Any, N: int, **options: int) -> SimpleNamespace:
        self.tried.append(options)
        return SimpleNamespace(n_spills=sum(n for of, n in self.spills if of == options), _init_handles=lambda: None)

    def __getitem__(self, grid: Any) -> Any:
        return lambda *args, N, **options: self.launched.append((grid, options))


SPILLS = {
    "nowhere": ([], 4, True, AS_IT_COMES, 1),
    "but for more registers": ([(AS_IT_COMES, 2)], 4, True, MOST, 2),
    "but for more warps": ([(AS_IT_COMES, 9), (MOST, 2)], 4, True, TWICE, 3),
    "and may have no more warps": ([(AS_IT_COMES, 9), (MOST, 2)], 4, False, MOST, 2),
    "everywhere": ([(AS_IT_COMES, 9), (MOST, 2), (TWICE, 3)], 4, True, MOST, 3),
    "with 8 warps": ([({"num_warps": 8, **FUSED}, 1)], 8, True, TWICE, 2),
    "with 16 warps": ([({"num_warps": 16, **FUSED}, 1)], 16, True, {"num_warps": 16, "maxnreg": 128, **FUSED}, 2),
}


@pytest.mark.parametrize(("spills", "num_warps", "more_warps", "found", "tried"), SPILLS.values(), ids=SPILLS)
def test_a_kernel_that_spills_is_compiled_again(
    spills: Any, num_warps: int, more_warps: bool, found: dict[str, int], tried: int
) -> None:
    """With all registers, then with more threads; what is found is kept."""
    kernel, x = Spilling(*spills), torch.zeros(3)
    with executed_on(90):
        for _ in range(2):
            triton_launch.launch(kernel, 7, x, 5, num_warps=num_warps, more_warps=more_warps, N=3)
    assert kernel.launched == [((7,), found)] * 2
    assert len(kernel.tried) == tried


def test_what_is_compiled_for_itself_is_looked_at_for_itself() -> None:
    kernel, x = Spilling(), torch.zeros(33)
    for arch, arg, number, N in (
        (80, x, 5, 3),
        (90, x, 5, 3),
        (90, x.half(), 5, 3),
        (90, x[1:], 5, 3),
        (90, x, 6, 3),
        (90, x, 5, 4),
    ):
        with executed_on(arch):
            triton_launch.launch(kernel, 1, arg, number, num_warps=4, N=N)
    assert len(kernel.tried) == 6


def test_other_targets_have_no_such_option(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Spilling((AS_IT_COMES, 2))
    with executed_on(90):
        driver = triton.runtime.driver.active
        monkeypatch.setattr(type(driver), "get_current_target", lambda self: GPUTarget("hip", "gfx942", 64))
        triton_launch.launch(kernel, 1, torch.zeros(3), num_warps=4, N=3)
    assert kernel.launched == [((1,), AS_IT_COMES)]
