"""Reading training images: cropping, resampling, modes of pictures, and every way they can be wrong."""

from __future__ import annotations

import zlib
from pathlib import Path

import discriminator_testbed
import numpy as np
import pytest
import torch
from finished_runs import refusal
from PIL import Image
from studies.core.data.images import load_bundled, load_images, to_8bit
from studies.core.errors import InputError


@pytest.fixture
def colours() -> np.ndarray:
    """Random 8-bit picture [16, 16, 3]."""
    return np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def save(folder: Path, name: str, values: np.ndarray, mode: str | None = None) -> Path:
    path = folder / name
    picture = Image.fromarray(values)
    (picture if mode is None else picture.convert(mode)).save(path)
    return path


def scaled(values: np.ndarray) -> torch.Tensor:
    """8-bit [H, W, 3] as the images [1, 3, H, W] in [-1, 1] that they stand for."""
    return torch.from_numpy(values.astype(np.float32) / np.float32(127.5) - 1).permute(2, 0, 1)[None]


def test_picture_of_the_right_size_is_only_scaled(tmp_path: Path, colours: np.ndarray) -> None:
    loaded = load_images([save(tmp_path, "a.png", colours)], 16)
    assert loaded.names == ("a.png",)
    torch.testing.assert_close(loaded.pixels, scaled(colours), rtol=0, atol=1e-6)
    assert loaded.pixels.min() >= -1
    assert loaded.pixels.max() <= 1


@pytest.mark.parametrize("shape", [(16, 21), (21, 16)], ids=["landscape", "portrait"])
def test_centre_square_is_kept(tmp_path: Path, colours: np.ndarray, shape: tuple[int, int]) -> None:
    framed = np.zeros((*shape, 3), dtype=np.uint8)
    top, left = (shape[0] - 16) // 2, (shape[1] - 16) // 2
    framed[top : top + 16, left : left + 16] = colours
    torch.testing.assert_close(load_images([save(tmp_path, "a.png", framed)], 16).pixels, scaled(colours))


def test_photo_is_the_lanczos_resampled_centre_of_chelsea() -> None:
    import skimage

    with Image.open(Path(skimage.__file__).parent / "data" / "chelsea.png") as picture:
        left = (picture.width - picture.height) // 2
        square = picture.crop((left, 0, left + picture.height, picture.height))
        expected = np.asarray(square.resize((64, 64), Image.Resampling.LANCZOS))
    torch.testing.assert_close(load_bundled("photo", 64).pixels, scaled(expected))


def test_grass_is_grey_and_has_much_high_frequency() -> None:
    grass, photo = (load_bundled(name, 64).pixels for name in ("grass", "photo"))
    assert torch.equal(grass[:, 0], grass[:, 1])
    assert torch.equal(grass[:, 0], grass[:, 2])
    steps = [image.diff(dim=-1).square().mean() / image.var() for image in (grass, photo)]
    assert steps[0] > 5 * steps[1]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "L", "P", "1", "CMYK", "I;16"])
def test_every_mode_gives_three_channels(tmp_path: Path, colours: np.ndarray, mode: str) -> None:
    suffix = "tif" if mode == "CMYK" else "png"
    if mode == "I;16":
        path = save(tmp_path, "a.png", colours[..., 0].astype(np.uint16) * 257)
    else:
        path = save(tmp_path, f"a.{suffix}", colours, mode)
    pixels = load_images([path], 16).pixels
    assert pixels.shape == (1, 3, 16, 16)
    if mode in ("RGBA", "CMYK"):
        torch.testing.assert_close(pixels, scaled(colours))
    if mode == "I;16":
        torch.testing.assert_close(pixels, scaled(colours[..., :1].repeat(3, axis=-1)))


def test_alpha_is_dropped_not_composited(tmp_path: Path, colours: np.ndarray) -> None:
    transparent = np.concatenate([colours, np.zeros((16, 16, 1), dtype=np.uint8)], axis=-1)
    torch.testing.assert_close(load_images([save(tmp_path, "a.png", transparent)], 16).pixels, scaled(colours))


