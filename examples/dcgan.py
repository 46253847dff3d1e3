"""A plain DCGAN, in plain torch: the script that docs/recipes.md changes by a line or two at a time.

Radford, Metz, Chintala: Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks,
2016.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from studies.core.data import InputError, Loader, open_source
from torch import Tensor, nn

LATENT_CHANNELS = 128


class Generator(nn.Module):
    """Latents [n, 128] to images [n, 3, N, N] in (-1, 1)."""

    def __init__(self, resolution: int, width: int) -> None:
        super().__init__()
        octaves = resolution.bit_length() - 4  # from 4x4 to half the resolution
        layers: list[nn.Module] = [nn.ConvTranspose2d(LATENT_CHANNELS, width << octaves, 4, bias=False)]
        for octave in reversed(range(octaves)):
            layers += [nn.BatchNorm2d(width << octave + 1), nn.ReLU()]
            layers += [nn.ConvTranspose2d(width << octave + 1, width << octave, 4, stride=2, padding=1, bias=False)]
        self.features = nn.Sequential(*layers, nn.BatchNorm2d(width), nn.ReLU())
        self.to_image = nn.ConvTranspose2d(width, 3, 4, stride=2, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        return torch.tanh(self.to_image(self.features(z[:, :, None, None])))


class Discriminator(nn.Module):
    """Images [n, 3, N, N] to logits [n, 1]."""

    def __init__(self, resolution: int, width: int) -> None:
        super().__init__()
        octaves = resolution.bit_length() - 4  # from half the resolution to 4x4
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for octave in range(octaves):
            layers += [nn.Conv2d(width << octave, width << octave + 1, 4, stride=2, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(width << octave + 1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width << octaves, 1, 4), nn.Flatten())

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


def train(generator: Generator, discriminator: Discriminator, images: Loader, steps: int) -> Iterator[list[float]]:
    """Yields the losses of discriminator and generator, step by step."""
    of_generator = torch.optim.Adam(generator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    of_discriminator = torch.optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    for _ in range(steps):
        real = images.next()
        fake = generator(torch.randn(len(real), LATENT_CHANNELS))

        loss_d = F.softplus(-discriminator(real)).mean() + F.softplus(discriminator(fake.detach())).mean()
        of_discriminator.zero_grad()
        loss_d.backward()
        of_discriminator.step()

        loss_g = F.softplus(-discriminator(fake)).mean()
        of_generator.zero_grad()
        loss_g.backward()
        of_generator.step()
        yield [loss_d.item(), loss_g.item()]


def main(arguments: list[str] | None = None) -> None:
    """Train, print the losses of each step and save a row of fake images."""
    parser = argparse.ArgumentParser(
        description="A plain DCGAN.", formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--data", default="photo-crops", help="photo-crops, or a folder of pictures")
    parser.add_argument(
        "--resolution", type=int, choices=[2**k for k in range(3, 11)], default=64, help="side in pixels"
    )
    parser.add_argument("--width", type=int, default=32, help="channels next to the image; 128 in the paper")
    parser.add_argument("--batch", type=int, default=64, help="images per step")
    parser.add_argument("--steps", type=int, default=1000, help="training steps")
    parser.add_argument("--seed", type=int, default=0, help="of weights, latents and images")
    parser.add_argument("--out", type=Path, required=True, help="the picture to write: a row of fake images")
    options = parser.parse_args(arguments)
    if min(options.width, options.batch, options.steps) < 1:
        parser.error("--width, --batch and --steps must be at least 1")
    try:
        source = open_source(options.data, options.resolution, flip=True)
        options.out.parent.mkdir(parents=True, exist_ok=True)
    except (InputError, OSError) as error:
        parser.error(str(error))
    if source.skipped():
        print(f"skipped: {', '.join(source.skipped())}", flush=True)
    torch.manual_seed(options.seed)
    places, cpu = range(options.batch), torch.device("cpu")
    images = Loader(source, seed=options.seed, batch=options.batch, places=places, first=0, workers=0, device=cpu)
    generator = Generator(options.resolution, options.width)
    discriminator = Discriminator(options.resolution, options.width)
    for step, losses in enumerate(train(generator, discriminator, images, options.steps), start=1):
        print(f"step {step}: discriminator {losses[0]:.6f}, generator {losses[1]:.6f}", flush=True)
    with torch.no_grad():
        fake = generator.eval()(torch.randn(8, LATENT_CHANNELS))
    row = torch.cat(list(fake), dim=-1).clamp(-1, 1).add(1).mul(127.5).to(torch.uint8)
    Image.fromarray(row.permute(1, 2, 0).numpy()).save(options.out)


if __name__ == "__main__":
    main()
