"""Triton kernels around torch.fft: sums per bin, gains, Hermitian columns, clipping. Spectra are (re, im) pairs."""

from __future__ import annotations

# mypy: ignore-errors
import triton
import triton.language as tl
from triton.experimental import gluon
from triton.experimental.gluon import language as gl

from specops.ops.spectral.triton.kernels import chunk_sums, rest_of_bins
from specops.ops.spectral.triton.transform import with_last_axis


@gluon.jit
def _term(X, Y, place, inside, SAME: gl.constexpr, SCALE: gl.constexpr, factor: gl.constexpr, eps: gl.constexpr):
    """Re(conj X Y) at places, of spectra in (re, im) pairs, with a SCALE a function of it, as in `around_fft.Scale`."""
    L: gl.constexpr = place.type.layout
    pairs: gl.constexpr = gl.SliceLayout(1, with_last_axis(L, 2))
    at = gl.expand_dims(gl.convert_layout(2 * place, pairs), 1)
    at += gl.expand_dims(gl.arange(0, 2, gl.SliceLayout(0, with_last_axis(L, 2))), 0)
    mask = gl.expand_dims(gl.convert_layout(inside, pairs), 1)
    xr, xi = gl.split(gl.load(X + at, mask=mask, other=0.0))
    if SAME:
        yr, yi = xr, xi
    else:
        yr, yi = gl.split(gl.load(Y + at, mask=mask, other=0.0))
    value = gl.convert_layout(xr * yr + xi * yi, L)
    if SCALE == 1:
        value = factor * value
        value = gl.sqrt_rn(value) if value.dtype == gl.float32 else gl.sqrt(value)
    elif SCALE == 2:
        value = gl.log(factor * value + eps)
    return value


@gluon.jit
def around_fft_tile_sums_kernel(
    X, Y, weight, point, chunk, first, out, P, SIZE, SAME: gl.constexpr, SCALE: gl.constexpr, factor: gl.constexpr,
    eps: gl.constexpr, SECTOR: gl.constexpr, WORDS: gl.constexpr, WARPS: gl.constexpr, TILES: gl.constexpr,
    POINTS: gl.constexpr, SUM_TILES: gl.constexpr, SUMS: gl.constexpr, K: gl.constexpr, PADDED: gl.constexpr,
):  # fmt: skip
    """out [B, tiles, K]: sums over the bins, of the points that lie in a tile of SIZE coefficients in a row of memory.

    The tile is read once, from where a SECTOR of points begins. Words of no point of it are in no chunk.
    """
    T: gl.constexpr = WARPS * 32
    BLOCK: gl.constexpr = 4 * T
    L: gl.constexpr = gl.BlockedLayout([1], [32], [WARPS], [0])
    program, tiles = gl.program_id(0).to(gl.int64), gl.cdiv(P, SIZE)
    image, tile = program // tiles, program % tiles
    begin = image * P + tile * SIZE
    before = (begin % SECTOR).to(gl.int32)
    count = gl.minimum(SIZE, P - tile * SIZE).to(gl.int32)
    values = gl.allocate_shared_memory(out.dtype.element_ty, [WORDS], gl.SwizzledSharedLayout(1, 1, 1, [0]))
    for block in range(gl.cdiv(count + before, BLOCK)):
        word = block * BLOCK + gl.arange(0, BLOCK, L)
        i = word - before
        inside = (i >= 0) & (i < count)
        term = _term(X, Y, begin + i, inside, SAME, SCALE, factor, eps)
        factors = gl.load(weight + tile * SIZE + i, mask=inside, other=0.0)
        values.scatter(term * factors, word, 0)
    sums = chunk_sums(values, point + tile * (TILES * T * POINTS), before, WORDS, T, TILES, POINTS, WARPS)
    sums = chunk_sums(sums, chunk + tile * (SUM_TILES * T * SUMS), 0, TILES * T, T, SUM_TILES, SUMS, WARPS)
    total = rest_of_bins(sums, first + tile * (PADDED + 2), T, SUM_TILES * T, PADDED, WARPS)
    bins = gl.arange(0, PADDED, total.type.layout)
    gl.store(out + program * K + bins, total, mask=bins < K)


@triton.jit
def around_fft_totals_kernel(of_tiles, out, n, TILES, K, BLOCK: tl.constexpr):
    """out [B, K] from of_tiles [B, TILES, K]: the sum over the tiles, in order."""
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    within = i < n
    at = of_tiles + i // K * TILES * K + i % K
    total = tl.zeros([BLOCK], out.dtype.element_ty)
    for tile in range(TILES):
        total += tl.load(at + tile * K, mask=within, other=0.0)
    tl.store(out + i, total, mask=within)


