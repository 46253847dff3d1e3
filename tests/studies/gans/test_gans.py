"""Networks, losses, image sources, loader and evaluation of the GAN examples."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from studies.core.data import draws
from studies.core.data.loader import Loader
from studies.core.data.sources import PHOTOS, Folder, PhotoCrops, Source, Toyset, open_source
from studies.core.data.toyset import toy_pixels
from studies.core.errors import InputError
from studies.core.evaluation import band_errors, reduced_spectrum, relative_error
from studies.core.evaluator import Evaluator, load_features
from studies.gans.architectures import DISCRIMINATORS, Discriminator, Generator, normalized_once
from studies.gans.losses import LOSSES, info_nce_loss, rotation_loss
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import parametrize

# Networks


def count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameters_of_the_published_networks() -> None:
    """32²: 128·4096+4096; 3 × (2·(256²·9+256) + 256²+256 + 4·256); 2·256; 3·256·9+3. D alike with 128."""
    assert count(Generator(32, 256)) == 528_384 + 3 * 1_246_976 + 512 + 6_915
    assert count(Discriminator(32, 256)) == 151_680 + 311_680 + 2 * 295_168 + 129


@pytest.mark.parametrize("resolution", [32, 64])
@pytest.mark.parametrize("arch", DISCRIMINATORS)
def test_shapes(arch: str, resolution: int) -> None:
    fake = Generator(resolution, 16)(torch.randn(3, 128))
    assert fake.shape == (3, 3, resolution, resolution)
    assert fake.abs().max() < 1
    discriminator = DISCRIMINATORS[arch](resolution, 16)
    assert discriminator(fake).shape == (3,)
    local, pooled = discriminator.features(fake)
    side = 8 if resolution == 32 else 4
    assert local.shape == (3, discriminator.local_channels, side, side)
    assert pooled.shape == (3, discriminator.channels)


@pytest.mark.parametrize("arch", DISCRIMINATORS)
def test_every_layer_of_the_discriminator_has_spectral_norm_one(arch: str) -> None:
    discriminator = DISCRIMINATORS[arch](32, 16)
    layers = [layer for layer in discriminator.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert len(layers) > 10
    for _ in range(60):
        with normalized_once(discriminator):  # a power iteration
            pass
    for layer in layers:
        assert parametrize.is_parametrized(layer, "weight")
        assert torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item() == pytest.approx(1, rel=1e-2)


def test_power_iteration_runs_once_inside() -> None:
    discriminator, x = Discriminator(32, 32), torch.rand(2, 3, 32, 32)
    power = discriminator.blocks[1].convs[0].parametrizations.weight[0]
    at_first = power._v.clone()
    with normalized_once(discriminator):
        once = power._v.clone()
        discriminator(x)
        discriminator(x)
        assert torch.equal(power._v, once)
    discriminator(x)
    assert len({tuple(v.tolist()) for v in (at_first, once, power._v)}) == 3


def test_normalized_weights_stay_in_float32_under_autocast() -> None:
    discriminator = Discriminator(32, 16)
    with normalized_once(discriminator), torch.autocast("cpu", torch.bfloat16):
        assert discriminator.dense.weight.dtype == torch.float32
        assert discriminator(torch.rand(2, 3, 32, 32)).dtype == torch.bfloat16


# Losses


def test_losses_are_their_formulas() -> None:
    real, fake = torch.tensor([2.0, 0.5, -1.0]), torch.tensor([0.25, -3.0, 1.0])
    r, f = real.tolist(), fake.tolist()

    def mean(values: list[float]) -> float:
        return sum(values) / len(values)

    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    classic = -mean([math.log(sigmoid(x)) for x in r]) - mean([math.log(1 - sigmoid(x)) for x in f])
    expected = {
        "hinge": (mean([max(0, 1 - x) for x in r]) + mean([max(0, 1 + x) for x in f]), -mean(f)),
        "non-saturating": (classic, -mean([math.log(sigmoid(x)) for x in f])),
        "minimax": (classic, mean([math.log(1 - sigmoid(x)) for x in f])),
        "wasserstein": (mean(f) - mean(r), -mean(f)),
        "least-squares": (
            mean([(x - 1) ** 2 for x in r]) / 2 + mean([x**2 for x in f]) / 2,
            mean([(x - 1) ** 2 for x in f]) / 2,
        ),
    }  # fmt: skip
    assert set(expected) == set(LOSSES)
    for name, loss in LOSSES.items():
        values = (loss.discriminator(real, fake).item(), loss.generator(fake).item())
        assert values == pytest.approx(expected[name], rel=1e-6), name


def test_rotation_loss_turns_a_quarter_of_the_images_each() -> None:
    discriminator, x = DISCRIMINATORS["ssgan"](32, 16).eval(), torch.rand(8, 3, 32, 32)
    turned = torch.stack([torch.rot90(image, i // 2, (1, 2)) for i, image in enumerate(x)])
    logits = discriminator.turns(discriminator.features(turned)[1])
    expected = functional.cross_entropy(logits, torch.tensor([0, 0, 1, 1, 2, 2, 3, 3]))
    torch.testing.assert_close(rotation_loss(discriminator, x), expected)


def test_info_nce_is_its_sum_over_images_and_places() -> None:
    discriminator, x = DISCRIMINATORS["infomax"](32, 16).eval().double(), torch.rand(3, 3, 32, 32).double()
    local, pooled = discriminator.features(x)
    of_local = discriminator.of_local(local).flatten(2).detach()
    of_global = discriminator.of_global(pooled[..., None, None]).flatten(1).detach()
    terms = []
    for i in range(3):
        others = [float(of_global[i] @ of_local[j, :, k]) for j in range(3) if j != i for k in range(64)]
        for k in range(64):
            own = float(of_global[i] @ of_local[i, :, k])
            terms.append(np.logaddexp.reduce([own, *others]) - own)
    assert info_nce_loss(discriminator, x).item() == pytest.approx(np.mean(terms), rel=1e-9)


# Images


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 pictures of one grey value each, 8 apart; one of them in a folder inside."""
    root = tmp_path_factory.mktemp("pictures")
    (root / "inside").mkdir()
    for number in range(20):
        path = root / ("inside" if number == 19 else "") / f"{number:02}.png"
        Image.fromarray(np.full((40, 50, 3), 8 * number, np.uint8)).save(path)
    return root


