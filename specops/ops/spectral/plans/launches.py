"""The structs that a launch of csrc/spectral/cuda gets: fields as in C++, where a test reads them."""

from __future__ import annotations

from dataclasses import dataclass

from specops.ops.cuda_launch import Int64


@dataclass(frozen=True)
class BinnedSums:
    """Images of one launch, and their bins."""

    n_images: Int64
    height: Int64
    width: Int64
    n_bins: Int64
    bins_per_pool: Int64


@dataclass(frozen=True)
class BinnedFilter:
    """Images of one launch, and the numbers from one's profile to the next one's, 0 for one profile."""

    n_images: Int64
    height: Int64
    width: Int64
    profile_stride: Int64


@dataclass(frozen=True)
class BandSwap(BinnedFilter):
    """Further, whether the second image is one number."""

    constant: Int64


@dataclass(frozen=True)
class TileSums:
    """Spectra whose tiles are summed, in float64 where `wide`."""

    wide: Int64
    n_images: Int64
    n_points: Int64
    n_bins: Int64
    n_tiles: Int64
    tile_points: Int64
    n_threads: Int64
    bins_per_pool: Int64


@dataclass(frozen=True)
class BinSums:
    """Spectra of whose bins `lanes` threads each take turns with the points."""

    wide: Int64
    n_images: Int64
    n_points: Int64
    n_bins: Int64
    lanes: Int64


@dataclass(frozen=True)
class Gains:
    """Spectra that are multiplied by the gains of one or more maps."""

    wide: Int64
    n_images: Int64
    n_points: Int64
    n_maps: Int64
    profile_stride: Int64


@dataclass(frozen=True)
class HermitianColumns:
    """Spectra whose first column, of two edges the last too, becomes Hermitian."""

    wide: Int64
    n_images: Int64
    n_rows: Int64
    n_columns: Int64
    n_edges: Int64


@dataclass(frozen=True)
class Clip:
    """Pixels that are folded and clipped, and whether those of the second image are one number."""

    wide: Int64
    n_pixels: Int64
    constant: Int64
