"""How the allocator of C keeps large pieces of memory."""

from __future__ import annotations

import contextlib
import ctypes

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
_LARGE, _HUGEST = 2**20, 2**25  # bytes; glibc takes no higher threshold


def map_large_pieces(by_themselves: bool) -> None:
    """Makes glibc map each large piece by itself, or keep them all in its heap.

    By itself, a piece is given back whole. In the heap, small pieces that stay leave gaps between large ones that the
    next do not fit: 12 MB for each image of 1024 x 1024 pixels that is summed. Where nothing stays, as in a worker that
    decodes, the heap saves the system the work of clearing pages.
    """
    with contextlib.suppress(OSError, AttributeError):  # another library of C
        libc = ctypes.CDLL(None)
        libc.mallopt(_MMAP_THRESHOLD, _LARGE if by_themselves else _HUGEST)
        libc.mallopt(_TRIM_THRESHOLD, _LARGE if by_themselves else _HUGEST)
