"""How the Triton kernels of resampling are launched: a program makes a band of a plane, tile by tile."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from specops.ops._layout import compute_dtype
from specops.ops.resample.plans.axes import Axis, Images
from specops.ops.resample.plans.tilings import VECTOR_BYTES, power_of_two
from specops.ops.resample.triton.tables import Line, Tiles, division_of, line_of

ENOUGH_PROGRAMS = 4096  # for a program to make more than a tile: about 31 for each multiprocessor of an H100
MOST_AGAIN = 0.05  # of what must move, that tiles may read again
MOST_STEPS = 8  # tiles of a program: on an H100 more of them lose more by waiting than by reading again
WARP_BYTES = 4 << 10  # of a tile: 32 registers for each lane of a warp
MOST_WARPS = 16  # of a program
MOST_TAPS = 1 << 12  # taps of a term are 15 bits
MOST_TERMS = 1 << 22  # of an axis: its tables then take 16 MiB
MOST_PROGRAMS = 1 << 30  # a grid has fewer than 2^31 programs


@dataclass(frozen=True)
class Plan:
    """How many programs a plane takes, of how many warps, and the arguments of both kernels, by name."""

    programs: int
    num_warps: int
    tables: dict[str, Any]


@functools.lru_cache(maxsize=1024)
def plan(y: Axis, x: Axis, images: Images, exchanged: bool, by_tap: bool) -> Plan | None:
    """Returns how to go through images, or None where there are too many taps for a tile.

    Args:
        y, x: axes of upfirdn2d.
        images: of which there are at least as many planes.
        exchanged: whether its outputs are read and places of its samples are written.
        by_tap: whether the terms of an output are counted by tap.
    """
    planes, channels, dtype, device = images
    if y.n_taps * x.n_taps > MOST_TAPS or max(y.n_out * y.n_taps, x.n_out * x.n_taps * channels) > MOST_TERMS:
        return None
    rows, columns = line_of(y, exchanged, 1, 1), line_of(x, exchanged, channels, VECTOR_BYTES // dtype.itemsize)
    division = division_of(rows, columns, planes, compute_dtype(dtype).itemsize)
    if division is None:
        return None
    r, c, tile_bytes = division
    column_tiles = columns.tiles(c, MOST_PROGRAMS, by_tap * x.n_taps, device)
    again = rows.read_again(r) * columns.n_in / (rows.n_in * columns.n_in + len(rows.place) * len(columns.place))
    in_bands = again > MOST_AGAIN and -(-len(rows.place) // r) <= MOST_STEPS and not by_tap
    bands = max(1, ENOUGH_PROGRAMS // (planes * column_tiles.bands)) if in_bands else MOST_PROGRAMS
    row_tiles = rows.tiles(r, bands, by_tap * y.n_taps, device)
    num_warps = min(MOST_WARPS, power_of_two(-(-tile_bytes // WARP_BYTES)))
    return Plan(row_tiles.bands * column_tiles.bands, num_warps, _tables_of(rows, columns, row_tiles, column_tiles))


def _tables_of(rows: Line, columns: Line, row_tiles: Tiles, column_tiles: Tiles) -> dict[str, Any]:
    """Returns the tables of an operator and their extents.

    row_tables, column_tables: int32 [tiles, ...], of `tables.Tiles`.
    bands, column_tiles, steps: runs of tiles along y, tiles along x, tiles of a run.
    KR, KC: terms of an output along y and x, at most.
    height, in_vectors, out_height, out_vectors: of planes; vectors have LOAD and STORE elements.
    SR, BR, SC, BC: slots and outputs of a tile along y and x.
    """
    return {
        "row_tables": row_tiles.tables,
        "column_tables": column_tiles.tables,
        "bands": row_tiles.bands,
        "column_tiles": column_tiles.bands,
        "steps": row_tiles.steps,
        "KR": row_tiles.depth,
        "KC": column_tiles.depth,
        "height": rows.n_in,
        "in_vectors": columns.n_in // columns.load,
        "out_height": len(rows.place),
        "out_vectors": len(columns.place) // columns.store,
        "SR": row_tiles.slots,
        "BR": row_tiles.block,
        "SC": column_tiles.slots,
        "BC": column_tiles.block,
        "LOAD": columns.load,
        "STORE": columns.store,
    }
