"""Reading training images: cropping, resampling, modes of pictures, and every way they can be wrong."""

from __future__ import annotations

import io
import zipfile
import zlib
from pathlib import Path

import discriminator_testbed
import numpy as np
import pytest
import torch
from finished_runs import exit_code, refusal
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
    assert torch.equal(load_bundled("photo", 64).pixels, scaled(expected))


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


def test_alpha_is_laid_on_black(tmp_path: Path, colours: np.ndarray) -> None:
    alpha = np.zeros((16, 16, 1), dtype=np.uint8)
    alpha[:8] = 255
    path = save(tmp_path, "a.png", np.concatenate([colours, alpha], axis=-1))
    torch.testing.assert_close(load_images([path], 16).pixels, scaled(colours * (alpha > 0)))


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
    "nan": (np.full((3, 16, 16), np.nan), "got nan"),
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


@pytest.mark.parametrize("shape", [(16, 21), (40, 33), (1, 7), (90, 64)], ids=str)
def test_picture_of_8_bits_is_resampled_in_8_bits(tmp_path: Path, shape: tuple[int, int]) -> None:
    """To the bit as Pillow does it, channel by channel: runs of any version train on the same values."""
    values = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    top, left, side = (shape[0] - min(shape)) // 2, (shape[1] - min(shape)) // 2, min(shape)
    square = Image.fromarray(values).crop((left, top, left + side, top + side))
    expected = np.asarray(square.resize((16, 16), Image.Resampling.LANCZOS))
    assert torch.equal(load_images([save(tmp_path, "a.png", values)], 16).pixels, scaled(expected))


@pytest.mark.parametrize("form", ["zip", "npy", "npz"])
def test_archives_and_arrays_are_sets_of_images(tmp_path: Path, colours: np.ndarray, form: str) -> None:
    path, several = tmp_path / f"set.{form}", np.stack([colours, colours[::-1]])
    if form == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for number, values in enumerate(several):
                archive.write(save(tmp_path, f"{number}.png", values), f"{number}.png")
    elif form == "npy":
        np.save(path, several)
    else:
        np.savez(path, several)
    loaded = load_images([path], 16)
    assert torch.equal(loaded.pixels, torch.cat([scaled(colours), scaled(colours[::-1].copy())]))


def broken_picture(path: Path, colours: np.ndarray) -> None:
    """Write the kind of broken file that the name of `path` tells."""
    whole = io.BytesIO()
    Image.fromarray(colours).save(whole, "png")
    bomb = bytearray(whole.getvalue())  # a header that promises 10^10 pixels
    bomb[16:24] = (100_000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    if path.name == "float.tif":
        Image.fromarray(np.full((16, 16), 2, dtype=np.float32)).save(path)
    else:
        contents = {"cut.png": whole.getvalue()[:-30], "text.png": b"text", "bomb.png": bytes(bomb)}
        path.write_bytes(contents.get(path.name, b"\x93NUMPY" if path.suffix == ".npy" else b""))


BROKEN = {
    "cut.png": "truncated",
    "text.png": "no picture that Pillow can read",
    "empty.png": "no picture that Pillow can read",
    "bomb.png": "exceeds limit",
    "float.tif": "got 2 to 2",
    "folder.npy": "magic",
}


def test_broken_pictures_of_a_folder_are_skipped_with_the_reason(tmp_path: Path, colours: np.ndarray) -> None:
    save(tmp_path, "whole.png", colours)
    for name in BROKEN:
        broken_picture(tmp_path / name, colours)
    loaded = load_images([tmp_path], 8)
    assert loaded.names == ("whole.png",)
    assert {Path(name).name for name in loaded.skipped} == BROKEN.keys()
    assert all(BROKEN[Path(name).name] in reason for name, reason in loaded.skipped.items())


@pytest.mark.parametrize("broken", BROKEN)
def test_broken_picture_alone_is_told_in_one_line(
    tmp_path: Path, colours: np.ndarray, broken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the command, with exit code 2 and nothing written."""
    broken_picture(tmp_path / broken, colours)
    out = tmp_path / "out"
    for path in (tmp_path / broken, tmp_path):
        err = refusal(capsys, discriminator_testbed, "--image", path, "--resolution", 8, "--out", out)
        assert broken in err
        assert BROKEN[broken] in err
    assert not out.exists()


def test_testbed_lists_what_it_skips_and_refuses_other_images(
    tmp_path: Path, colours: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    """Once on the terminal, and in skipped.csv."""
    faces, out = tmp_path / "faces", tmp_path / "out"
    faces.mkdir()
    save(faces, "whole.png", colours)
    broken_picture(faces / "cut.png", colours)
    options = ["--image", faces, "--resolution", 8, "--out", out, "--threads", 1, "--steps"]
    assert exit_code(discriminator_testbed, *options, 1) == 0
    assert "1 picture is skipped" in capsys.readouterr().err
    assert "cut.png" in (out / "skipped.csv").read_text()
    assert exit_code(discriminator_testbed, *options, 2, "--resume") == 0
    assert "skipped" not in capsys.readouterr().err
    save(faces, "another.png", colours[::-1])
    told = refusal(capsys, discriminator_testbed, *options, 3, "--resume")
    assert "its run has images whole.png, not another.png, whole.png; put the images back" in told