@gluon.jit
def around_fft_sums_kernel(
    X, Y, point, weight, first, out, P, SAME: gl.constexpr, SCALE: gl.constexpr, factor: gl.constexpr,
    eps: gl.constexpr, K: gl.constexpr, LANES: gl.constexpr, WARPS: gl.constexpr,
):  # fmt: skip
    """out [B, K] from spectra [B, P] of (re, im) pairs, for bins with few points: LANES take turns with those of one.

    SCALE and the numbers with it as in `around_fft.Scale`; part of the kernel, which would get them in float32.
    """
    BINS: gl.constexpr = WARPS * 32 // LANES
    L: gl.constexpr = gl.BlockedLayout([1], [32], [WARPS], [0])
    program, blocks = gl.program_id(0).to(gl.int64), gl.cdiv(K, BINS)
    thread = gl.arange(0, WARPS * 32, L)
    image, k = program // blocks, (program % blocks).to(gl.int32) * BINS + thread // LANES
    i = gl.load(first + k, mask=k < K, other=0) + thread % LANES
    end = gl.load(first + k + 1, mask=k < K, other=0)
    total = gl.zeros([WARPS * 32], out.dtype.element_ty, L)
    part = total  # of up to 32 terms
    for turn in range(gl.max(gl.cdiv(end - i, LANES), 0)):
        inside = i < end
        place = image * P + gl.load(point + i, mask=inside, other=0)
        value = _term(X, Y, place, inside, SAME, SCALE, factor, eps)
        part += gl.where(inside, value * gl.load(weight + i, mask=inside, other=0.0), 0.0)
        if turn % 32 == 31:
            total += part
            part = gl.zeros([WARPS * 32], out.dtype.element_ty, L)
        i += LANES
    total += part
    L_bin: gl.constexpr = gl.BlockedLayout([1, 1], [32 // LANES, LANES], [WARPS, 1], [1, 0])
    total = gl.sum(gl.convert_layout(gl.reshape(total, (BINS, LANES)), L_bin), 1)
    k = (program % blocks).to(gl.int32) * BINS + gl.arange(0, BINS, gl.SliceLayout(1, L_bin))
    gl.store(out + image * K + k, total, mask=k < K)


@triton.jit
def _root(q):
    """Correctly rounded; Triton has a name for that in float32 alone, where its own root is approximate."""
    return tl.sqrt_rn(q) if q.dtype == tl.float32 else tl.sqrt(q)


@triton.jit
def _quotient(a, b):
    return tl.div_rn(a, b) if b.dtype == tl.float32 else a / b


@triton.jit
def around_fft_gains_kernel(
    X, profile, index, weight, P, maps, profile_stride, SCALE: tl.constexpr, factor: tl.constexpr, eps: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """X [B, P] of (re, im) pairs times the sum over the maps of weight profile[index], in place; bin -1 has gain 0.

    With a SCALE, as in `around_fft.Scale`, also times its scale slope at the power of X.
    """
    program, blocks = tl.program_id(0).to(tl.int64), tl.cdiv(P, BLOCK)
    image = program // blocks
    i = program % blocks * BLOCK + tl.arange(0, BLOCK)
    within = i < P
    gain = tl.zeros([BLOCK], X.dtype.element_ty)
    for m in range(maps):
        place = tl.load(index + m * P + i, mask=within, other=-1)
        value = tl.load(profile + image * profile_stride + place, mask=place >= 0, other=0.0)
        gain += value * tl.load(weight + m * P + i, mask=within, other=0.0)
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
def around_fft_hermitian_kernel(X, n, rows, columns, edges, BLOCK: tl.constexpr):
    """X [B, rows, columns] of (re, im) pairs with the first column, of two edges the last too, made Hermitian in place.

    ½ (X(ky) + conj X(-ky)); n pairs of coefficients in all.
    """
    i = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    pairs = edges * (rows // 2 + 1)
    ky, kx = i % pairs // edges, tl.where(i % edges == 0, 0, columns - 1)
    image = i // pairs * rows
    here = tl.expand_dims((image + ky) * columns + kx, 1) * 2 + tl.arange(0, 2)
    mirrored = tl.expand_dims((image + rows - ky) * columns + kx, 1) * 2 + tl.arange(0, 2)
    within, alone = tl.expand_dims(i < n, 1), 2 * ky % rows == 0
    paired = within & tl.expand_dims(2 * ky % rows != 0, 1)
    re, im = tl.split(tl.load(X + here, mask=within, other=0.0))
    mirrored_re, mirrored_im = tl.split(tl.load(X + mirrored, mask=paired, other=0.0))
    re, im = tl.where(alone, re, 0.5 * (re + mirrored_re)), tl.where(alone, 0.0, 0.5 * (im - mirrored_im))
    tl.store(X + here, tl.join(re, im), mask=within)
    tl.store(X + mirrored, tl.join(re, -im), mask=paired)


@triton.jit
def around_fft_clip_kernel(
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
