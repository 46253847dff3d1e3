"""Triton kernels of the spectral ops: one launch each where `triton_transform` serves, else what surrounds torch.fft.

One program per image in the one-launch kernels, so that an image's result does not depend on the others.
"""

from __future__ import annotations

# mypy: ignore-errors
# ruff: noqa: RUF005  (tuples in Triton know + alone)
import triton
import triton.language as tl
from triton.experimental import gluon
from triton.experimental.gluon import language as gl

from specops.ops.spectral.triton_transform import (
    along,
    flat_index,
    flattened,
    forward,
    inverse,
    joined_rows,
    layouts,
    mirrored,
    read_rows,
    split_rows,
)


@gluon.jit
def _places(N: gl.constexpr, RA: gl.constexpr, RB: gl.constexpr, CA: gl.constexpr, L: gl.constexpr):
    """Positions in kernel order of the coefficients [kb, ka, la] with lb = 0."""
    return (along(RB, 0, L) * RA + along(RA, 1, L)) * CA + along(CA, 2, L)


@gluon.jit
def _doubled_spectrum(x, row_circle, column_circle, phase, buffer, N: gl.constexpr, RA: gl.constexpr, RB: gl.constexpr,
                      CA: gl.constexpr, CB: gl.constexpr, Ls: gl.constexpr):  # fmt: skip
    """2 X[k, l], l < M, as tuples over lb, and 2 X[k, M] where l = 0."""
    M: gl.constexpr = N // 2
    re = ()
    im = ()
    for na in gl.static_range(RA):
        a, b = read_rows(x, na, N, RB, CA, CB, Ls)
        re = re + (a,)
        im = im + (b,)
    re, im = forward(re, im, row_circle, column_circle, N, RA, RB, CA, CB, Ls)
    other_re = mirrored(re, buffer, N, RA, RB, CA, CB, Ls[3])
    er = ()
    oi = ()
    for lb in gl.static_range(CB):
        er = er + (re[lb] + other_re[lb],)
        oi = oi + (other_re[lb] - re[lb],)
    other_im = mirrored(im, buffer, N, RA, RB, CA, CB, Ls[3])
    la = along(CA, 2, Ls[3])
    xr = ()
    xi = ()
    last_re = 0.0
    last_im = 0.0
    for lb in gl.static_range(CB):
        ei = im[lb] - other_im[lb]
        o_r = im[lb] + other_im[lb]
        c = gl.load(phase + lb * CA + la)
        s = gl.load(phase + M + lb * CA + la)
        xr = xr + (er[lb] + c * o_r + s * oi[lb],)
        xi = xi + (ei + c * oi[lb] - s * o_r,)
        if lb == 0:
            last_re = er[0] - o_r
            last_im = ei - oi[0]
    return xr, xi, last_re, last_im


@gluon.jit
def _chunk_sums(values, table, WORDS: gl.constexpr, T: gl.constexpr, TILES: gl.constexpr, CHUNK: gl.constexpr,
                WARPS: gl.constexpr):  # fmt: skip
    """In shared memory, sums of values over the chunks of a table [TILES T, CHUNK] of their places.

    There are WORDS values, a power of two. A place below 0 is no value, but where another lane reads.
    """
    L: gl.constexpr = gl.BlockedLayout([1, CHUNK], [32, 1], [WARPS, 1], [1, 0])
    sums = gl.allocate_shared_memory(gl.float32, [TILES * T], gl.SwizzledSharedLayout(1, 1, 1, [0]))
    for tile in gl.static_range(TILES):
        place = gl.load(table + tile * T * CHUNK + flat_index(T, CHUNK, CHUNK, L)).to(gl.int32)
        found = values.gather(gl.reshape(place & (WORDS - 1), (T * CHUNK,)), 0)
        found = gl.convert_layout(gl.reshape(found, (T, CHUNK)), L, assert_trivial=True)
        chunk = gl.arange(0, T, gl.SliceLayout(1, L)) + tile * T
        sums.scatter(gl.sum(gl.where(place >= 0, found, 0.0), 1), chunk, 0)
    return sums


