"""Sets that break on the way: archives and processes, and a folder of all that is met, through the whole command."""

from __future__ import annotations

import csv
import json
import os
import signal
import zipfile
from collections.abc import Iterator
from pathlib import Path

import nasty
import numpy as np
import pytest
from commands import spectrum, write_noise

from bench.sets.processes import run_of
from specops.spectra import command
from specops.spectra.errors import CutOffError, InputError
from specops.spectra.loading import Framing, Part, chunks
from specops.spectra.sources import Item, Source, UnreadableError, source_of


@pytest.fixture(autouse=True)
def _no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "render", lambda results: "page")


def read(path: Path, workers: int = 0) -> int:
    """How many pictures of a set are read."""
    return sum(len(chunk.traits) for chunk in chunks(source_of(path), Framing(), (16, 16), Part(), workers))


def test_a_nasty_folder_is_measured_and_what_is_skipped_listed(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    nasty.write(tmp_path / "set")
    assert spectrum(tmp_path / "set", "--size", nasty.SIDE, "--out", tmp_path / "out") == 3
    rows = list(csv.DictReader((tmp_path / "out" / "skipped.csv").read_text().splitlines()))
    assert {row["picture"] for row in rows} == {*nasty.SKIPPED, "dangling.png", "itself.png"}
    assert all(row["reason"] for row in rows)
    (found,) = json.loads((tmp_path / "out" / "summary.json").read_text())["sets"]
    assert found["images"] == len(nasty.RIGHT) + len(nasty.LOSSY) + 2  # a link and undecodable bytes
    assert found["files"]["notes"] == (
        "alpha laid on black: 2; colour of 16 bits read as 8 bits: 1; the first frame of several: 1"
    )


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", ["zip", "tar", "tar.gz", "npy", "npz"])
def test_a_set_that_is_none_is_said_in_one_line(kind: str, workers: int, tmp_path: Path) -> None:
    path = tmp_path / f"x.{kind}"
    path.write_bytes(b"no archive" * 100)
    with pytest.raises(InputError, match=r"x\.") as told:
        read(path, workers)
    assert "\n" not in str(told.value)


def test_a_broken_member_is_skipped(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for name in ("a.png", "b.png"):
            archive.writestr(name, nasty.whole())
    content = (tmp_path / "x.zip").read_bytes()
    at = content.index(nasty.whole()[40:60])
    (tmp_path / "x.zip").write_bytes(content[:at] + bytes(20) + content[at + 20 :])
    first, second = source_of(tmp_path / "x.zip")
    with pytest.raises(UnreadableError, match="Bad CRC"):
        Framing().applied(first)
    Framing().applied(second)
    assert read(tmp_path / "x.zip") == 1


def test_arrays_of_an_archive_are_read_one_image_at_a_time(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 16, 16), dtype=np.uint8)
    np.savez_compressed(tmp_path / "x.npz", images)
    values = [Framing().applied(item).pixels for item in source_of(tmp_path / "x.npz")]
    np.testing.assert_array_equal(np.concatenate(values), images)
    np.savez(tmp_path / "columns.npz", np.asfortranarray(images))
    with pytest.raises(InputError, match="ascontiguousarray"):
        read(tmp_path / "columns.npz")


def test_16_bits_of_either_byte_order_are_one(tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 65536, (2, 16, 16), dtype=np.uint16)
    np.save(tmp_path / "a.npy", images)
    np.save(tmp_path / "b.npy", images.astype(">u2"))
    first, second = ([Framing().applied(item).values for item in source_of(tmp_path / f"{x}.npy")] for x in "ab")
    np.testing.assert_array_equal(first, second)


def test_floats_that_may_have_another_range_have_a_note(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).random((1, 16, 16), np.float32))
    (item,) = source_of(tmp_path / "x.npy")
    assert Framing().applied(item).traits.notes == ("no value below 0: is its --range 0 1?",)
    assert Framing(value_range=(0, 1)).applied(item).traits.notes == ()


class _Deadly(Source):
    def __iter__(self) -> Iterator[Item]:
        yield Item("x.png", lambda: os.kill(os.getpid(), signal.SIGKILL) or b"")


def test_a_process_that_is_ended_ends_the_run_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(CutOffError, match="ended from outside: DataLoader worker") as told:
        list(chunks(_Deadly(tmp_path), Framing(), (16, 16), Part(), 1))
    assert "\n" not in str(told.value)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    peaks = []
    for n in (16, 80):
        folder = write_noise(tmp_path / str(n), n=n, side=1024, suffix="jpg")
        peaks.append(run_of(["-m", "specops", "spectrum", str(folder), "--out", str(tmp_path / f"out{n}")])[1])
    assert peaks[1] - peaks[0] < 60e6, peaks
