"""Geometric augmentation at twice the resolution, through a wavelet's low pass."""

import numpy as np
import torch
from torch_utils.ops import upfirdn2d

WAVELET = [0.015, 0.0035, -0.118, -0.048, 0.491, 0.788, 0.338, -0.073, -0.021, 0.045, 0.002, -0.008]


class Shift(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("low_pass", upfirdn2d.setup_filter(np.array(WAVELET)))

    def forward(self, images, pixels):
        edge = self.low_pass.shape[0] // 4
        images = torch.nn.functional.pad(images, [edge] * 4, mode="reflect")
        images = upfirdn2d.upsample2d(x=images, f=self.low_pass, up=2)
        images = images.roll(int(2 * pixels), dims=-1)
        return upfirdn2d.downsample2d(x=images, f=self.low_pass, down=2, padding=-edge * 2, flip_filter=True)