@gluon.jit
def binned_cross_kernel(
    x, y, weight, last_weight, point, chunk, first, last_index, out, row_circle, column_circle, phase,
    SAME: gl.constexpr, N: gl.constexpr, RA: gl.constexpr, RB: gl.constexpr, CA: gl.constexpr, CB: gl.constexpr,
    WARPS: gl.constexpr, TILES: gl.constexpr, POINTS: gl.constexpr, SUM_TILES: gl.constexpr, SUMS: gl.constexpr,
    K: gl.constexpr, PADDED: gl.constexpr,
):  # fmt: skip
    """out [B, K]: sums over the bins of Re(conj X Y), of images x, y [B, N, N].

    A bin is cut to chunks of POINTS values, their sums to chunks of SUMS; PER_BIN lanes add what these leave of a bin.
    Column N/2 is not in kernel order and is added bin by bin. Weights are a quarter of the op's: X and Y come doubled.
    """
    T: gl.constexpr = WARPS * 32
    M: gl.constexpr = N // 2
    Ls: gl.constexpr = layouts(N, RA, RB, CA, CB, WARPS)
    plain: gl.constexpr = gl.SwizzledSharedLayout(1, 1, 1, [0])
    image = gl.program_id(0).to(gl.int64)
    buffer = gl.allocate_shared_memory(gl.float32, [N * M], plain)
    xr, xi, last_xr, last_xi = _doubled_spectrum(
        x + image * N * N, row_circle, column_circle, phase, buffer, N, RA, RB, CA, CB, Ls
    )
    if SAME:
        yr, yi, last_yr, last_yi = xr, xi, last_xr, last_xi
    else:
        lines: gl.constexpr = gl.SwizzledSharedLayout(1, 1, 1, [2, 1, 0])
        real = gl.allocate_shared_memory(gl.float32, [CB, RB, RA, CA], lines)
        imaginary = gl.allocate_shared_memory(gl.float32, [CB, RB, RA, CA], lines)
        for lb in gl.static_range(CB):
            real.index(lb).store(xr[lb])
            imaginary.index(lb).store(xi[lb])
        yr, yi, last_yr, last_yi = _doubled_spectrum(
            y + image * N * N, row_circle, column_circle, phase, buffer, N, RA, RB, CA, CB, Ls
        )
    terms = ()
    for lb in gl.static_range(CB):
        if SAME:
            product = yr[lb] * yr[lb] + yi[lb] * yi[lb]
        else:
            product = real.index(lb).load(Ls[3]) * yr[lb] + imaginary.index(lb).load(Ls[3]) * yi[lb]
        terms = terms + (product * gl.load(weight + lb * N * CA + _places(N, RA, RB, CA, Ls[3])),)
    last = gl.where(along(CA, 2, Ls[3]) == 0, last_xr * last_yr + last_xi * last_yi, 0.0)
    L_last: gl.constexpr = gl.BlockedLayout([1, max(1, PADDED // 32)], [1, 32], [WARPS, 1], [1, 0])
    bins = gl.arange(0, PADDED, gl.SliceLayout(0, L_last))
    k = gl.arange(0, N, gl.SliceLayout(1, L_last))
    last = gl.convert_layout(gl.reshape(gl.sum(last, 2), (N,)), gl.SliceLayout(1, L_last)) * gl.load(last_weight + k)
    hit = gl.expand_dims(gl.load(last_index + k), 1) == gl.expand_dims(bins, 0)
    total = gl.sum(gl.where(hit, gl.expand_dims(last, 1), 0.0), 0)
    buffer.store(flattened(terms, CB))
    sums = _chunk_sums(buffer, point, N * M, T, TILES, POINTS, WARPS)
    sums = _chunk_sums(sums, chunk, TILES * T, T, SUM_TILES, SUMS, WARPS)
    PER_BIN: gl.constexpr = max(1, min(T // PADDED, 32))
    L_bin: gl.constexpr = gl.BlockedLayout([1, 1], [32 // PER_BIN, PER_BIN], [WARPS, 1], [1, 0])
    b = gl.arange(0, PADDED, gl.SliceLayout(1, L_bin))
    at = gl.expand_dims(gl.load(first + b), 1) + gl.expand_dims(gl.arange(0, PER_BIN, gl.SliceLayout(0, L_bin)), 0)
    end = gl.expand_dims(gl.load(first + b + 1), 1)
    rest = gl.zeros([PADDED, PER_BIN], gl.float32, L_bin)
    for _ in range(gl.load(first + PADDED + 1)):
        partial_sums = sums.gather(gl.reshape(gl.minimum(at, SUM_TILES * T - 1), (PADDED * PER_BIN,)), 0)
        partial_sums = gl.convert_layout(gl.reshape(partial_sums, (PADDED, PER_BIN)), L_bin, assert_trivial=True)
        rest += gl.where(at < end, partial_sums, 0.0)
        at += PER_BIN
    total += gl.convert_layout(gl.sum(rest, 1), gl.SliceLayout(0, L_last))
    gl.store(out + image * K + bins, total, mask=bins < K)


@gluon.jit
def _gain(c, index, weight, at):
    """weight c[index] of tables at positions; 0 where the index is -1."""
    place = gl.load(index + at)
    return gl.load(weight + at) * gl.load(c + place, mask=place >= 0, other=0.0)


@gluon.jit
def _filtered(
    re, im, c, index, weight, edge_index, edge_weight, row_circle, column_circle, phase, N: gl.constexpr,
    RA: gl.constexpr, RB: gl.constexpr, CA: gl.constexpr, CB: gl.constexpr, Ls: gl.constexpr,
):  # fmt: skip
    """z as tuples over na, its coefficients times their gains.

    With a, b the gains at l and l + M: Z' = (a + b) Z + (a - b)/2 (w 2 O + i conj(w) 2 E).
    """
    M: gl.constexpr = N // 2
    L: gl.constexpr = Ls[3]
    buffer = gl.allocate_shared_memory(gl.float32, [N * M], gl.SwizzledSharedLayout(1, 1, 1, [0]))
    re, im = forward(re, im, row_circle, column_circle, N, RA, RB, CA, CB, Ls)
    other_re = mirrored(re, buffer, N, RA, RB, CA, CB, L)
    other_im = mirrored(im, buffer, N, RA, RB, CA, CB, L)
    la = along(CA, 2, L)
    k = along(RB, 0, L) * RA + along(RA, 1, L)
    zr = ()
    zi = ()
    for lb in gl.static_range(CB):
        er = re[lb] + other_re[lb]
        ei = im[lb] - other_im[lb]
        o_r = im[lb] + other_im[lb]
        oi = other_re[lb] - re[lb]
        cosines = gl.load(phase + lb * CA + la)
        sines = gl.load(phase + M + lb * CA + la)
        at = _places(N, RA, RB, CA, L) + lb * N * CA
        a = _gain(c, index, weight, at)
        b = _gain(c, index + N * M, weight + N * M, at)
        if lb == 0:  # columns 0 and N/2 act through the mean of ky and -ky
            a += gl.where(la == 0, _gain(c, edge_index, edge_weight, k), 0.0)
            b += gl.where(la == 0, _gain(c, edge_index + N, edge_weight + N, k), 0.0)
        f = a + b
        h = 0.5 * (a - b)
        zr = zr + (f * re[lb] + h * (cosines * o_r + sines * oi - cosines * ei - sines * er),)
        zi = zi + (f * im[lb] + h * (cosines * oi - sines * o_r + cosines * er - sines * ei),)
    return inverse(zr, zi, row_circle, column_circle, N, RA, RB, CA, CB, Ls)


@gluon.jit
def binned_filter_kernel(
    x, out, c, index, weight, edge_index, edge_weight, row_circle, column_circle, phase, c_stride, N: gl.constexpr,
    RA: gl.constexpr, RB: gl.constexpr, CA: gl.constexpr, CB: gl.constexpr, WARPS: gl.constexpr,
):  # fmt: skip
    """out [B, N, N]: images x filtered by gains c [K] (c_stride 0) or [B, K] (c_stride K)."""
    Ls: gl.constexpr = layouts(N, RA, RB, CA, CB, WARPS)
    image = gl.program_id(0).to(gl.int64)
    re = ()
    im = ()
    for na in gl.static_range(RA):
        a, b = read_rows(x + image * N * N, na, N, RB, CA, CB, Ls)
        re = re + (a,)
        im = im + (b,)
    re, im = _filtered(
        re, im, c + image * c_stride, index, weight, edge_index, edge_weight, row_circle, column_circle, phase,
        N, RA, RB, CA, CB, Ls,
    )  # fmt: skip
    for na in gl.static_range(RA):
        rows = joined_rows(re[na], im[na], N, RB, Ls)
        at = image * N * N + na * RB * N + flat_index(RB, N, N, Ls[4])
        gl.store(out + at, rows.to(out.dtype.element_ty))


@gluon.jit
def _folded(u, low, twice_low):
    """|u - low| + low."""
    return gl.where(u >= low, u, twice_low - u)


@gluon.jit
def clipped_band_swap_kernel(
    x, y, out, slope, kept, c, index, weight, edge_index, edge_weight, row_circle, column_circle, phase, c_stride, low,
    twice_low, high, ONE_VALUE: gl.constexpr, KEEP: gl.constexpr, N: gl.constexpr, RA: gl.constexpr, RB: gl.constexpr,
    CA: gl.constexpr, CB: gl.constexpr, WARPS: gl.constexpr,
):  # fmt: skip
    """u = y + filter(x - y), folded and clipped, its slope, and y folded and clipped; y waits in shared memory.

    ONE_VALUE: y is a single number for all pixels of all images.
    """
    Ls: gl.constexpr = layouts(N, RA, RB, CA, CB, WARPS)
    image = gl.program_id(0).to(gl.int64)
    waiting = gl.allocate_shared_memory(gl.float32, [RA, RB, N], gl.SwizzledSharedLayout(1, 1, 1, [1, 0]))
    re = ()
    im = ()
    for na in gl.static_range(RA):
        at = image * N * N + na * RB * N + flat_index(RB, N, N, Ls[4])
        if ONE_VALUE:
            base = gl.load(y).to(gl.float32) + gl.zeros([RB, N], gl.float32, Ls[4])
        else:
            base = gl.load(y + at).to(gl.float32)
            waiting.index(na).store(base)
        a, b = split_rows(gl.load(x + at).to(gl.float32) - base, RB, CA, CB, Ls)
        re = re + (a,)
        im = im + (b,)
    re, im = _filtered(
        re, im, c + image * c_stride, index, weight, edge_index, edge_weight, row_circle, column_circle, phase,
        N, RA, RB, CA, CB, Ls,
    )  # fmt: skip
    for na in gl.static_range(RA):
        at = image * N * N + na * RB * N + flat_index(RB, N, N, Ls[4])
        if ONE_VALUE:
            base = gl.load(y).to(gl.float32) + gl.zeros([RB, N], gl.float32, Ls[4])
        else:
            base = waiting.index(na).load(Ls[4])
        u = base + joined_rows(re[na], im[na], N, RB, Ls)
        folded = _folded(u, low, twice_low)
        sign = (u > low).to(gl.int8) - (u < low).to(gl.int8)
        gl.store(out + at, gl.where(folded > high, high, folded).to(out.dtype.element_ty))
        gl.store(slope + at, gl.where(folded <= high, sign, 0).to(gl.int8))
        if KEEP:
            folded = _folded(base, low, twice_low)
            gl.store(kept + at, gl.where(folded > high, high, folded).to(out.dtype.element_ty))


@triton.jit
def _root(q):
    """Correctly rounded; Triton has a name for that in float32 alone, where its own root is approximate."""
    return tl.sqrt_rn(q) if q.dtype == tl.float32 else tl.sqrt(q)


@triton.jit
def _quotient(a, b):
    return tl.div_rn(a, b) if b.dtype == tl.float32 else a / b


@triton.jit
def bin_sums_kernel(
    X, Y, point, weight, first, out, P, K, SAME: tl.constexpr, SCALE: tl.constexpr, factor: tl.constexpr,
    eps: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """out [B, K] from spectra [B, P] of (re, im) pairs: a program sums a bin of an image, its points in fixed order.

    SCALE and the numbers with it as in `around_fft.Scale`; part of the kernel, which would get them in float32.
    """
    program = tl.program_id(0).to(tl.int64)
    image, k = program // K, program % K
    begin, end = tl.load(first + k), tl.load(first + k + 1)
    total = tl.zeros([BLOCK], out.dtype.element_ty)
    for at in range(begin, end, BLOCK):
        i = at + tl.arange(0, BLOCK)
        inside = i < end
        i = tl.minimum(i, end - 1)
        place = tl.expand_dims((image * P + tl.load(point + i)) * 2, 1) + tl.arange(0, 2)
        xr, xi = tl.split(tl.load(X + place))
        yr, yi = (xr, xi) if SAME else tl.split(tl.load(Y + place))
        value = xr * yr + xi * yi
        if SCALE == 1:
            value = _root(factor * value)
        elif SCALE == 2:
            value = tl.log(factor * value + eps)
        total += tl.where(inside, value * tl.load(weight + i), 0.0)
    tl.store(out + image * K + k, tl.sum(total))


@triton.jit
def gain_kernel(
    X, c, index, weight, P, maps, c_stride, SCALE: tl.constexpr, factor: tl.constexpr, eps: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """X [B, P] of (re, im) pairs times the sum over the maps of weight c[index], in place; bin -1 has gain 0.

    With a SCALE, as in `around_fft.Scale`, also times its slope at the power of X.
    """
    program, blocks = tl.program_id(0).to(tl.int64), tl.cdiv(P, BLOCK)
    image = program // blocks
    i = program % blocks * BLOCK + tl.arange(0, BLOCK)
    within = i < P
    gain = tl.zeros([BLOCK], X.dtype.element_ty)
    for m in range(maps):
        place = tl.load(index + m * P + i, mask=within, other=-1)
        profile = tl.load(c + image * c_stride + place, mask=place >= 0, other=0.0)
        gain += profile * tl.load(weight + m * P + i, mask=within, other=0.0)
    at = tl.expand_dims((image * P + i) * 2, 1) + tl.arange(0, 2)
    whole = tl.expand_dims(within, 1)
    re, im = tl.split(tl.load(X + at, mask=whole, other=0.0))
    if SCALE == 1:
        q = factor * (re * re + im * im)
        gain = tl.where(q == 0, 0.0, _quotient(0.5 * gain, _root(q)))
    elif SCALE == 2:
        gain = _quotient(gain, factor * (re * re + im * im) + eps)
    tl.store(X + at, tl.join(re * gain, im * gain), mask=whole)


@triton.jit
def clip_kernel(
    filtered, y, out, slope, kept, n, low: tl.constexpr, high: tl.constexpr, ONE_VALUE: tl.constexpr,
    KEEP: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """What follows the inverse transform of a band swap: u = y + filtered, folded and clipped, and its slope.

    The range is part of the kernel, since numbers are passed to one in float32.
    """
    twice_low: tl.constexpr = 2 * low
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    within = i < n
    base = tl.load(y + (0 if ONE_VALUE else 1) * i, mask=within, other=0.0)
    u = base + tl.load(filtered + i, mask=within, other=0.0)
    folded = tl.where(u >= low, u, twice_low - u)
    sign = (u > low).to(tl.int8) - (u < low).to(tl.int8)
    tl.store(out + i, tl.where(folded > high, high, folded), mask=within)
    tl.store(slope + i, tl.where(folded <= high, sign, 0).to(tl.int8), mask=within)
    if KEEP:
        folded = tl.where(base >= low, base, twice_low - base)
        tl.store(kept + i, tl.where(folded > high, high, folded), mask=within)
