"""TIFF images by hand, of as many strips as nobody would write."""

from __future__ import annotations

import struct

_WIDTH, _LENGTH, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _SIZES = 273, 277, 278, 279
_PRIVATE = 40_000


def tiff_of_strips(count: int, *, more: int = 0, more_values: int = 0) -> bytes:
    """Return an image of `count` strips, and with `more` fields of `more_values` values each."""
    fields = 9 + more
    strips, end = (
        8 + 2 + 12 * number + 4 for number in (9, fields)
    )  # where `more` fields are, strips lie in them
    values = {
        _WIDTH: 1,
        _LENGTH: count,
        _BITS: 8,
        _COMPRESSION: 1,
        _PHOTOMETRIC: 1,
        _OFFSETS: strips,
        _SAMPLES: 1,
        _ROWS_PER_STRIP: 1,
        _SIZES: strips,
    } | {_PRIVATE + number: end for number in range(more)}
    counts = {_OFFSETS: count, _SIZES: count}
    entries = b"".join(
        struct.pack("<HHII", tag, 4, more_values if tag >= _PRIVATE else counts.get(tag, 1), value)
        for tag, value in values.items()
    )
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", fields)
    return head + entries + bytes(4) + struct.pack("<I", 8) * count
