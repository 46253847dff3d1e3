"""Training and held-out images by their running numbers, and the loader that makes batches of them."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from studies.core.data import draws
from studies.core.data.loader import Loader
from studies.core.data.sources import PHOTOS, PhotoCrops, Pictures, Source, Toyset, open_source
from studies.core.data.toyset import toy_pixels
from studies.core.errors import InputError, TrainingError
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
    source = Pictures(folder, 32)
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
        Pictures(tmp_path, 32)


def spoil(path: Path) -> None:
    """Make a picture one whose pixels end too early: its header is whole."""
    stream = io.BytesIO()
    with Image.open(path) as picture:
        picture.save(stream, "bmp")
    path.write_bytes(stream.getvalue()[:-1000])


@pytest.fixture
def spoiled(folder: Path, tmp_path: Path) -> Path:
    """The folder with a file that is no picture, and one training and one held-out picture without their ends."""
    copied = tmp_path / "pictures"
    shutil.copytree(folder, copied)
    (copied / "note.png").write_text("text")
    spoil(copied / "00.png")
    spoil(copied / "01.png")
    return copied


def test_broken_pictures_are_skipped_and_told(spoiled: Path) -> None:
    """Those with broken headers at once, others when they come up; the next one takes their place."""
    source = Pictures(spoiled, 32)
    assert source.skipped() == {"note.png": "it is no picture that Pillow can read"}
    assert len(source.held_out(100)) == 7  # without the first picture
    assert source.skipped().keys() == {"note.png", "00.png"}
    trained = [source.images(0, 12, number, range(12)).float().mean((1, 2, 3)).round().tolist() for number in (0, 1)]
    assert [each.count(2 * 8) for each in trained] == [2, 2]
    assert [len(set(each)) for each in trained] == [11, 11]
    assert source.skipped().keys() == {"note.png", "00.png", "01.png"}
    assert "truncated" in source.skipped()["01.png"]


def test_what_a_worker_finds_broken_is_told_and_no_batch_depends_on_workers(spoiled: Path) -> None:
    batches = []
    for workers in (0, 2):
        source = Pictures(spoiled, 32)
        loader = Loader(source, seed=3, batch=4, places=range(4), first=0, workers=workers, device=torch.device("cpu"))
        batches.append(torch.stack([loader.next() for _ in range(6)]))
        assert source.skipped().keys() == {"note.png", "01.png"}
    assert torch.equal(*batches)


def test_set_of_which_nothing_can_be_read_any_more(folder: Path, tmp_path: Path) -> None:
    copied = tmp_path / "pictures"
    shutil.copytree(folder, copied)
    source = Pictures(copied, 32)
    for path in copied.rglob("*.png"):
        spoil(path)
    with pytest.raises(InputError, match="0 of 8 held-out images can be read"):
        source.held_out(100)
    with pytest.raises(TrainingError, match="none of its 20 images can be read any more"):
        source.images(0, 1, 0, range(1))


def test_archive_is_a_set_like_the_folder_that_it_was_made_of(folder: Path, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "set"), "zip", folder)
    ours, wanted = (Pictures(path, 32) for path in (Path(archive), folder))
    assert torch.equal(ours.held_out(100), wanted.held_out(100))
    assert torch.equal(ours.images(0, 12, 1, range(12)), wanted.images(0, 12, 1, range(12)))


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
