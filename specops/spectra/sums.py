"""What a set of images adds up to, in an order that does not depend on how the work was divided.

Images are counted in blocks of loading.BLOCK. A block is summed image by image, and blocks are added to the set's sums
in their order: the same bits for any number of workers, processes and pictures that are decoded together.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from specops import geometry, ops
from specops.functional._spectra import hann_axes
from specops.spectra.bands import FloatArray
from specops.spectra.loading import BLOCK, MOST_VALUES, Chunk

REPLICATES = 200  # of the bootstrap
KEPT = 4096  # images whose profiles are kept, drawn by their numbers
FEATURES = 64  # bins of a kept profile, at most
TRAITS = ("format", "quality", "size", "notes")
TINY = 1e-12  # below any power of 8-bit images, so that a black image has a logarithm
_SUMMED = ("power", "log", "log_square", "replicates", "weights", "halves", "half_counts", "plane", "log_plane")


@dataclass(frozen=True)
class Measure:
    """How images are measured.

    Attributes:
        size: (H, W).
        convention, window: as in `specops.radial_spectrum`.
        device: where.
    """

    size: tuple[int, int]
    convention: str = "schwarz2021"
    window: str | None = None
    device: str = "cpu"

    def power(self, images: Tensor) -> NDArray[np.float32]:
        """Power per pixel of images [n, C, H, W], channels averaged, on the half plane: [n, H·(W//2+1)]."""
        if self.window is not None:
            rows, columns = hann_axes(*self.size, images.dtype, images.device)
            images = images * rows * columns
        index, ones, _ = geometry.coefficient_maps(*self.size, images.dtype, images.device)
        half = ops.binned_cross_spectrum(images, images, index, ones, index.numel())
        result: NDArray[np.float32] = half.sum(dim=1).div_(images[0].numel()).cpu().numpy()
        return result

    def profile(self, power: NDArray[np.float32]) -> FloatArray:
        """Means of power [H·(W//2+1)] over the bins of radii: [K], as `specops.radial_spectrum`."""
        index, weight, K = self._bins
        profile = np.zeros(K)
        for own_index, own_weight in zip(index, weight, strict=True):
            profile += np.bincount(own_index, own_weight * power, K)
        return profile

    @property
    def n_bins(self) -> int:
        return self._bins[2]

    @property
    def n_coefficients(self) -> int:
        """Of the half plane."""
        return self.size[0] * (self.size[1] // 2 + 1)

    @functools.cached_property
    def _bins(self) -> tuple[NDArray[np.int64], FloatArray, int]:
        """Index and weight of the coefficients [maps, H·(W//2+1)], and K."""
        index, weight, K = geometry.radial_mean_maps(*self.size, self.convention, torch.float64, torch.device("cpu"))
        maps = -1, self.n_coefficients
        weight = torch.where(index < 0, 0, weight)  # in no bin
        return index.clamp(min=0).long().reshape(maps).numpy(), weight.reshape(maps).numpy(), K


@dataclass
class Sums:
    """Sums over images.

    Attributes:
        n: of images.
        power: of profiles [K].
        log, log_square: of their logarithms [K].
        replicates, weights: of profiles, each image counted a random number of times: [R, K], [R].
        halves, half_counts: of profiles of two halves drawn by the images' numbers: [2, K], [2].
        plane, log_plane: of power and its logarithm on the half plane [H·(W//2+1)].
        traits: how many pictures have each format, quality, size and note.
        skipped: reasons by the names of pictures.
        kept: name and features of chosen images, by number.
    """

    n: int = 0
    power: FloatArray | float = 0.0
    log: FloatArray | float = 0.0
    log_square: FloatArray | float = 0.0
    replicates: FloatArray | float = 0.0
    weights: FloatArray | float = 0.0
    halves: FloatArray | float = 0.0
    half_counts: FloatArray | float = 0.0
    plane: FloatArray | float = 0.0
    log_plane: FloatArray | float = 0.0
    traits: dict[str, Counter[Any]] = field(default_factory=lambda: {name: Counter() for name in TRAITS})
    skipped: dict[str, str] = field(default_factory=dict)
    kept: dict[int, tuple[str, NDArray[np.float32]]] = field(default_factory=dict)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Returns all of it as arrays, for numpy.savez."""
        words = {
            "traits": {name: [[key, count] for key, count in each.items()] for name, each in self.traits.items()},
            "skipped": self.skipped,
            "names": {number: name for number, (name, _) in self.kept.items()},
        }
        sums = {name: np.asarray(getattr(self, name)) for name in _SUMMED}
        kept = np.stack([profile for _, profile in self.kept.values()]) if self.kept else np.zeros((0, 0), np.float32)
        return sums | {
            "n": np.asarray(self.n),
            "kept": kept,
            "words": np.frombuffer(json.dumps(words).encode(), np.uint8),
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Sums:
        """Returns what `arrays` was made of."""
        words = json.loads(arrays["words"].tobytes())
        made = cls(n=int(arrays["n"]), skipped=words["skipped"])
        for name in _SUMMED:
            setattr(made, name, arrays[name].copy())
        for name, pairs in words["traits"].items():
            made.traits[name] = Counter({tuple(key) if isinstance(key, list) else key: count for key, count in pairs})
        for (number, name), profile in zip(words["names"].items(), arrays["kept"], strict=True):
            made.kept[int(number)] = name, profile
        return made

    def __iadd__(self, other: Sums) -> Sums:
        """Adds the sums of the block that follows."""
        self.n += other.n
        for name in _SUMMED:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name, counted in other.traits.items():
            self.traits[name].update(counted)
        self.skipped |= other.skipped
        self.kept |= other.kept
        if len(self.kept) > 2 * KEPT:
            self.choose()
        return self

    def choose(self) -> None:
        """Keeps KEPT of the kept images, by a draw that depends on their numbers alone."""
        numbers = heapq.nsmallest(KEPT, self.kept, key=lot)
        self.kept = {number: self.kept[number] for number in sorted(numbers)}


def times_drawn(numbers: NDArray[np.int64]) -> FloatArray:
    """Returns how often each replicate of the bootstrap has the images of a block: [n, R], Poisson of mean 1."""
    generator = np.random.Generator(np.random.Philox(key=int(numbers[0]) // BLOCK))
    return generator.poisson(1.0, (BLOCK, REPLICATES))[numbers % BLOCK].astype(np.float64)


def features(logarithms: FloatArray) -> NDArray[np.float32]:
    """Returns log profiles [n, K], without the mean's bin, in at most FEATURES bins of equal ratio: float32 means."""
    K = logarithms.shape[1]
    if K <= FEATURES:
        return logarithms.astype(np.float32)
    edges = np.unique(np.geomspace(1, K, FEATURES + 1).round().astype(int))
    starts = np.concatenate([[0], edges[:-1]])
    sums = np.add.reduceat(logarithms, starts, axis=1)
    means: NDArray[np.float32] = (sums / np.diff(starts, append=K)).astype(np.float32)
    return means


def half_of(number: int) -> int:
    """Returns to which of two halves of a set, 0 or 1, the image of a number belongs."""
    return lot(number) & 1


def lot(number: int) -> int:
    """Returns a number's place in a random order: the finaliser of splitmix64."""
    z = (number + 0x9E3779B97F4A7C15) & (2**64 - 1)
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & (2**64 - 1)
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & (2**64 - 1)
    return z ^ (z >> 31)


def blocks(measure: Measure, chunks: Iterable[Chunk]) -> Iterator[Sums]:
    """Yields the sums of each block of consecutive chunks."""
    for _, of_block in itertools.groupby(chunks, key=lambda chunk: min(chunk.names) // BLOCK):
        yield block_sums(measure, of_block)


def block_sums(measure: Measure, chunks: Iterable[Chunk]) -> Sums:
    """Returns the sums of a block."""
    block = _Block(measure)
    for chunk in chunks:
        block.add(chunk)
    return block.sums()


class _Block:
    """What is summed of a block image by image, and the profiles, which are summed together.

    Memory that outlives an image is taken at once: small pieces between the large ones of images would keep all those.
    """

    def __init__(self, measure: Measure) -> None:
        self.measure, self.names = measure, list[str]()
        self.numbers = list[int]()
        self.profiles = np.empty((BLOCK, measure.n_bins))
        self.room = torch.empty(MOST_VALUES)
        self.plane, self.log_plane = np.zeros((2, measure.n_coefficients))
        self.made = Sums()

    def add(self, chunk: Chunk) -> None:
        """Adds the pictures of a chunk in their order."""
        powers: dict[int, NDArray[np.float32]] = {}
        for images in chunk.images:
            values = images.values(self.measure.device, self.room)
            powers |= zip(images.numbers, self.measure.power(values), strict=True)
        for number in sorted(powers):
            power, traits = powers[number], chunk.traits[number]
            self.profiles[len(self.numbers)] = self.measure.profile(power)
            self.plane += power
            self.log_plane += np.log(np.maximum(power, np.float32(TINY)))
            self.numbers.append(number)
            self.names.append(chunk.names[number])
            for name in ("format", "quality", "size"):
                self.made.traits[name][getattr(traits, name)] += 1
            self.made.traits["notes"].update(traits.notes)
        self.made.skipped |= {chunk.names[number]: reason for number, reason in sorted(chunk.skipped.items())}

    def sums(self) -> Sums:
        """Returns the sums of all that was added."""
        made, numbers, profiles = self.made, np.array(self.numbers), self.profiles[: len(self.numbers)]
        if len(numbers) == 0:
            return made
        logarithms, drawn = np.log(np.maximum(profiles, TINY)), times_drawn(numbers)
        in_half = np.eye(2)[[half_of(number) for number in self.numbers]]
        made.n, made.power, made.plane, made.log_plane = len(profiles), profiles.sum(axis=0), self.plane, self.log_plane
        made.log, made.log_square = logarithms.sum(axis=0), (logarithms**2).sum(axis=0)
        made.replicates, made.weights = np.einsum("nr,nk->rk", drawn, profiles), drawn.sum(axis=0)
        made.halves, made.half_counts = np.einsum("nh,nk->hk", in_half, profiles), in_half.sum(axis=0)
        rows = [row.copy() for row in features(logarithms[:, 1:])]  # of which some will be kept, and not all with them
        kept = zip(self.names, rows, strict=True)
        made.kept = dict(zip(self.numbers, kept, strict=True))
        return made
