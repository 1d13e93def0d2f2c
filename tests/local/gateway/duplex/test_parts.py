"""Tests of a client's events: signed or not, whole or in pieces, and what is none."""

from __future__ import annotations

import pytest

from mlberth_local.gateway.duplex.parts import Part, PartDecoder, PartError, encode
from mlberth_local.gateway.event_stream import message

PARTS = [Part(b"", False, True), Part(b"\x00\xff", False, False), Part("é".encode()[:1], True, False)]


def signed(event: bytes) -> bytes:
    """Return an event as a client signs it."""
    return message({":chunk-signature": "00", ":date": "now"}, event)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_events_come_in_pieces(size: int) -> None:
    """Each is one part, however its bytes arrive; the empty one at the end of a signed stream is none."""
    whole = b"".join([*map(encode, PARTS), *(signed(encode(part)) for part in PARTS), signed(b"")])
    decoder, found = PartDecoder(), []
    for start in range(0, len(whole), size):
        found += decoder.feed(whole[start : start + size])
    assert found == PARTS * 2


def test_what_is_left_out() -> None:
    """Without its headers a part is binary, and a whole message."""
    assert PartDecoder().feed(message({":event-type": "PayloadPart"}, b"x")) == [Part(b"x", False, True)]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "no event stream"),
        (encode(PARTS[1])[:-1] + b"?", "no event stream"),
        (message({":event-type": "Other"}, b""), "an event 'Other'"),
        (message({":event-type": "PayloadPart", "DataType": "utf8"}, b""), "DataType: found 'utf8'"),
        (
            message({":event-type": "PayloadPart", "CompletionState": "?"}, b""),
            "COMPLETE or PARTIAL",
        ),
        (signed(b"x"), "no whole event"),
    ],
)
def test_what_is_no_part(sent: bytes, said: str) -> None:
    with pytest.raises(PartError, match=said):
        PartDecoder().feed(sent)
