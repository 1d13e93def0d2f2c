"""What an image file repeats: Pillow makes an object, or goes through all pixels, for each time."""

from __future__ import annotations

import struct

from mlberth_serve.codecs.base import SMALL, check_count

_MAX_SCANS = 100
"""A progressive JPEG has about ten; libtiff takes so many at most."""
_MAX_BLOCKS = 10_000
_MAX_STRIPS = 65_536
_JPEG, _GIF = b"\xff\xd8", b"GIF8"
_SCAN = b"\xff\xda"
_SEGMENTS = b"\xe0\xe1\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xeb\xec\xed\xee\xef\xfe"
_EXTENSIONS = (b"\x21\xfe", b"\x21\xff", b"\x21\x01", b"\x21\xf9")
_STRIPS = {273, 324}
"""StripOffsets and TileOffsets."""
_TIFFS = {  # the byte order and the version: where the first entry's place and the count of entries stand
    b"II*\0": ("<I", 4, "<H", "<HHI4x"),
    b"MM\0*": (">I", 4, ">H", ">HHI4x"),
    b"II+\0": ("<Q", 8, "<Q", "<HHQ8x"),
    b"MM\0+": (">Q", 8, ">Q", ">HHQ8x"),
}


def check_marks(body: bytes) -> None:
    """Refuse a file that repeats scans, segments, extensions or strips more often than any image needs."""
    if body.startswith(_JPEG):
        check_count(body.count(_SCAN), _MAX_SCANS, "scans")
    if len(body) <= SMALL:
        return
    if body.startswith(_JPEG):
        check_count(sum(body.count(b"\xff%c" % octet) for octet in _SEGMENTS), _MAX_BLOCKS, "segments")
    elif body.startswith(_GIF):
        check_count(sum(map(body.count, _EXTENSIONS)), _MAX_BLOCKS, "extensions")
    elif body[:4] in _TIFFS:
        check_count(_count_strips(body), _MAX_STRIPS, "strips")


def _count_strips(body: bytes) -> int:
    """Return how many strips or tiles the first image says it has; 0 for what Pillow will refuse."""
    place, at, size, entry = _TIFFS[body[:4]]
    try:
        (start,) = struct.unpack_from(place, body, at)
        (count,) = struct.unpack_from(size, body, start)
    except (struct.error, OverflowError):
        return 0
    begin = start + struct.calcsize(size)
    width = struct.calcsize(entry)
    end = min(begin + count * width, len(body) - (len(body) - begin) % width)
    entries = struct.iter_unpack(entry, memoryview(body)[begin:end]) if begin < end else ()
    return max((number for tag, _, number in entries if tag in _STRIPS), default=0)
