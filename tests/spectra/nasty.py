"""A folder of pictures of every kind that is met, and of files that are none."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIDE = 16
RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
GREY = RGB[..., 0]
DEEP = RNG.integers(0, 65536, (SIDE, SIDE), dtype=np.uint16)
FLOATS = RNG.uniform(-1, 1, (SIDE, SIDE)).astype(np.float32)
ALPHA = RNG.integers(0, 256, (SIDE, SIDE), dtype=np.uint8)

Values = np.ndarray[Any, Any]


def scaled(numbers: Values, most: int = 255) -> Values:
    """Values [C, H, W] in [-1, 1] of integers [H, W] or [H, W, C]."""
    channels = numbers[None] if numbers.ndim == 2 else numbers.transpose(2, 0, 1)
    return channels.astype(np.float64) / (most / 2) - 1


def on_black(numbers: Values) -> Values:
    alpha = ALPHA.astype(np.float64) / 255
    return np.rint(numbers * (alpha[..., None] if numbers.ndim == 3 else alpha))


def palette() -> Image.Image:
    return Image.fromarray(RGB).convert("P", palette=Image.Palette.ADAPTIVE, colors=64)


def as_rgb(picture: Image.Image) -> Values:
    return scaled(np.asarray(picture.convert("RGB")))


def saved(picture: Image.Image, **options: Any) -> Callable[[Path], None]:
    return lambda path: picture.save(path, **options)


def turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees to the right
    Image.fromarray(RGB).save(path, exif=exif)


def several(path: Path) -> None:
    frames = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def part(kind: bytes, content: bytes) -> bytes:
    """A part of a PNG file."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def deep_colour(path: Path) -> None:
    """A PNG of three channels of 16 bits, which Pillow does not write."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in np.dstack([DEEP] * 3))
    head = part(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 16, 2, 0, 0, 0))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b""))


LOSSLESS_WEBP = {"lossless": True}
RIGHT: dict[str, tuple[Callable[[Path], None], Values]] = {  # files by name: how they are written, and their values
    "rgb.png": (saved(Image.fromarray(RGB)), scaled(RGB)),
    "grey.png": (saved(Image.fromarray(GREY)), scaled(GREY)),
    "bits.png": (
        saved(Image.fromarray(GREY).convert("1")),
        scaled(np.asarray(Image.fromarray(GREY).convert("1").convert("L"))),
    ),
    "deep.png": (saved(Image.fromarray(DEEP)), scaled(DEEP, 65535)),
    "deep.tif": (saved(Image.fromarray(DEEP)), scaled(DEEP, 65535)),
    "deep.pgm": (saved(Image.fromarray(DEEP)), scaled(DEEP, 65535)),
    "floats.tiff": (saved(Image.fromarray(FLOATS)), FLOATS[None]),
    "palette.png": (saved(palette()), as_rgb(palette())),
    "palette.gif": (saved(palette()), as_rgb(palette())),
    "alpha.png": (saved(Image.fromarray(np.dstack([RGB, ALPHA]))), scaled(on_black(RGB))),
    "opaque.png": (saved(Image.fromarray(RGB).convert("RGBA")), scaled(RGB)),
    "deep-colour.png": (deep_colour, scaled(np.dstack([DEEP >> 8] * 3))),
    "grey-alpha.png": (saved(Image.fromarray(np.dstack([GREY, ALPHA]), "LA")), scaled(on_black(GREY))),
    "cmyk.tif": (saved(Image.fromarray(RGB).convert("CMYK")), as_rgb(Image.fromarray(RGB).convert("CMYK"))),
    "turned.png": (turned, scaled(np.rot90(RGB, -1))),
    "several.tif": (several, scaled(GREY)),
    "upper.PNG": (saved(Image.fromarray(RGB), format="PNG"), scaled(RGB)),
    "lossless.webp": (saved(Image.fromarray(RGB), **LOSSLESS_WEBP), scaled(RGB)),
    "rgb.bmp": (saved(Image.fromarray(RGB)), scaled(RGB)),
    "rgb.tga": (saved(Image.fromarray(RGB)), scaled(RGB)),
    "rgb.ppm": (saved(Image.fromarray(RGB)), scaled(RGB)),
    "rgb.jp2": (saved(Image.fromarray(RGB), irreversible=False), scaled(RGB)),
    "_under.png": (saved(Image.fromarray(RGB)), scaled(RGB)),
    "$x^2$ 写真.png": (saved(Image.fromarray(RGB)), scaled(RGB)),
    "<b>&amp;.png": (saved(Image.fromarray(RGB)), scaled(RGB)),
    "wrong-suffix.jpg": (saved(Image.fromarray(RGB), format="PNG"), scaled(RGB)),
    "sub/deeper/rgb.png": (saved(Image.fromarray(RGB)), scaled(RGB)),
}
SMOOTH = np.broadcast_to(np.linspace(0, 255, SIDE).astype(np.uint8)[:, None, None], (SIDE, SIDE, 3))
LOSSY = ("rgb.jpg", "rgb.jfif", "rgb.avif", "rgb.webp")


def png_of_size(width: int, height: int) -> bytes:
    """A header that says so, and nothing behind it."""
    size = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", size) + part(b"IDAT", zlib.compress(b""))


def whole() -> bytes:
    import io

    stream = io.BytesIO()
    Image.fromarray(RGB).save(stream, "png")
    return stream.getvalue()


SKIPPED: dict[str, tuple[bytes, str]] = {  # files by name: their bytes, and what is said of them
    "empty.png": (b"", "no picture"),
    "text.png": (b"hello", "no picture"),
    "cut.png": (whole()[:300], "truncated"),
    "bomb.png": (png_of_size(100_000, 100_000), "decompression bomb"),
    "small.png": (png_of_size(0, 0), ""),
}
LEFT_OUT = (".hidden.png", ".folder/rgb.png", "notes.txt", "Thumbs.db")


def write(folder: Path) -> None:
    """Writes all of them, links in a circle among them."""
    for name, (save, _) in RIGHT.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        save(folder / name)
    for name in LOSSY:
        Image.fromarray(SMOOTH).save(folder / name, format="JPEG" if name.endswith("jfif") else None, quality=95)
    for name, (content, _) in SKIPPED.items():
        (folder / name).write_bytes(content)
    for name in LEFT_OUT:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(whole())
    os.symlink(folder, folder / "sub" / "up")
    os.symlink(folder / "rgb.png", folder / "linked.png")
    os.symlink(folder / "nowhere.png", folder / "dangling.png")
    os.symlink("itself.png", folder / "itself.png")
    os.symlink("itself", folder / "itself")
    with open(os.fsencode(folder) + b"/\xff\xfe.png", "wb") as stream:
        stream.write(whole())
