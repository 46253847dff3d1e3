"""The toyset: two rings, the same pictures on every call, kept on disk."""

from __future__ import annotations

from pathlib import Path

import make_toyset
import numpy as np
import pytest
import torch
from testbeds.errors import InputError
from testbeds.evaluation import reduced_spectrum
from testbeds.images import highpass, load_images
from testbeds.toyset import USED, cached_toyset, toy_image, write_toyset


@pytest.mark.parametrize("resolution", [32, 64, 128])
def test_spectrum_is_two_rings(resolution: int, tmp_path: Path) -> None:
    """Read back from PNG: power is in the two ranges of centres and nowhere else, up to cropping and rounding."""
    paths = write_toyset(tmp_path, resolution, range(10))
    for path in paths:
        spectrum = reduced_spectrum(load_images([path], resolution).pixels)
        radius = np.arange(len(spectrum))
        share = (radius + 0.5) / (np.sqrt(2) * resolution / 2)
        power = spectrum * 2 * np.pi * radius  # of a whole ring; 0 at DC
        width = 4 / resolution  # σ of 1 on the plane of twice the side, widened by the crop
        low = (share > 0.05 - width) & (share < 0.15 + width)
        high = (share > 0.75 - width) & (share < 0.85 + width)
        assert power[low | high].sum() > 0.9 * power.sum()
        peaks = [spectrum[ring].max() for ring in (low, high)]  # magnitudes are equal, circumferences are not
        assert 1 / 4 < peaks[0] / peaks[1] < 4
        assert min(peaks) > 20 * np.median(spectrum[1:][~(low | high)[1:]])


def test_ring_sums_to_a_third_of_the_area() -> None:
    from testbeds import toyset

    side = 128
    ky, kx = np.fft.fftfreq(side, 1 / side)[:, None], np.fft.fftfreq(side, 1 / side)[None]
    radius = np.hypot(ky, kx)
    ring = np.exp(-((radius - 64 / np.sqrt(2)) ** 2) / 2) * toyset._amplitude(radius[:, :65], 64)
    assert ring.sum() == pytest.approx(64**2 / 3)


def test_images_are_the_same_on_every_call_and_differ() -> None:
    assert np.array_equal(toy_image(3, 16), toy_image(3, 16))
    assert not np.array_equal(toy_image(3, 16), toy_image(4, 16))
    image = toy_image(0, 64)
    assert image.shape == (3, 64, 64)
    assert np.abs(image).max() < 1.5
    assert not np.array_equal(image[0], image[1])


def test_pictures_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    paths = cached_toyset(8)
    assert [path.name for path in paths] == [f"{number:03}.png" for number in range(USED)]
    stamps = [path.stat().st_mtime_ns for path in paths]
    whole = paths[3].read_bytes()
    paths[3].unlink()
    assert cached_toyset(8) == paths
    assert paths[3].read_bytes() == whole
    assert [path.stat().st_mtime_ns for path in paths[:3]] == stamps[:3]


def test_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        write_toyset(tmp_path / "file", 8, range(1))


def test_script_writes_the_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert make_toyset.main(["--out", str(tmp_path), "--resolution", "8", "--count", "12"]) == 0
    assert len(list(tmp_path.glob("*.png"))) == 12
    assert "12 pictures" in capsys.readouterr().out


def test_highpass_is_the_difference_of_diagonal_neighbours() -> None:
    x = torch.randn(2, 3, 7, 9, dtype=torch.float64)
    filtered = highpass(x)
    assert filtered.shape == x.shape
    inner = x[..., 1:, 1:] + x[..., :-1, :-1] - x[..., 1:, :-1] - x[..., :-1, 1:]
    torch.testing.assert_close(filtered[..., 1:, 1:], inner)
    torch.testing.assert_close(highpass(torch.ones_like(x)), torch.zeros_like(x))
    sign = 1 - 2.0 * ((torch.arange(8)[:, None] + torch.arange(8)) % 2).double()
    torch.testing.assert_close(highpass(sign[None, None]), 4 * sign[None, None])
