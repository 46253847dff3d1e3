"""Mutants of sources of a few lines."""

from __future__ import annotations

import mutation

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


def test_mutants_of_a_cuda_source() -> None:
    source = CUDA.replace("f(n)", "f(n) && (a[i] || b && c)")
    choices = {"x": [("1;", "2;"), ("i <", "j <")]}
    switched, mutants = mutation.switchable({"x": source}, r"__sync(threads|warp)\(\w*\);", choices)
    assert mutants == [
        "x line 2: i <",
        "x line 2: 1;",
        "x line 2: (mutant_in_force == 0 ? j < : i <) f(n)",
        "x line 2: (a[i] || b && c)",
        "x line 3: __syncthreads();",
        "x line 4: __syncwarp(0xff);",
    ]
    assert switched["x"].splitlines() == [
        "// __syncthreads(); in a comment",
        "if ((mutant_in_force == 2 || ((mutant_in_force == 0 ? j < : i <) f(n))) && "
        "(mutant_in_force == 3 || ((a[i] || b && c)))) x[i] = (mutant_in_force == 1 ? 2; : 1;)",
        "if (mutant_in_force != 4) __syncthreads();",
        "if constexpr (N > 32) if (mutant_in_force != 5) __syncwarp(0xff);",
    ]


def test_alternatives_are_one_mutant() -> None:
    _, mutants = mutation.switchable({"x": "if (a && b || c) d();"}, "sync", {})
    assert mutants == ["x line 1: a && b || c"]


def test_masks_of_a_triton_source() -> None:
    mutants = mutation.triton_masks(TRITON)
    assert [mutant.line for mutant in mutants] == [1, 2, 3, 3]
    assert mutants[0].source.splitlines()[0] == "x = (gl.load(p))"
    assert mutants[1].source.splitlines()[1] == "y = (x + 1)"
    assert {mutant.source.splitlines()[2] for mutant in mutants[2:]} == {
        "(gl.store(q, y))",
        "gl.store(q, y, mask=(a))",
    }
