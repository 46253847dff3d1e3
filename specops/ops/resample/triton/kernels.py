"""Triton kernels of resampling: a program makes a band of tiles of outputs of a plane from samples that it reads once.

Tables say where a tile's samples and outputs lie and which terms make an output (`tables.Tiles`), so that the kernels
know nothing of factors, boundaries, transposes or channels. A place or a tap of -1 is none.
"""

from __future__ import annotations

# mypy: ignore-errors
# ruff: noqa: RET505  (Triton compiles what follows a return)
import triton
import triton.language as tl


@triton.jit
def _places(vectors, COUNT: tl.constexpr, VECTOR: tl.constexpr):
    """Elements [COUNT] of vectors whose numbers are in a table; negative where there is no vector."""
    i = tl.arange(0, COUNT)
    return tl.load(vectors + i // VECTOR) * VECTOR + i % VECTOR


@triton.jit
def _rectangle(image, plane, rows, columns, height, width):
    """Where rows x columns of a plane of an image [planes, height, width] are, and which of them exist."""
    lines = image + ((plane * height + rows) * width)[:, None]
    return lines + columns[None, :], (rows >= 0)[:, None] & (columns >= 0)[None, :]


@triton.jit
def _term(terms, k, COUNT: tl.constexpr):
    """Slot of the sample and tap of the k-th term of each output."""
    term = tl.load(terms + k * COUNT + tl.arange(0, COUNT))
    return term & 0xFFFF, term >> 16


@triton.jit
def _rows(samples, slot):
    return tl.gather(samples, tl.broadcast_to(slot[:, None], (slot.shape[0], samples.shape[1])), 0)


@triton.jit
def _columns(samples, slot):
    return tl.gather(samples, tl.broadcast_to(slot[None, :], (samples.shape[0], slot.shape[0])), 1)


@triton.jit
def _outer_product(f, ROUNDOFF: tl.constexpr, FH: tl.constexpr, FW: tl.constexpr, PADDED: tl.constexpr):
    """Row and column of the largest tap of f [FH, FW], and whether f is the outer product of these two."""
    i = tl.arange(0, PADDED)
    within = i < FH * FW
    taps = tl.load(f + i, mask=within, other=0.0)
    largest = tl.argmax(tl.abs(taps), 0)
    row, column = largest // FW, largest % FW
    g = tl.load(f + i // FW * FW + column, mask=within, other=0.0)
    h = tl.load(f + row * FW + i % FW) / tl.load(f + largest)
    near = tl.abs(g * h - taps) <= 8 * ROUNDOFF * tl.abs(taps)
    return row, column, tl.sum((~near).to(tl.float32), 0) == 0


@triton.jit
def _weights(line, tap, step, ONES: tl.constexpr):
    """Taps of a line of f; 0 where there is none."""
    if ONES:
        return (tap >= 0).to(line.dtype.element_ty)
    else:
        return tl.load(line + tap * step, mask=tap >= 0, other=0.0)


@triton.jit
def _by_lines(samples, g, h, pivot, row_terms, column_terms, KR, KC, FW: tl.constexpr, BR: tl.constexpr,
              BC: tl.constexpr, ONE_ROW: tl.constexpr, ONE_COLUMN: tl.constexpr):  # fmt: skip
    """A filter g h / pivot: along y, then along x."""
    across = tl.zeros([BR, samples.shape[1]], g.dtype.element_ty)
    for k in range(KR):
        slot, tap = _term(row_terms, k, BR)
        value = tl.where((tap >= 0)[:, None], _rows(samples, slot).to(across.dtype), 0.0)
        across += _weights(g, tap, FW, ONE_ROW)[:, None] * value
    sums = tl.zeros([BR, BC], across.dtype)
    for k in range(KC):
        slot, tap = _term(column_terms, k, BC)
        value = tl.where((tap >= 0)[None, :], _columns(across, slot), 0.0)
        sums += (_weights(h, tap, 1, ONE_COLUMN) / pivot)[None, :] * value
    return sums


@triton.jit
def _by_taps(samples, f, row_terms, column_terms, KR, KC, FW: tl.constexpr, BR: tl.constexpr, BC: tl.constexpr):
    """Any filter."""
    sums = tl.zeros([BR, BC], f.dtype.element_ty)
    for i in range(KR):
        row_slot, row_tap = _term(row_terms, i, BR)
        values = _rows(samples, row_slot)
        for j in range(KC):
            column_slot, column_tap = _term(column_terms, j, BC)
            taken = (row_tap >= 0)[:, None] & (column_tap >= 0)[None, :]
            weight = tl.load(f + row_tap[:, None] * FW + column_tap[None, :], mask=taken, other=0.0)
            sums += weight * tl.where(taken, _columns(values, column_slot).to(sums.dtype), 0.0)
    return sums


@triton.jit
def _tables(row_tables, column_tables, bands, column_tiles, steps, KR, KC, SR: tl.constexpr, BR: tl.constexpr,
            SC: tl.constexpr, BC: tl.constexpr, LOAD: tl.constexpr, STORE: tl.constexpr):  # fmt: skip
    """The program's plane and its tables: of the first tile of its band of rows, and of its columns."""
    program = tl.program_id(0)
    rows = row_tables + program // column_tiles % bands * steps * (SR + BR + KR * BR)
    columns = column_tables + program % column_tiles * (SC // LOAD + BC // STORE + KC * BC)
    return (program // (bands * column_tiles)).to(tl.int64), rows, columns


@triton.jit
def upfirdn2d_kernel(
    x, out, f, row_tables, column_tables, bands, column_tiles, steps, KR, KC, height, in_vectors, out_height,
    out_vectors, ROUNDOFF: tl.constexpr, FH: tl.constexpr, FW: tl.constexpr, PADDED: tl.constexpr, SR: tl.constexpr,
    BR: tl.constexpr, SC: tl.constexpr, BC: tl.constexpr, LOAD: tl.constexpr, STORE: tl.constexpr,
):  # fmt: skip
    """out [planes, out_height, STORE out_vectors] from x [planes, height, LOAD in_vectors] by a filter f [FH, FW]."""
    plane, row_table, column_table = _tables(
        row_tables, column_tables, bands, column_tiles, steps, KR, KC, SR, BR, SC, BC, LOAD, STORE
    )
    to_columns = column_table + SC // LOAD
    column_terms = to_columns + BC // STORE
    ONE_LINE: tl.constexpr = FH == 1 or FW == 1
    row, column, separable, pivot = 0, 0, True, 1.0
    if not ONE_LINE:
        row, column, separable = _outer_product(f, ROUNDOFF, FH, FW, PADDED)
        pivot = tl.load(f + row * FW + column)
    samples = tl.zeros([SR, SC], x.dtype.element_ty)
    for _ in tl.range(steps, disable_licm=True):  # what is the same for all tiles would take registers
        rows, columns = _places(row_table, SR, 1), _places(column_table, SC, LOAD)
        at, exists = _rectangle(x, plane, rows, columns, height, in_vectors * LOAD)
        samples = tl.load(at, mask=exists, other=samples)  # what the last tile left, where nothing is to be loaded
        row_terms = row_table + SR + BR
        if separable:
            sums = _by_lines(
                samples, f + column, f + row * FW, pivot, row_terms, column_terms, KR, KC, FW, BR, BC,
                ONE_LINE and FW > 1, FW == 1,
            )  # fmt: skip
        else:
            sums = _by_taps(samples, f, row_terms, column_terms, KR, KC, FW, BR, BC)
        rows, columns = _places(row_table + SR, BR, 1), _places(to_columns, BC, STORE)
        at, exists = _rectangle(out, plane, rows, columns, out_height, out_vectors * STORE)
        tl.store(at, sums.to(out.dtype.element_ty), mask=exists)
        row_table = row_terms + KR * BR


@triton.jit
def upfirdn2d_filter_correlation_kernel(
    x, y, sums, row_tables, column_tables, bands, column_tiles, steps, KR, KC, height, in_vectors, out_height,
    out_vectors, SR: tl.constexpr, BR: tl.constexpr, SC: tl.constexpr, BC: tl.constexpr, LOAD: tl.constexpr,
    STORE: tl.constexpr,
):  # fmt: skip
    """sums [KR KC, programs]: of y times the sample of x that a tap takes, over a tile. The k-th term has tap k."""
    plane, row_table, column_table = _tables(
        row_tables, column_tables, bands, column_tiles, steps, KR, KC, SR, BR, SC, BC, LOAD, STORE
    )
    to_rows, to_columns = row_table + SR, column_table + SC // LOAD
    row_terms, column_terms = to_rows + BR, to_columns + BC // STORE
    rows, columns = _places(row_table, SR, 1), _places(column_table, SC, LOAD)
    at, exists = _rectangle(x, plane, rows, columns, height, in_vectors * LOAD)
    samples = tl.load(at, mask=exists, other=0.0)
    rows, columns = _places(to_rows, BR, 1), _places(to_columns, BC, STORE)
    at, exists = _rectangle(y, plane, rows, columns, out_height, out_vectors * STORE)
    factor = tl.load(at, mask=exists, other=0.0).to(sums.dtype.element_ty)
    sums += tl.program_id(0)
    for i in range(KR):
        row_slot, row_tap = _term(row_terms, i, BR)
        values = _rows(samples, row_slot)
        for j in range(KC):
            column_slot, column_tap = _term(column_terms, j, BC)
            taken = (row_tap >= 0)[:, None] & (column_tap >= 0)[None, :]
            product = factor * _columns(values, column_slot).to(factor.dtype)
            tl.store(sums, tl.sum(tl.where(taken, product, 0.0)))
            sums += tl.num_programs(0)


@triton.jit
def sum_programs_kernel(sums, out, count, BLOCK: tl.constexpr):
    """out [n] = sums of sums [n, count], a program for each, in float64."""
    program = tl.program_id(0).to(tl.int64)
    i = tl.arange(0, BLOCK)
    total = tl.zeros([BLOCK], tl.float64)
    for begin in range(0, count, BLOCK):
        total += tl.load(sums + program * count + begin + i, mask=begin + i < count, other=0.0)
    tl.store(out + program, tl.sum(total).to(out.dtype.element_ty))
