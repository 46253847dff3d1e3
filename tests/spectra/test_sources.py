"""What is found in folders, archives and arrays, and the values that pictures have."""

from __future__ import annotations

import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import nasty
import numpy as np
import pytest
from numpy.typing import NDArray

from specops.spectra import pixels
from specops.spectra.errors import InputError
from specops.spectra.loading import Framing
from specops.spectra.pixels import UnreadableError
from specops.spectra.sources import source_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("nasty")
    nasty.write(made)
    return made


def test_a_folder_has_its_pictures_in_order_and_no_other_file(folder: Path) -> None:
    names = [item.name for item in source_of(folder)]
    expected = {
        *nasty.RIGHT,
        *nasty.LOSSY,
        *nasty.SKIPPED,
        "linked.png",
        "dangling.png",
        "itself.png",
        "\udcff\udcfe.png",
    }
    assert set(names) == expected
    assert len(names) == len(expected)
    assert names == [item.name for item in source_of(folder)]


@pytest.mark.parametrize("name", nasty.RIGHT)
def test_values_are_those_of_the_file(name: str, folder: Path) -> None:
    picture = pixels.read_picture(folder / name, (-1, 1))
    assert picture.values.dtype == np.float32
    np.testing.assert_allclose(picture.values, nasty.RIGHT[name][1], rtol=0, atol=2e-7)


@pytest.mark.parametrize("name", nasty.LOSSY)
def test_lossy_files_are_near(name: str, folder: Path) -> None:
    assert np.abs(pixels.read_picture(folder / name, (-1, 1)).values - nasty.scaled(nasty.SMOOTH)).max() < 0.1


@pytest.mark.parametrize("name", nasty.SKIPPED)
def test_what_cannot_be_read_is_said(name: str, folder: Path) -> None:
    with pytest.raises(UnreadableError) as told:
        pixels.read_picture(folder / name, (-1, 1))
    assert nasty.SKIPPED[name][1] in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    "name", ["several.tif", "several.gif", "deep.tif", "rgb.jpg", "rgb.jp2", "rgb.webp", "rgb.avif"]
)
def test_a_file_that_is_cut_anywhere_is_read_or_skipped(name: str, folder: Path, tmp_path: Path) -> None:
    if name == "several.gif":
        nasty.several(tmp_path / name)
    content = (tmp_path / name if name == "several.gif" else folder / name).read_bytes()
    skipped = 0
    for end in np.linspace(0, len(content), 50).astype(int):
        try:
            pixels.read_picture(content[:end], (-1, 1))
        except UnreadableError:
            skipped += 1
    assert skipped > 0


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("alpha.png", "alpha laid on black"),
        ("deep-colour.png", "colour of 16 bits read as 8 bits"),
        ("grey-alpha.png", "alpha laid on black"),
        ("several.tif", "the first frame of several"),
    ],
)
def test_what_was_done_to_values_is_noted(name: str, note: str, folder: Path) -> None:
    assert pixels.read_picture(folder / name, (-1, 1)).traits.notes == (note,)


@pytest.mark.parametrize("quality", [1, 10, 50, 75, 92, 100])
def test_the_quality_of_a_jpeg(quality: int, tmp_path: Path) -> None:
    from PIL import Image

    Image.fromarray(nasty.RGB).save(tmp_path / "x.jpg", quality=quality)
    assert pixels.read_picture(tmp_path / "x.jpg", (-1, 1)).traits.quality == quality


@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz"])
def test_an_archive_has_the_pictures_of_the_folder(kind: str, folder: Path, tmp_path: Path) -> None:
    names = [name for name in nasty.RIGHT if name.isascii()]
    path = tmp_path / f"set.{kind}"
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as archive:
            for name in [*names, ".hidden.png", "notes.txt"]:
                archive.write(folder / name, name)
    else:
        with tarfile.open(path, "w:gz" if kind.endswith("gz") else "w") as archive:
            for name in [*names, ".hidden.png", "notes.txt"]:
                archive.add(folder / name, name)
    items = list(source_of(path))
    assert {item.name for item in items} == set(names)
    for item in items:
        np.testing.assert_allclose(Framing().applied(item).values, nasty.RIGHT[item.name][1], rtol=0, atol=2e-7)


@pytest.mark.parametrize("layout", ["nhw", "nchw", "nhwc"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64", "float16"])
def test_arrays_of_any_layout(layout: str, dtype: str, tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).integers(0, 256, (4, 3, 9, 10))
    numbers = numbers[:, 0] if layout == "nhw" else numbers
    expected = numbers.reshape(4, -1, 9, 10) / 127.5 - 1
    array = numbers.transpose(0, 2, 3, 1) if layout == "nhwc" else numbers
    array = (
        (array / 127.5 - 1).astype(dtype) if dtype.startswith("float") else array * (257 if dtype == "uint16" else 1)
    )
    np.save(tmp_path / "x.npy", array.astype(dtype))
    np.savez(tmp_path / "x.npz", b=array.astype(dtype)[2:], a=array.astype(dtype)[:2])
    for path in (tmp_path / "x.npy", tmp_path / "x.npz"):
        items = list(source_of(path))
        values = np.stack([Framing().applied(item).values for item in items])
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-3 if dtype == "float16" else 2e-7)


def test_values_of_another_range(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([[[0.0, 1.0], [0.5, 0.25]]]))
    (item,) = source_of(tmp_path / "x.npy")
    assert Framing(value_range=(0, 1)).applied(item).values.tolist() == [[[-1, 1], [0, -0.5]]]
    np.save(tmp_path / "x.npy", np.array([[[0.0, 2.0], [0.5, 0.25]]]))
    (item,) = source_of(tmp_path / "x.npy")
    with pytest.raises(UnreadableError, match=r"in \[0, 1\]; got 0 to 2. Give its --range"):
        Framing(value_range=(0, 1)).applied(item)


@pytest.mark.parametrize(
    "array", [np.zeros((2, 2)), np.zeros((1, 5, 9, 9)), np.zeros((2, 4, 4), int), np.zeros((2, 4, 4), complex)]
)
def test_arrays_that_are_no_images(array: NDArray[Any], tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", array)
    with pytest.raises(InputError, match="must hold"):
        list(source_of(tmp_path / "x.npy"))


def test_a_set_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        source_of(tmp_path / "none")
    shutil.rmtree(tmp_path)
