"""A generator with skip outputs and a discriminator, their filters in buffers."""

import torch
from torch import nn
from torch_utils.ops import upfirdn2d
from torch_utils.ops.conv2d_resample import conv2d_resample


class Layer(nn.Module):
    def __init__(self, n_in, n_out, kernel=3, up=1, down=1, resample_filter=(1, 3, 3, 1)):
        super().__init__()
        self.up, self.down, self.padding = up, down, kernel // 2
        self.weight = nn.Parameter(torch.randn(n_out, n_in, kernel, kernel) / (n_in * kernel**2) ** 0.5)
        resampled = up > 1 or down > 1
        self.register_buffer("resample_filter", upfirdn2d.setup_filter(resample_filter) if resampled else None)

    def forward(self, x):
        options = {"up": self.up, "down": self.down, "padding": self.padding, "flip_filter": self.up == 1}
        x = conv2d_resample(x=x, w=self.weight.to(x.dtype), f=self.resample_filter, **options)
        return nn.functional.softplus(x)


class Generator(nn.Module):
    def __init__(self, n_latent=4, width=8, n_blocks=2, resample_filter=(1, 3, 3, 1)):
        super().__init__()
        self.first = nn.Linear(n_latent, width * 16)
        self.layers = nn.ModuleList(Layer(width, width, up=2) for _ in range(n_blocks))
        self.images = nn.ModuleList(nn.Conv2d(width, 3, 1) for _ in range(n_blocks))
        self.register_buffer("resample_filter", upfirdn2d.setup_filter(list(resample_filter)))

    def forward(self, z):
        x = self.first(z).reshape(len(z), -1, 4, 4)
        image = None
        for layer, to_image in zip(self.layers, self.images, strict=True):
            x = layer(x)
            image = to_image(x) if image is None else upfirdn2d.upsample2d(image, self.resample_filter) + to_image(x)
        return image


class Discriminator(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.layers = nn.Sequential(Layer(3, width, kernel=1), Layer(width, width, down=2))
        self.logit = nn.Linear(width, 1)

    def forward(self, x):
        return self.logit(self.layers(x).mean((2, 3)))
