"""Triton kernels of the spectral ops in one launch: a program per image, whose result does not depend on the others."""

from __future__ import annotations

# mypy: ignore-errors
# ruff: noqa: RUF005  (tuples in Triton know + alone)
from triton.experimental import gluon
from triton.experimental.gluon import language as gl

from specops.ops.spectral.triton.transform import (
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
def chunk_sums(values, table, before, WORDS: gl.constexpr, T: gl.constexpr, TILES: gl.constexpr, CHUNK: gl.constexpr,
                WARPS: gl.constexpr):  # fmt: skip
    """In shared memory, sums of values over the chunks of a table [TILES T, CHUNK] of their places, `before` more each.

    There are WORDS values, a power of two. A place below 0 is no value, but where another lane reads.
    """
    L: gl.constexpr = gl.BlockedLayout([1, CHUNK], [32, 1], [WARPS, 1], [1, 0])
    sums = gl.allocate_shared_memory(values.dtype, [TILES * T], gl.SwizzledSharedLayout(1, 1, 1, [0]))
    for tile in gl.static_range(TILES):
        place = gl.load(table + tile * T * CHUNK + flat_index(T, CHUNK, CHUNK, L)).to(gl.int32)
        found = values.gather(gl.reshape((place + before) & (WORDS - 1), (T * CHUNK,)), 0)
        found = gl.convert_layout(gl.reshape(found, (T, CHUNK)), L, assert_trivial=True)
        chunk = gl.arange(0, T, gl.SliceLayout(1, L)) + tile * T
        sums.scatter(gl.sum(gl.where(place >= 0, found, 0.0), 1), chunk, 0)
    return sums


@gluon.jit
def rest_of_bins(sums, first, T: gl.constexpr, WORDS: gl.constexpr, PADDED: gl.constexpr, WARPS: gl.constexpr):
    """The sums of each bin, which are neighbours among WORDS in shared memory, added by up to 32 lanes: [PADDED].

    The table has the first sum of each bin, the end of the last and how many times all lanes take one.
    """
    PER_BIN: gl.constexpr = max(1, min(T // PADDED, 32))
    L: gl.constexpr = gl.BlockedLayout([1, 1], [32 // PER_BIN, PER_BIN], [WARPS, 1], [1, 0])
    b = gl.arange(0, PADDED, gl.SliceLayout(1, L))
    at = gl.expand_dims(gl.load(first + b), 1) + gl.expand_dims(gl.arange(0, PER_BIN, gl.SliceLayout(0, L)), 0)
    end = gl.expand_dims(gl.load(first + b + 1), 1)
    rest = gl.zeros([PADDED, PER_BIN], sums.dtype, L)
    for _ in range(gl.load(first + PADDED + 1)):
        some = sums.gather(gl.reshape(gl.minimum(at, WORDS - 1), (PADDED * PER_BIN,)), 0)
        some = gl.convert_layout(gl.reshape(some, (PADDED, PER_BIN)), L, assert_trivial=True)
        rest += gl.where(at < end, some, 0.0)
        at += PER_BIN
    return gl.sum(rest, 1)


@gluon.jit
def binned_cross_spectrum_kernel(
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
    sums = chunk_sums(buffer, point, 0, N * M, T, TILES, POINTS, WARPS)
    sums = chunk_sums(sums, chunk, 0, TILES * T, T, SUM_TILES, SUMS, WARPS)
    rest = rest_of_bins(sums, first, T, SUM_TILES * T, PADDED, WARPS)
    total += gl.convert_layout(rest, gl.SliceLayout(0, L_last))
    gl.store(out + image * K + bins, total, mask=bins < K)


@gluon.jit
def _gain(profile, index, weight, at):
    """weight profile[index] of tables at positions; 0 where the index is -1."""
    place = gl.load(index + at)
    return gl.load(weight + at) * gl.load(profile + place, mask=place >= 0, other=0.0)


@gluon.jit
def _filtered(
    re, im, profile, index, weight, edge_index, edge_weight, row_circle, column_circle, phase, N: gl.constexpr,
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
        a = _gain(profile, index, weight, at)
        b = _gain(profile, index + N * M, weight + N * M, at)
        if lb == 0:  # columns 0 and N/2 act through the mean of ky and -ky
            a += gl.where(la == 0, _gain(profile, edge_index, edge_weight, k), 0.0)
            b += gl.where(la == 0, _gain(profile, edge_index + N, edge_weight + N, k), 0.0)
        f = a + b
        h = 0.5 * (a - b)
        zr = zr + (f * re[lb] + h * (cosines * o_r + sines * oi - cosines * ei - sines * er),)
        zi = zi + (f * im[lb] + h * (cosines * oi - sines * o_r + cosines * er - sines * ei),)
    return inverse(zr, zi, row_circle, column_circle, N, RA, RB, CA, CB, Ls)


@gluon.jit
def binned_filter_kernel(
    x, out, profile, index, weight, edge_index, edge_weight, row_circle, column_circle, phase, profile_stride,
    N: gl.constexpr, RA: gl.constexpr, RB: gl.constexpr, CA: gl.constexpr, CB: gl.constexpr, WARPS: gl.constexpr,
):  # fmt: skip
    """out [B, N, N]: images x filtered by a profile [K] (profile_stride 0) or [B, K] (profile_stride K)."""
    Ls: gl.constexpr = layouts(N, RA, RB, CA, CB, WARPS)
    image = gl.program_id(0).to(gl.int64)
    re = ()
    im = ()
    for na in gl.static_range(RA):
        a, b = read_rows(x + image * N * N, na, N, RB, CA, CB, Ls)
        re = re + (a,)
        im = im + (b,)
    re, im = _filtered(
        re, im, profile + image * profile_stride, index, weight, edge_index, edge_weight, row_circle, column_circle,
        phase, N, RA, RB, CA, CB, Ls,
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
    x, y, out, slope, kept, profile, index, weight, edge_index, edge_weight, row_circle, column_circle, phase,
    profile_stride, low, twice_low, high, ONE_VALUE: gl.constexpr, KEEP: gl.constexpr, N: gl.constexpr,
    RA: gl.constexpr, RB: gl.constexpr, CA: gl.constexpr, CB: gl.constexpr, WARPS: gl.constexpr,
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
        re, im, profile + image * profile_stride, index, weight, edge_index, edge_weight, row_circle, column_circle,
        phase, N, RA, RB, CA, CB, Ls,
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
