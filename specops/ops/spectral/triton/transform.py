"""The engine of the one-launch Triton kernels: 2-D real DFT of an image in registers and shared memory, in Gluon.

An N x N real image is read as an N x M complex one, M = N/2: z[n, m] = x[n, 2m] + i x[n, 2m+1]. From its DFT Z and its
mirror image Zr[k, l] = Z[-k, -l] follow, with w = exp(-2 pi i l / N),

    E = (Z + conj Zr)/2,   O = (Z - conj Zr)/2i,   X[k, l] = E + w O,   X[k, l + M] = E - w O,   0 <= l < M.

Each axis is transformed in two stages: rows n = na RB + nb -> k = ka + RA kb, columns m = ma CB + mb -> l = la + CA lb.
The digit in turn is a tuple of tensors, so that a stage is arithmetic in registers; `_turn` moves the next digit into
the tuple, which takes one pass of each tensor through shared memory. Tables are in kernel order [lb, k, la], the order
in which the last stage leaves its results.
"""

from __future__ import annotations

# mypy: ignore-errors
# ruff: noqa: RUF005, RET505  (tuples in Triton know + alone, and it compiles what follows a return)
import math

from triton.experimental import gluon
from triton.experimental.gluon import language as gl


@gluon.constexpr_function
def cosine(turns):
    return math.cos(2 * math.pi * turns)


