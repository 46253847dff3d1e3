"""What a mutant is, on sources of a few lines."""

from __future__ import annotations

from . import mutation

CUDA = """\
// __syncthreads(); in a comment
if (i < f(n)) x[i] = 1;
__syncthreads();
if constexpr (N > 32) __syncwarp(0xff);
"""

TRITON = """\
x = gl.load(p, mask=i < n, other=0.0)
y = gl.where(i < m, x + 1, 0.0)
gl.store(q, y, mask=gl.where(k, a, b))
z = gl.load(p)
"""


def test_barriers_of_a_cuda_source() -> None:
    mutants = mutation.cuda_barriers(CUDA)
    assert [(mutant.line, mutant.what) for mutant in mutants] == [(3, "__syncthreads();"), (4, "__syncwarp(0xff);")]
    assert mutants[0].source == CUDA.replace("\n__syncthreads();", "\n;")


def test_masks_of_a_cuda_source() -> None:
    (mutant,) = mutation.cuda_masks(CUDA)
    assert (mutant.line, mutant.source) == (2, CUDA.replace("if (i < f(n))", "if (true)"))


def test_all_mutants_of_a_cuda_source_at_once() -> None:
    source = CUDA.replace("f(n)", "f(n) && a[i]")
    switched, mutants = mutation.switchable({"x": source}, r"__sync(threads|warp)\(\w*\);", {"x": [("1;", "2;")]})
    assert mutants == [
        "x line 2: i < f(n)",
        "x line 2: a[i]",
        "x line 2: 1;",
        "x line 3: __syncthreads();",
        "x line 4: __syncwarp(0xff);",
    ]
    assert switched["x"].splitlines() == [
        "// __syncthreads(); in a comment",
        "if ((mutant_in_force == 0 || (i < f(n))) && (mutant_in_force == 1 || (a[i]))) x[i] = "
        "(mutant_in_force == 2 ? 2; : 1;)",
        "if (mutant_in_force != 3) __syncthreads();",
        "if constexpr (N > 32) if (mutant_in_force != 4) __syncwarp(0xff);",
    ]


def test_masks_of_a_triton_source() -> None:
    mutants = mutation.triton_masks(TRITON)
    assert [mutant.line for mutant in mutants] == [1, 2, 3, 3]
    assert mutants[0].source.splitlines()[0] == "x = (gl.load(p))"
    assert mutants[1].source.splitlines()[1] == "y = (x + 1)"
    assert {mutant.source.splitlines()[2] for mutant in mutants[2:]} == {
        "(gl.store(q, y))",
        "gl.store(q, y, mask=(a))",
    }
