"""`image/*`: pixels; Pillow, the extra `images`, reads and writes them."""

from __future__ import annotations

import io
import struct
import warnings
from typing import Any

import numpy as np

from mlberth_serve.codecs.base import SMALL, Array, Decoded, check_count, check_size
from mlberth_serve.codecs.values.arrays import as_array
from mlberth_serve.errors import BadRequestError, NotAcceptableError, RequestError, UnsupportedTypeError
from mlberth_serve.media_types import MediaType

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")
_MISSING = "Images need Pillow, which is not installed here (the extra images)."
_PIXEL, _LINE = 8, 8
"""What a pixel takes in Pillow and in the array, and what a line takes beside its pixels, in bytes."""
_PROGRESSIVE, _WEBP = 11, 17
"""What a pixel takes if the decoder keeps copies of its own."""
_STRIP = 1 << 20
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


class ImageCodec:
    """One format of images; without one, any that is read."""

    def __init__(self, name: str = "") -> None:
        self._formats = (name,) if name else FORMATS

    # The first frame as an array of shape (height, width, 3), RGB, uint8, as it is stored: what the file
    # says of its orientation is left to the handler. `application/x-image` is any of the formats.
    def decode(self, body: bytes, media_type: MediaType) -> Decoded:  # noqa: ARG002 - a codec's signature
        """Return the pixels of an image; raises UnsupportedTypeError if Pillow is not installed."""
        try:
            from PIL import Image
        except ImportError:
            raise UnsupportedTypeError(_MISSING) from None
        check_marks(body)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a body would fill the log with them
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                with Image.open(io.BytesIO(body), formats=self._formats) as image:
                    check_size(image.height * (_pixel_size(image) * image.width + _LINE), len(body))
                    return Decoded(_pixels(image))
        except (Image.DecompressionBombError, Image.DecompressionBombWarning):
            message = f"The image has more than {Image.MAX_IMAGE_PIXELS} pixels."
            raise RequestError(413, "payload_too_large", message) from None
        except RequestError:
            raise
        except Exception:  # noqa: BLE001 - Pillow's readers raise what they like on damaged files
            raise BadRequestError(f"The body is not an image of {' or '.join(self._formats)}.") from None

    # A uint8 array of shape (height, width), (height, width, 1), (height, width, 3) or (height, width, 4).
    def encode(self, value: Any) -> bytes:
        """Write pixels; raises NotAcceptableError for an array that is no image."""
        try:
            from PIL import Image
        except ImportError:
            raise NotAcceptableError(_MISSING) from None
        array = as_array(value)
        if array.ndim == 2:
            array = array[:, :, np.newaxis]
        if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] not in _MODES or not array.size:
            raise NotAcceptableError("The prediction is not an image: uint8 of height x width x channels.")
        channels = array.shape[2]
        pixels = np.ascontiguousarray(array if channels > 1 else array[:, :, 0])
        image = Image.fromarray(pixels)
        if channels == 4 and self._formats[0] in {"JPEG", "BMP", "GIF"}:
            image = image.convert("RGB")
        file = io.BytesIO()
        image.save(file, self._formats[0])
        return file.getvalue()


def _pixel_size(image: Any) -> int:
    if image.format == "WEBP":
        return _WEBP
    return _PROGRESSIVE if image.info.get("progressive") else _PIXEL


def _pixels(image: Any) -> Array:
    """Return an image's pixels as RGB, read in strips: a whole copy of it in between would be as large."""
    pixels = np.empty((image.height, image.width, 3), np.uint8)
    lines = _STRIP // image.width + 1
    for top in range(0, image.height, lines):
        bottom = min(top + lines, image.height)
        pixels[top:bottom] = image.crop((0, top, image.width, bottom)).convert("RGB")
    return pixels


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