@gluon.constexpr_function
def blocked(shape, per_thread, warps):
    """A layout in which threads, then warps, fill the tensor from its last axis."""
    left = [extent // each for extent, each in zip(shape, per_thread, strict=True)]
    spread = []
    for count in (32, warps):
        taken = [1] * len(shape)
        for axis in reversed(range(len(shape))):
            taken[axis] = min(left[axis], count)
            left[axis] //= taken[axis]
            count //= taken[axis]
        taken[0] *= count
        spread.append(taken)
    return gl.BlockedLayout(list(per_thread), spread[0], spread[1], list(reversed(range(len(shape)))))


@gluon.constexpr_function
def layouts(N, RA, RB, CA, CB, WARPS):
    """Layouts of what is left when the tuple holds na, nb, ma, mb; and of rows in memory, 16 bytes to a thread."""
    return (
        blocked([RB, CA, CB], [1, 1, 2], WARPS),
        blocked([RA, CA, CB], [1, 1, 1], WARPS),
        blocked([RB, RA, CB], [1, 1, 1], WARPS),
        blocked([RB, RA, CA], [1, 1, 1], WARPS),
        blocked([RB, N], [1, 4], WARPS),
    )


@gluon.constexpr_function
def with_last_axis(layout, count):
    return gl.BlockedLayout(
        [*layout.size_per_thread, count],
        [*layout.threads_per_warp, 1],
        [*layout.warps_per_cta, 1],
        [len(layout.order), *layout.order],
    )


@gluon.jit
def along(count: gl.constexpr, axis: gl.constexpr, L: gl.constexpr):
    """0 .. count-1 along an axis of a 3-d tensor of layout L."""
    if axis == 0:
        return gl.expand_dims(gl.expand_dims(gl.arange(0, count, gl.SliceLayout(1, gl.SliceLayout(2, L))), 1), 2)
    elif axis == 1:
        return gl.expand_dims(gl.expand_dims(gl.arange(0, count, gl.SliceLayout(0, gl.SliceLayout(2, L))), 0), 2)
    else:
        return gl.expand_dims(gl.expand_dims(gl.arange(0, count, gl.SliceLayout(0, gl.SliceLayout(1, L))), 0), 1)


@gluon.jit
def flat_index(rows: gl.constexpr, columns: gl.constexpr, stride: gl.constexpr, L: gl.constexpr):
    """row * stride + column, for a tensor [rows, columns] of layout L."""
    row = gl.expand_dims(gl.arange(0, rows, gl.SliceLayout(1, L)), 1)
    return row * stride + gl.expand_dims(gl.arange(0, columns, gl.SliceLayout(0, L)), 0)


@gluon.jit
def _stacked(t, R: gl.constexpr):
    """Tuple of R tensors [...] -> one tensor [..., R]; moves nothing."""
    if R == 2:
        return gl.join(t[0], t[1])
    else:
        even = _stacked(t[0::2], R // 2)
        return gl.reshape(gl.join(even, _stacked(t[1::2], R // 2)), even.shape[:-1] + (R,))


@gluon.jit
def unstacked(t, R: gl.constexpr, L: gl.constexpr):
    """Tensor [..., R] whose parts have layout L already -> tuple of R tensors; moves nothing."""
    out = ()
    if R == 1:
        out = (gl.convert_layout(gl.reshape(t, t.shape[:-1]), L, assert_trivial=True),)
    else:
        even, odd = gl.split(gl.reshape(t, t.shape[:-1] + (R // 2, 2)))
        even = unstacked(even, R // 2, L)
        odd = unstacked(odd, R // 2, L)
        for i in gl.static_range(R // 2):
            out = out + (even[i], odd[i])
    return out


@gluon.jit
def _turn(re, im, P: gl.constexpr, order: gl.constexpr, Q: gl.constexpr, L: gl.constexpr):
    """The tuple's digit (P values) becomes the last axis; axes are permuted; the last one (Q) becomes the tuple."""
    a = gl.convert_layout(gl.permute(_stacked(re, P), order), with_last_axis(L, Q))
    b = gl.convert_layout(gl.permute(_stacked(im, P), order), with_last_axis(L, Q))
    return unstacked(a, Q, L), unstacked(b, Q, L)


@gluon.jit
def dft(re, im, R: gl.constexpr, SIGN: gl.constexpr):
    """Unscaled DFT over the tuple, natural order in and out."""
    if R == 1:
        return re, im
    else:
        er, ei = dft(re[0::2], im[0::2], R // 2, SIGN)
        dr, di = dft(re[1::2], im[1::2], R // 2, SIGN)
        low_re = ()
        low_im = ()
        high_re = ()
        high_im = ()
        for k in gl.static_range(R // 2):
            tr = dr[k]
            ti = di[k]
            if 4 * k == R:
                tr = -SIGN * di[k]
                ti = SIGN * dr[k]
            elif k > 0:
                c = cosine(k / R)
                s = cosine(k / R - SIGN * 0.25)
                tr = c * dr[k] - s * di[k]
                ti = c * di[k] + s * dr[k]
            low_re = low_re + (er[k] + tr,)
            low_im = low_im + (ei[k] + ti,)
            high_re = high_re + (er[k] - tr,)
            high_im = high_im + (ei[k] - ti,)
        return low_re + high_re, low_im + high_im


@gluon.jit
def _twiddled(re, im, circle, j, R: gl.constexpr, J: gl.constexpr, SIGN: gl.constexpr):
    """Element r at digit j times exp(SIGN 2 pi i r j / (R J)); circle [2, R, J] holds cosines and sines."""
    a = (re[0],)
    b = (im[0],)
    for r in gl.static_range(1, R):
        c = gl.load(circle + r * J + j)
        s = gl.load(circle + (R + r) * J + j) * SIGN
        a = a + (re[r] * c - im[r] * s,)
        b = b + (re[r] * s + im[r] * c,)
    return a, b


@gluon.jit
def flattened(t, R: gl.constexpr):
    """Tuple over lb of [kb, ka, la] -> one vector in kernel order; moves nothing."""
    s = gl.permute(_stacked(t, R), (3, 0, 1, 2))
    return gl.reshape(s, (s.shape[0] * s.shape[1] * s.shape[2] * s.shape[3],))


@gluon.jit
def read_rows(
    x, na: gl.constexpr, N: gl.constexpr, RB: gl.constexpr, CA: gl.constexpr, CB: gl.constexpr, Ls: gl.constexpr
):
    """Rows na RB ... of an image as z: real and imaginary parts [nb, ma, mb]."""
    rows = gl.load(x + na * RB * N + flat_index(RB, N, N, Ls[4])).to(gl.float32)
    return split_rows(rows, RB, CA, CB, Ls)


@gluon.jit
def split_rows(rows, RB: gl.constexpr, CA: gl.constexpr, CB: gl.constexpr, Ls: gl.constexpr):
    """Rows [nb, n] of layout Ls[4] -> real and imaginary parts of z [nb, ma, mb]; moves nothing."""
    a, b = gl.split(gl.reshape(rows, (RB, CA, CB, 2)))
    return gl.convert_layout(a, Ls[0], assert_trivial=True), gl.convert_layout(b, Ls[0], assert_trivial=True)


@gluon.jit
def forward(
    re, im, row_circle, column_circle, N: gl.constexpr, RA: gl.constexpr, RB: gl.constexpr, CA: gl.constexpr,
    CB: gl.constexpr, Ls: gl.constexpr,
):  # fmt: skip
    """Z[k, l] of z, tuples over na of [nb, ma, mb]: tuples over lb of [kb, ka, la]."""
    re, im = dft(re, im, RA, -1)
    re, im = _twiddled(re, im, row_circle, along(RB, 0, Ls[0]), RA, RB, -1)
    re, im = _turn(re, im, RA, (3, 1, 2, 0), RB, Ls[1])  # [nb, ma, mb | ka] -> [ka, ma, mb | nb]
    re, im = dft(re, im, RB, -1)
    re, im = _turn(re, im, RB, (3, 0, 2, 1), CA, Ls[2])  # [ka, ma, mb | kb] -> [kb, ka, mb | ma]
    re, im = dft(re, im, CA, -1)
    re, im = _twiddled(re, im, column_circle, along(CB, 2, Ls[2]), CA, CB, -1)
    re, im = _turn(re, im, CA, (0, 1, 3, 2), CB, Ls[3])  # [kb, ka, mb | la] -> [kb, ka, la | mb]
    return dft(re, im, CB, -1)


@gluon.jit
def mirrored(t, buffer, N: gl.constexpr, RA: gl.constexpr, RB: gl.constexpr, CA: gl.constexpr, CB: gl.constexpr,
             L: gl.constexpr):  # fmt: skip
    """t[-k, -l] of a tuple in kernel order, through a shared buffer of N M values."""
    M: gl.constexpr = N // 2
    k = (N - (along(RB, 0, L) * RA + along(RA, 1, L))) % N
    places = ()
    for lb in gl.static_range(CB):
        m = (M - (along(CA, 2, L) + CA * lb)) % M
        places = places + ((m // CA * N + k) * CA + m % CA,)
    buffer.store(flattened(t, CB))
    found = buffer.gather(flattened(places, CB), 0)
    return unstacked(gl.permute(gl.reshape(found, (CB, RB, RA, CA)), (1, 2, 3, 0)), CB, L)


@gluon.jit
def inverse(
    re, im, row_circle, column_circle, N: gl.constexpr, RA: gl.constexpr, RB: gl.constexpr, CA: gl.constexpr,
    CB: gl.constexpr, Ls: gl.constexpr,
):  # fmt: skip
    """What `forward` does, backwards and with the other sign."""
    re, im = dft(re, im, CB, 1)
    re, im = _turn(re, im, CB, (0, 1, 3, 2), CA, Ls[2])  # [kb, ka, la | mb] -> [kb, ka, mb | la]
    re, im = _twiddled(re, im, column_circle, along(CB, 2, Ls[2]), CA, CB, 1)
    re, im = dft(re, im, CA, 1)
    re, im = _turn(re, im, CA, (1, 3, 2, 0), RB, Ls[1])  # [kb, ka, mb | ma] -> [ka, ma, mb | kb]
    re, im = dft(re, im, RB, 1)
    re, im = _turn(re, im, RB, (3, 1, 2, 0), RA, Ls[0])  # [ka, ma, mb | nb] -> [nb, ma, mb | ka]
    re, im = _twiddled(re, im, row_circle, along(RB, 0, Ls[0]), RA, RB, 1)
    return dft(re, im, RA, 1)


@gluon.jit
def joined_rows(re, im, N: gl.constexpr, RB: gl.constexpr, Ls: gl.constexpr):
    """The way back of `split_rows`."""
    return gl.convert_layout(gl.reshape(gl.join(re, im), (RB, N)), Ls[4], assert_trivial=True)
