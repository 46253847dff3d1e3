"""Losses of both networks, on blurred images, with R1."""

import torch
from torch.nn.functional import softplus
from torch_utils.ops import upfirdn2d


def blurred(img, sigma):
    size = int(sigma * 3)
    f = torch.arange(-size, size + 1, device=img.device).div(sigma).square().neg().exp2()
    return upfirdn2d.filter2d(img, f / f.sum())


def losses(generator, discriminator, augment, z, real, sigma=1.5):
    """Losses of the generator and of the discriminator."""
    fake = generator(z)
    fake, real = (augment(blurred(img, sigma), 0.5) for img in (fake, real.requires_grad_()))
    logits = discriminator(real)
    (slope,) = torch.autograd.grad(logits.sum(), real, create_graph=True)
    r1 = slope.square().sum((1, 2, 3)).mean()
    return softplus(-discriminator(fake)).mean(), softplus(-logits).mean() + softplus(discriminator(fake)).mean() + r1
