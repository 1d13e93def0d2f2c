"""`image/*` both ways."""

from __future__ import annotations

import contextlib
import io
import struct
import sys
import zlib
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from tests.serve.codecs.tiff import tiff_of_strips

from mlberth_serve.codecs import CODECS, READERS
from mlberth_serve.errors import BadRequestError, NotAcceptableError, RequestError, UnsupportedTypeError
from mlberth_serve.media_types import parse_content_type

Image = pytest.importorskip("PIL.Image")
PIXELS = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)


def decode(media_type: str, body: bytes) -> Any:
    """Read a body."""
    return READERS[media_type].decode(body, parse_content_type(media_type)).array


@given(
    hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6).map(lambda size: (*size, 3)))
)
def test_png_reads_back_what_it_wrote(pixels: Any) -> None:
    """A lossless format gives every pixel back."""
    np.testing.assert_array_equal(decode("image/png", CODECS["image/png"].encode(pixels)), pixels)


@pytest.mark.parametrize("name", ["png", "jpeg", "jpg", "gif", "bmp", "tiff", "webp"])
def test_every_format_is_written_and_read(name: str) -> None:
    """Each format gives an image of the same size, under its own name and under that of any image."""
    body = CODECS[f"image/{name}"].encode(PIXELS)
    for media_type in (f"image/{name}", "application/x-image"):
        pixels = decode(media_type, body)
        assert (pixels.shape, pixels.dtype) == ((4, 5, 3), np.uint8)
        pixels[0] = 0  # it may be written to


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 3), (4, 5, 4)])
@pytest.mark.parametrize("name", ["png", "jpeg"])
def test_grey_and_transparent_pixels_are_written(shape: tuple[int, ...], name: str) -> None:
    """One, three and four channels are an image."""
    assert decode(f"image/{name}", CODECS[f"image/{name}"].encode(np.zeros(shape, np.uint8))).shape == (
        4,
        5,
        3,
    )


@pytest.mark.parametrize("value", [[1, 2], PIXELS / 255, PIXELS[:, :, :2], PIXELS[None], PIXELS[:0], ["a"]])
def test_prediction_that_is_no_image_is_406(value: Any) -> None:
    """A client that asks for an image of something else is told so."""
    with pytest.raises(NotAcceptableError):
        CODECS["image/png"].encode(value)


@pytest.mark.parametrize(
    ("media_type", "body"),
    [
        ("image/png", b"not an image"),
        ("image/png", CODECS["image/png"].encode(PIXELS)[:45]),
        ("image/png", CODECS["image/bmp"].encode(PIXELS)),
        ("application/x-image", b"%!PS-Adobe-3.0 EPSF-3.0"),
    ],
    ids=["text", "truncated", "other format", "format that is not read"],
)
def test_bad_image_is_refused(media_type: str, body: bytes) -> None:
    """What is not an image of the type that is named is 400."""
    with pytest.raises(BadRequestError):
        decode(media_type, body)


@pytest.mark.parametrize("side", [10_000, 20_000, 60_000])
def test_bomb_is_refused_unread(side: int) -> None:
    """An image of too many pixels is 413 by its head alone."""
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", len(head)) + b"IHDR" + head + struct.pack(">I", zlib.crc32(b"IHDR" + head))
    with pytest.raises(RequestError) as caught:
        decode("image/png", b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\0IDAT" + b"\0\0\0\0")
    assert caught.value.status == 413


def test_image_of_too_many_lines_is_refused_unread() -> None:
    """A line costs memory too, however short it is: a few bytes of a compressed image make many of them."""
    width, height = 2, 33_554_435
    fields = [(256, width), (257, height), (258, 8), (259, 1), (262, 1), (273, 122), (278, height), (279, 6)]
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in fields)
    body = b"II*\0\x08\0\0\0" + struct.pack("<H", len(fields)) + entries + b"\0" * 4
    with pytest.raises(RequestError) as caught:
        decode("image/tiff", body.ljust(128, b"\1"))
    assert caught.value.status == 413


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "1", "I;16"])
def test_pixels_of_a_large_image_are_where_they_were(mode: str) -> None:
    """It is read in strips; together they are the image, whatever its own form is."""
    image = Image.linear_gradient("L").resize((1500, 1501)).convert("I" if mode == "I;16" else mode)
    file = io.BytesIO()
    image.convert(mode).save(file, "PNG")
    with Image.open(file) as saved:
        expected = np.array(saved.convert("RGB"))
    np.testing.assert_array_equal(decode("image/png", file.getvalue()), expected)


