"""Training and held-out images by their running numbers, and the loader that makes batches of them."""

from __future__ import annotations

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
from torch import Tensor


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
