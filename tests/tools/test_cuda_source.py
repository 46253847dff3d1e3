"""CUDA sources on the host: results in any order of threads, sanitizers' reports, launches for the interpreter."""

from __future__ import annotations

from pathlib import Path

import cuda_source
import numpy as np
import pytest
from cuda_source import SanitizerError
from ptx import Module, PtxError

pytestmark = pytest.mark.skipif(cuda_source.toolkit() is None, reason="no CUDA toolkit (nvcc and its headers) found")

KERNEL = r"""
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include "common/cuda/launch.cuh"

// Sums each block's x [64] over mirrored pairs, neighbours in the warp, and one element of dynamic memory. Half of a
// warp has an even lane.
template <int N>
__global__ void fold_kernel(const float* x, float* y, double* squares, __half* half, __nv_bfloat16* brain, int n) {
  SPECOPS_SHARED(float, tile, N);
  SPECOPS_DYN_SMEM(float2, pairs);
  const int t = threadIdx.x, i = blockIdx.x * N + t;
  tile[t] = i < n ? x[i] : 0.0f;
  pairs[t] = make_float2(float(t), 1.0f);
  __syncthreads();
  float v = tile[N - 1 - t] + pairs[(t + 33) % N].y;
  __syncwarp();
  v += __shfl_xor_sync(0xffffffffu, v, 1);
  v += float(__popc(__ballot_sync(0xffffffffu, t % 2 == 0)) - 16);
  if (i < n) {
    y[i] = v;
    squares[i] = double(v) * v / 3.0;
    half[i] = __float2half_rn(v);
    brain[i] = __float2bfloat16_rn(v);
  }
}

extern "C" int specops_fold(const float* x, float* y, double* squares, void* half, void* brain, int64_t n,
                            void* stream) {
  return SPECOPS_LAUNCH((fold_kernel<64>), unsigned((n + 63) / 64), 64, 512, stream, x, y, squares, (__half*)half,
                        (__nv_bfloat16*)brain, n);
}
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cuda") / "fold.cu"
    path.write_text(KERNEL)
    return path


def arguments(n: int) -> list[np.ndarray]:
    x = np.random.default_rng(0).standard_normal(n).astype(np.float32)
    return [x, np.full(n, np.nan, np.float32), np.zeros(n), *np.zeros((2, n), np.uint16)]


def expected(x: np.ndarray) -> np.ndarray:
    padded = np.pad(x, (0, -len(x) % 64)).reshape(-1, 64)[:, ::-1] + np.float32(1)
    return (padded + padded.reshape(-1, 32, 2)[:, :, ::-1].reshape(-1, 64)).ravel()[: len(x)]


def assert_folded(x: np.ndarray, y: np.ndarray, squares: np.ndarray, half: np.ndarray, brain: np.ndarray) -> None:
    np.testing.assert_array_equal(y, expected(x))
    np.testing.assert_allclose(squares, y.astype(float) ** 2 / 3, rtol=1e-15)
    np.testing.assert_array_equal(half.view(np.float16), y.astype(np.float16))
    np.testing.assert_allclose((brain.astype(np.uint32) << 16).view(np.float32), y, rtol=2**-8)


@pytest.mark.parametrize(("order", "seed"), [("forward", 0), ("reverse", 0), ("random", 1), ("random", 2)])
def test_every_order_of_threads(source: Path, order: str, seed: int) -> None:
    values = arguments(100)
    cuda_source.call(cuda_source.load(cuda_source.library(source)), "specops_fold", [*values, 100, None], order, seed)
    assert_folded(*values)


@pytest.mark.parametrize("arch", [90, *(pytest.param(arch, marks=pytest.mark.slow) for arch in (80, 100))])
def test_launches_are_handed_to_the_interpreter(source: Path, arch: int) -> None:
    values = arguments(100)
    library = cuda_source.load(cuda_source.library(source))
    with cuda_source.recorded_launches(library) as launches:
        cuda_source.call(library, "specops_fold", [*values, 100, None])
    (launch,) = launches
    assert (launch.grid, launch.block, launch.shared_bytes) == ((2, 1, 1), (64, 1, 1), 512)
    assert np.isnan(values[1]).all()
    kernel = Module(cuda_source.ptx(source, arch)).kernel(launch.kernel)
    kernel.launch(launch.grid, launch.block, launch.arguments, launch.shared_bytes, values)
    assert_folded(*values)


@pytest.mark.slow
@pytest.mark.parametrize("sanitizer", ["address", "thread"])
def test_sanitizers_find_nothing_in_a_sound_kernel(source: Path, sanitizer: str) -> None:
    (left,) = cuda_source.call_sanitized(source, sanitizer, [("specops_fold", [*arguments(100), 100, None])])
    assert_folded(*left[:5])


def broken(source: Path, tmp_path: Path, old: str, new: str) -> Path:
    assert KERNEL.count(old) == 1
    path = tmp_path / "fold.cu"
    path.write_text(source.read_text().replace(old, new))
    return path


def line_of(text: str) -> int:
    return KERNEL[: KERNEL.index(text)].count("\n") + 1


@pytest.mark.slow
def test_a_missing_barrier_is_found_with_its_lines(source: Path, tmp_path: Path) -> None:
    path = broken(source, tmp_path, "  __syncthreads();", "")
    with pytest.raises(SanitizerError, match="data race") as report:
        cuda_source.call_sanitized(path, "thread", [("specops_fold", [*arguments(64), 64, None])])
    assert f"fold.cu:{line_of('float v = tile')}" in str(report.value)
    kernel = Module(cuda_source.ptx(path, 80)).kernel("fold_kernel")
    values = arguments(64)
    with pytest.raises(PtxError, match="unordered"):
        kernel.launch(1, 64, [*values, 64], 512)


@pytest.mark.slow
@pytest.mark.parametrize("n", [100, 63])
def test_an_access_out_of_bounds_is_found_with_its_line(source: Path, tmp_path: Path, n: int) -> None:
    path = broken(source, tmp_path, "tile[t] = i < n ? x[i] : 0.0f;", "tile[t] = x[i];")
    with pytest.raises(SanitizerError, match="heap-buffer-overflow") as report:
        cuda_source.call_sanitized(path, "address", [("specops_fold", [*arguments(n), n, None])])
    assert f"fold.cu:{line_of('tile[t] =')}" in str(report.value)


@pytest.mark.slow
@pytest.mark.parametrize("array", ["tile[N - 1 - t]", "pairs[(t + 33) % N]"])
def test_shared_arrays_have_their_exact_size(source: Path, tmp_path: Path, array: str) -> None:
    path = broken(source, tmp_path, array, array.split("[")[0] + "[t + 1]")
    with pytest.raises(SanitizerError, match="AddressSanitizer"):
        cuda_source.call_sanitized(path, "address", [("specops_fold", [*arguments(64), 64, None])])


def test_barriers_that_not_all_threads_reach(source: Path, tmp_path: Path) -> None:
    path = broken(source, tmp_path, "  __syncthreads();", "  if (t >= 32) return;\n  __syncthreads();")
    library = cuda_source.load(cuda_source.library(path))
    with pytest.raises(SanitizerError, match="never reached"):
        cuda_source.call(library, "specops_fold", [*arguments(64), 64, None])
    path = broken(source, tmp_path, "  __syncthreads();", "  if (t < 32) __syncthreads(); else __syncthreads();")
    library = cuda_source.load(cuda_source.library(path))
    with pytest.raises(SanitizerError, match="different __syncthreads"):
        cuda_source.call(library, "specops_fold", [*arguments(64), 64, None])


def test_shared_memory_starts_as_nan(source: Path, tmp_path: Path) -> None:
    path = broken(source, tmp_path, "  pairs[t] = make_float2(float(t), 1.0f);", "")
    values = arguments(64)
    cuda_source.call(cuda_source.load(cuda_source.library(path)), "specops_fold", [*values, 64, None])
    assert np.isnan(values[1]).all()


def test_source_that_does_not_compile_says_why(tmp_path: Path) -> None:
    path = tmp_path / "bad.cu"
    path.write_text("int f() { return undeclared; }")
    with pytest.raises(RuntimeError, match="undeclared"):
        cuda_source.library(path)
