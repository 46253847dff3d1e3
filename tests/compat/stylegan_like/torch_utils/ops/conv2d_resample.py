"""Convolution with up- and downsampling, on resampling functions and two helpers of their module."""

import torch.nn.functional as F

from . import upfirdn2d
from .upfirdn2d import _get_filter_size, _parse_padding


def conv2d_resample(x, w, f=None, up=1, down=1, padding=0, flip_filter=False):
    px0, px1, py0, py1 = _parse_padding(padding)
    fw, fh = _get_filter_size(f)
    padding = [px0 + (fw + up - down) // 2, px1 + (fw - up - down + 1) // 2]
    padding += [py0 + (fh + up - down) // 2, py1 + (fh - up - down + 1) // 2]
    x = upfirdn2d.upfirdn2d(x=x, f=f, up=up, padding=padding, gain=up**2, flip_filter=flip_filter)
    return F.conv2d(x, w, stride=down)