def test_orientation_tag_is_followed(tmp_path: Path, colours: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    Image.fromarray(colours).save(tmp_path / "a.png", exif=exif)
    torch.testing.assert_close(load_images([tmp_path / "a.png"], 16).pixels, scaled(colours[::-1, ::-1].copy()))


def test_sixteen_bits_keep_their_depth(tmp_path: Path) -> None:
    ramp = (np.arange(256, dtype=np.uint16) * 3 + 30000).reshape(16, 16)
    pixels = load_images([save(tmp_path, "a.png", ramp)], 16).pixels
    assert len(pixels.unique()) == 256


def test_folder_is_read_by_name_without_other_files(tmp_path: Path, colours: np.ndarray) -> None:
    save(tmp_path, "b.png", colours)
    save(tmp_path, "a.PNG", colours[::-1])
    (tmp_path / "notes.txt").write_text("no image")
    loaded = load_images([tmp_path], 16)
    assert loaded.names == ("a.PNG", "b.png")
    torch.testing.assert_close(loaded.pixels[1:], scaled(colours))


def test_array_is_taken_as_it_is(tmp_path: Path) -> None:
    array = np.random.default_rng(0).uniform(-1, 1, (3, 16, 16)).astype(np.float32)
    np.save(tmp_path / "a.npy", array)
    loaded = load_images([tmp_path / "a.npy"], 16)
    assert np.array_equal(loaded.pixels[0].numpy(), array)
    assert loaded.sha256 != load_bundled("photo", 16).sha256


def test_eight_bits_are_truncated() -> None:
    values = torch.tensor([-2.0, -1.0, -0.999, 0.0, 0.999, 1.0, 2.0])
    assert to_8bit(values).tolist() == [0, 0, 0, 127, 254, 255, 255]


ARRAYS = {
    "shape": (np.zeros((16, 16, 3)), "must be [3, 16, 16]"),
    "side": (np.zeros((3, 32, 32)), "got [3, 32, 32]"),
    "range": (np.full((3, 16, 16), 255.0), "must be in [-1, 1]"),
    "nan": (np.full((3, 16, 16), np.nan), "NaN"),
    "integers": (np.zeros((3, 16, 16), dtype=np.uint8), "floating point"),
    "objects": (np.array([None]), "cannot be read"),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_wrong_array_is_refused(tmp_path: Path, case: str) -> None:
    array, reason = ARRAYS[case]
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError) as error:
        load_images([tmp_path / "a.npy"], 16)
    assert reason in str(error.value)


UNUSUAL = {
    "1-pixel": lambda colours: Image.fromarray(colours[:1, :1]),
    "1-row": lambda colours: Image.fromarray(colours[:1]),
    "huge": lambda colours: Image.new("RGB", (10_000, 9_500)),
}


def test_folder_of_unusual_pictures_is_read(tmp_path: Path, colours: np.ndarray) -> None:
    """Tiny and huge pictures beside each other."""
    for name, make in UNUSUAL.items():
        make(colours).save(tmp_path / f"{name}.png")
    images = load_images([tmp_path], 8)
    assert set(images.names) == {f"{name}.png" for name in UNUSUAL}
    assert images.pixels.shape == (len(UNUSUAL), 3, 8, 8)
    assert images.pixels.abs().max() <= 1
    assert images.pixels.isfinite().all()


@pytest.mark.parametrize("broken", ["cut.png", "text.png", "empty.png", "bomb.png", "float.tif", "folder.npy"])
def test_one_broken_picture_in_a_folder_is_named_in_one_line(
    tmp_path: Path, colours: np.ndarray, broken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the command, with exit code 2 and nothing written."""
    whole = save(tmp_path, "whole.png", colours).read_bytes()
    bomb = bytearray(whole)  # a header that promises 10^10 pixels
    bomb[16:24] = (100_000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    path = tmp_path / broken
    if broken == "float.tif":
        Image.fromarray(np.zeros((16, 16), dtype=np.float32)).save(path)
    else:
        contents = {"cut.png": whole[:-30], "text.png": b"text", "bomb.png": bytes(bomb), "folder.npy": b"\x93NUMPY"}
        path.write_bytes(contents.get(broken, b""))
    out = tmp_path / "out"
    err = refusal(capsys, discriminator_testbed, "--image", tmp_path, "--resolution", 8, "--out", out)
    assert broken in err
    assert not out.exists()