def greys(x: Tensor) -> set[int]:
    return {int(value) for value in x.flatten(1).float().mean(1).round()}


def test_folder_gives_each_training_picture_once_per_epoch_and_no_held_out_one(folder: Path) -> None:
    source = Folder(folder, 32)
    held_out = greys(source.held_out(100))
    assert len(held_out) == 8
    first, second = (greys(source.images(0, 12, number, range(12))) for number in (0, 1))
    assert first == second
    assert len(first) == 12
    assert not first & held_out
    assert first | held_out == {8 * number for number in range(20)}
    orders = [source.images(0, 12, n, range(12)).flatten(1)[:, 0].tolist() for n in (0, 1)]
    assert orders[0] != orders[1]


def test_folder_with_too_few_pictures(tmp_path: Path) -> None:
    for number in range(15):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{number}.png")
    with pytest.raises(InputError, match="holds 15 images; 16 are needed"):
        Folder(tmp_path, 32)


def test_photographs_are_held_out_whole_and_each_tells_its_terms() -> None:
    assert {photo.terms for photo in PHOTOS} <= {"CC0", "public domain", "CC BY 2.0"}
    assert all(photo.author for photo in PHOTOS)
    training, held_out = ({photo.path for photo in PHOTOS if photo.held_out is held} for held in (False, True))
    assert len(training) == 6
    assert len(held_out) == 4
    assert not training & held_out
    readme = (Path(__file__).parents[3] / "README.md").read_text()
    assert all(photo.author in readme for photo in PHOTOS)


def test_crops_are_windows_of_the_training_photographs_or_their_mirror_images() -> None:
    source = PhotoCrops(32)
    photos = [np.asarray(Image.open(photo.path).convert("RGB")) for photo in PHOTOS if not photo.held_out]
    for crop in source.images(0, 6, 0, range(6)).permute(0, 2, 3, 1).numpy():
        assert any(contains(photo, each) for photo in photos for each in (crop, crop[:, ::-1]))


def contains(photo: np.ndarray, crop: np.ndarray) -> bool:
    side = len(crop)
    starts = (photo[: photo.shape[0] - side + 1, : photo.shape[1] - side + 1] == crop[0, 0]).all(-1)
    return any(np.array_equal(photo[y : y + side, x : x + side], crop) for y, x in np.argwhere(starts))


def test_no_crop_is_mirrored_without_flip() -> None:
    flipped, plain = (PhotoCrops(32, flip=flip).images(0, 16, 0, range(16)) for flip in (True, False))
    same = (flipped == plain).flatten(1).all(1)
    mirrored = (flipped == plain.flip(-1)).flatten(1).all(1)
    assert bool((same | mirrored).all())
    assert 0 < int(mirrored.sum()) < 16


