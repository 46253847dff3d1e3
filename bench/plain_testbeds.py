"""The testbeds of Schwarz et al. 2021 in plain torch: every step as the paper's formulas say it, nothing fused.

Networks are those of `examples/testbeds`, of which only the parameters are used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from bench.eager import published_blur


def zeros_inserted(x: Tensor) -> Tensor:
    n, channels, height, width = x.shape
    y = x.new_zeros(n, channels, 2 * height, 2 * width)
    y[:, :, ::2, ::2] = x
    return y


UPSAMPLE: dict[str, Callable[[Tensor], Tensor]] = {
    "bilinear": lambda x: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False),
    "nearest": lambda x: F.interpolate(x, scale_factor=2, mode="nearest"),
    "zeros": zeros_inserted,
    "shuffle": lambda x: F.pixel_shuffle(x, 2),
}

DOWNSAMPLE: dict[str, Callable[[Tensor], Tensor]] = {
    "avg": lambda x: F.avg_pool2d(x, 2),
    "stride": lambda x: x[:, :, ::2, ::2],
    "schwarz_blur": published_blur,
}


def adam(parameters: Any, rate: float) -> torch.optim.Adam:
    return torch.optim.Adam(parameters, lr=rate, betas=(0.0, 0.99), eps=1e-8)


def pixel_norm(x: Tensor) -> Tensor:
    return x / torch.sqrt(torch.mean(x**2, dim=1, keepdim=True) + 1e-8)


def conv(layer: Any, x: Tensor) -> Tensor:
    """Weights scaled at run time; reflected edges are padded first."""
    padding = layer.padding
    if padding and layer.padding_mode == "reflect":
        x, padding = F.pad(x, (padding,) * 4, mode="reflect"), 0
    return F.conv2d(x, layer.weight * layer.scale, layer.bias, padding=padding)


def dense(layer: Any, x: Tensor) -> Tensor:
    return F.linear(x, layer.weight * layer.scale, layer.bias)


def generate(network: Any, z: Tensor) -> Tensor:
    """Images of a `ProgressiveGenerator` for latents z [n, 64]."""
    x = pixel_norm(z)[:, :, None, None]
    for layer in network.layers:
        x = pixel_norm(x)
        if layer.upsampling is not None:
            x = UPSAMPLE[layer.upsampling](x)
        x = F.leaky_relu(conv(layer.conv, x), 0.2)
    return conv(network.outputs[-1], pixel_norm(x))


def deviation(x: Tensor) -> Tensor:
    """x with a channel more: the mean standard deviation over a batch of at most 16 images."""
    spread = torch.sqrt(x.var(dim=0, unbiased=False) + 1e-8).mean()
    return torch.cat([x, spread.expand(len(x), 1, *x.shape[2:])], dim=1)


def judge(network: Any, x: Tensor) -> Tensor:
    """Logits of a `ProgressiveDiscriminator` for images x [n, 3, N, N]."""
    x = F.leaky_relu(conv(network.inputs[0], x), 0.2)
    for scale in network.scales:
        x = F.leaky_relu(conv(scale.first, x), 0.2)
        x = F.leaky_relu(conv(scale.second, x), 0.2)
        x = DOWNSAMPLE[network.downsampling](x)
    x = F.leaky_relu(conv(network.last_conv, deviation(x)), 0.2)
    return dense(network.logits, F.leaky_relu(dense(network.hidden, x.flatten(1)), 0.2))


def contiguous(network: Any) -> Any:
    """The network with its weights in torch's usual memory order."""
    for parameter in network.parameters():
        parameter.data = parameter.data.contiguous()
    return network


class PlainGenerator:
    """Trains `network` to make images of latents by mean squared error."""

    def __init__(self, network: Any, latents: Tensor, images: Tensor) -> None:
        self.network = contiguous(network)
        self.latents, self.images = latents, images
        self.optimizer = adam(network.parameters(), 1e-3)

    def advance(self) -> Tensor:
        batch = torch.randperm(len(self.images))
        self.optimizer.zero_grad()
        loss = F.mse_loss(generate(self.network, self.latents[batch]), self.images[batch])
        loss.backward()
        self.optimizer.step()
        return loss.detach()


class PlainDiscriminator:
    """Trains `network` and the pixels `fake` against each other, on images with a logit each."""

    def __init__(self, network: Any, fake: Tensor, images: Tensor) -> None:
        self.network, self.images = contiguous(network), images
        self.fake = torch.nn.Parameter(fake)
        self.average = fake.clone()
        self.optimizer = adam(network.parameters(), 1e-3)
        self.fake_optimizer = adam([self.fake], 1e-2)

    def logit(self, x: Tensor, classes: Tensor) -> Tensor:
        return judge(self.network, x).gather(1, classes[:, None])

    def advance(self) -> tuple[Tensor, Tensor, Tensor]:
        """Losses of the discriminator, R1 and of the pixels."""
        classes = torch.randperm(len(self.images))
        self.optimizer.zero_grad()
        real = self.images[classes].requires_grad_()
        logits = self.logit(real, classes)
        on_real = bce(logits, 1.0)
        on_real.backward(retain_graph=True)
        (slope,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
        penalty = 10 * slope.square().flatten(1).sum(1).mean()
        penalty.backward()
        on_fake = bce(self.logit(self.fake.detach()[classes], classes), 0.0)
        on_fake.backward()
        self.optimizer.step()
        for parameter in self.network.parameters():
            parameter.requires_grad_(False)
        self.fake_optimizer.zero_grad()
        loss = bce(self.logit(self.fake[classes], classes), 1.0)
        loss.backward()
        self.fake_optimizer.step()
        for parameter in self.network.parameters():
            parameter.requires_grad_(True)
        self.average.mul_(0.999).add_(self.fake.detach(), alpha=0.001)
        return (on_real + on_fake).detach(), penalty.detach(), loss.detach()


def bce(logits: Tensor, target: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))
