"""Where the one-launch CUDA transform leaves which coefficient: the numbers of csrc/fft/image_transform.cuh."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

SHAPES = ((32, 32), (64, 64), (128, 128))  # that for_shape of spectral_cuda.cu lists


@dataclass(frozen=True)
class Held:
    """What each thread of an image holds after the transform: numbers i = 2j + b, kx = 2h + b + T j, of line ky.

    Attributes:
        row, column: [2E, threads], the half-plane coefficient that equals the number or its conjugate.
        line_threads: threads of a line.
    """

    row: Tensor
    column: Tensor
    line_threads: int


def serves(size: tuple[int, int]) -> bool:
    """Whether there are one-launch kernels for images of `size`."""
    return size in SHAPES


@functools.cache
def unit_circle(count: int, device: torch.device) -> Tensor:
    """Returns exp(2 pi i m / count), m < count, as float32 [count, 2]."""
    angle = torch.arange(count, dtype=torch.float64) * (2 * math.pi / count)
    return torch.stack((angle.cos(), angle.sin()), -1).float().to(device)


@functools.cache
def held_after_transform(height: int, width: int, device: torch.device) -> Held:
    """Returns which coefficients the threads of an image [height, width] hold after the transform."""
    count = 16 if max(height, width) > 64 else 8
    step = width // count
    line_threads = step // 2
    thread = torch.arange(height * width // (4 * count), device=device)
    lane, warp = thread % 32, thread // 32
    line = lane // line_threads
    reversed_line = (line & ~7) | (line & 1) << 2 | (line & 2) | (line >> 2 & 1)
    ky = warp * (32 // line_threads) + reversed_line
    number = torch.arange(2 * count, device=device).unsqueeze(1)
    kx = 2 * (thread % line_threads) + number % 2 + step * (number // 2)
    low = kx <= width // 2
    row = torch.where(low, ky, (height - ky) % height)
    return Held(row, torch.where(low, kx, width - kx), line_threads)


def positions(height: int, columns: int, device: torch.device) -> Tensor:
    """Returns where in shared memory, in floats, the value of each coefficient is: [H, W//2+1]."""
    width = 2 * (columns - 1)
    pitch = width + (20 if width == 32 else 4)  # kValuePitch of csrc/spectral/cuda/spectral_kernels.cuh
    ky, kx = torch.arange(height, device=device).unsqueeze(1), torch.arange(columns, device=device)
    return torch.where(ky <= height // 2, ky * pitch + kx, (height - ky) * pitch + (-kx) % width)