def test_toyset_is_disjoint() -> None:
    source = Toyset(32)
    training = source.images(0, 1024, 0, range(1024))
    assert len(np.unique(training.flatten(1).numpy(), axis=0)) == 1024
    everything = torch.cat([training, source.held_out(512)]).flatten(1).numpy()
    assert len(np.unique(everything, axis=0)) == 1536
    assert np.array_equal(source.held_out(1)[0], toy_pixels(1024, 32))


def test_seeds_and_streams_are_independent() -> None:
    draws_of = [
        torch.randn(4, generator=draws.generator(*key)) for key in ((0, "a", 0), (0, "a", 1), (0, "b", 0), (1, "a", 0))
    ]
    assert len({tuple(draw.tolist()) for draw in draws_of}) == 4
    torch.testing.assert_close(torch.randn(4, generator=draws.generator(0, "a", 1)), draws_of[1], rtol=0, atol=0)


@pytest.mark.parametrize("name", ["photo-crops", "folder"])
def test_batches_are_the_same_with_workers_from_any_start_and_by_shares(name: str, folder: Path) -> None:
    def batches(first: int, n: int, workers: int = 0, places: range = range(4)) -> Tensor:
        source: Source = open_source(str(folder) if name == "folder" else name, 32, flip=True)
        loader = Loader(
            source, seed=3, batch=4, places=places, first=first, workers=workers, device=torch.device("cpu")
        )
        return torch.stack([loader.next() for _ in range(n)])

    whole = batches(0, 6)
    assert whole.shape == (6, 4, 3, 32, 32)
    assert -1 <= whole.min() < whole.max() <= 1
    assert len({tuple(batch.flatten().tolist()) for batch in whole}) == 6
    assert torch.equal(batches(0, 6, workers=2), whole)
    assert torch.equal(batches(2, 4), whole[2:])
    assert torch.equal(torch.cat([batches(0, 6, places=range(2)), batches(0, 6, places=range(2, 4))], dim=1), whole)


# Evaluation


def test_measures_of_real_images_against_themselves_and_filtered_ones() -> None:
    real = torch.rand(32, 3, 32, 32) * 2 - 1
    evaluator = Evaluator(real)
    row = evaluator.measure(real.flip(0))
    assert all(abs(row[name]) < 1e-6 for name in ("e_low", "e_mid", "e_high", "e_corner", "leakage", "swd"))
    blurred = functional.avg_pool2d(real, 3, 1, 1)
    row = evaluator.measure(blurred)
    expected = band_errors(relative_error(reduced_spectrum(blurred), reduced_spectrum(real)), resolution=32)
    assert {name: row[f"e_{name}"] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert row["e_high"] < -0.5
    assert row["detectability"] > 0.9
    assert row["cloaking"] == pytest.approx(2 - 2 * row["detectability"])
    assert row["swd"] > 0.05
    assert {name for name in row if name.startswith("swd_")} == {"swd_32", "swd_16"}
    assert evaluator.measure(blurred) == row


class Moments(nn.Module):
    """Features of a test: mean of each channel and of its square."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x.mean((2, 3)), x.square().mean((2, 3))], dim=1)


def test_fid_is_its_formula() -> None:
    from scipy.linalg import sqrtm

    real, fake = torch.rand(64, 3, 32, 32) * 2 - 1, torch.rand(64, 3, 32, 32) - 0.6
    features = load_features(f"{__name__}:Moments", None, 32, torch.device("cpu"))
    row = Evaluator(real, features=features).measure(fake)
    a, b = (Moments()(x).double().numpy() for x in (real, fake))
    product = sqrtm(np.cov(a.T) @ np.cov(b.T)).real
    expected = np.square(a.mean(0) - b.mean(0)).sum() + np.trace(np.cov(a.T) + np.cov(b.T) - 2 * product)
    assert row["fid"] == pytest.approx(expected, rel=1e-3)
    assert row["kid_mean"] > 0.1


@pytest.mark.parametrize(
    ("reference", "told"), [("torch.nn:Identity", "must return features"), ("torch.nn:Linear", "raised TypeError")]
)
def test_wrong_feature_networks_are_told(reference: str, told: str) -> None:
    with pytest.raises(InputError, match=told):
        load_features(reference, None, 32, torch.device("cpu"))