def test_missing_pillow_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Pillow images are not read, nor written, and the extra is named."""
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(UnsupportedTypeError, match="extra images"):
        decode("image/png", b"")
    with pytest.raises(NotAcceptableError, match="extra images"):
        CODECS["image/png"].encode(PIXELS)


def test_first_frame_is_read() -> None:
    """Of a moving image the first frame is what is read."""
    file = io.BytesIO()
    frames = [Image.new("RGB", (3, 2), colour) for colour in ("red", "blue")]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    assert decode("image/gif", file.getvalue())[0, 0].tolist() == [255, 0, 0]


def saved(image: Any, name: str, **options: Any) -> bytes:
    """Return an image as a file."""
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def test_webp_is_bounded_by_what_its_decoder_takes() -> None:
    """The decoder keeps copies of its own: what other formats hold is too much for it."""
    flat = Image.new("RGB", (8000, 4000))
    assert decode("image/png", saved(flat, "PNG")).shape == (4000, 8000, 3)
    with pytest.raises(RequestError, match="unpacked size") as caught:
        decode("image/webp", saved(flat, "WEBP", lossless=True))
    assert caught.value.status == 413


def repeated(name: str) -> bytes:
    """Return a small image with something that it repeats without end."""
    small = Image.new("RGB", (64, 64))
    if name == "scans":
        body = saved(small, "JPEG", progressive=True)
        last = body.rindex(b"\xff\xda")
        return body[:-2] + body[last:-2] * 200 + body[-2:]
    if name == "segments":
        body = saved(small, "JPEG")
        return body[:2] + b"\xff\xe5\0\2" * 20_000 + body[2:]
    if name == "extensions":
        body = saved(small.convert("P"), "GIF")
        start = body.index(b",\0\0\0\0")
        return body[:start] + b"\x21\xfe\x01c\0" * 20_000 + body[start:]
    return tiff_of_strips(70_000)


@pytest.mark.parametrize("name", ["scans", "segments", "extensions", "strips"])
def test_image_that_repeats_something_is_refused(name: str) -> None:
    """Pillow takes memory, or goes through all pixels, for each: nothing is decoded, the rule is named."""
    with pytest.raises(RequestError, match=f"`{name}`") as caught:
        decode("application/x-image", repeated(name))
    assert caught.value.status == 413


@pytest.mark.parametrize("options", [{"compression": "tiff_lzw"}, {"compression": "raw"}, {"big_tiff": True}])
def test_large_tiffs_are_read(options: dict[str, Any]) -> None:
    """Strips that an image needs are no fault."""
    image = Image.linear_gradient("L").resize((300, 301)).convert("RGB")
    np.testing.assert_array_equal(decode("image/tiff", saved(image, "TIFF", **options)), np.array(image))


def test_warnings_of_a_file_are_not_for_the_log(recwarn: pytest.WarningsRecorder) -> None:
    """Pillow warns of each faulty tag: a body would fill the log with it."""
    body = bytearray(saved(Image.new("RGB", (4, 4)), "TIFF"))
    count = struct.unpack_from("<H", body, struct.unpack_from("<I", body, 4)[0])[0]
    start = struct.unpack_from("<I", body, 4)[0] + 2
    struct.pack_into("<HHII", body, start + 12 * (count - 1), 65000, 1, 10**9, 8)
    with contextlib.suppress(BadRequestError):
        decode("image/tiff", bytes(body))
    assert not list(recwarn)
