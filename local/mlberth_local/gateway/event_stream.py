"""Messages of an event stream, as the client of InvokeEndpointWithResponseStream reads them.

Source: the encoding `vnd.amazon.eventstream`: a prelude, headers, a payload, and a checksum of each half.
"""

from __future__ import annotations

import json
import struct
from zlib import crc32

CONTENT_TYPE = b"application/vnd.amazon.eventstream"
_STRING = 7
_OVERHEAD = 16
"""Two lengths and two checksums, in bytes."""


def payload_part(data: bytes) -> bytes:
    """Return a part of the container's response."""
    return message(
        {
            ":message-type": "event",
            ":event-type": "PayloadPart",
            ":content-type": "application/octet-stream",
        },
        data,
    )


def model_stream_error(code: str, text: str) -> bytes:
    """Return the end of a stream whose container has not come to the end of its response."""
    return message(
        {
            ":message-type": "exception",
            ":exception-type": "ModelStreamError",
            ":content-type": "application/json",
        },
        json.dumps({"ErrorCode": code, "Message": text}).encode(),
    )


def message(headers: dict[str, str], payload: bytes) -> bytes:
    """Return one message; its headers are strings."""
    lines = b"".join(_header(name.encode(), value.encode()) for name, value in headers.items())
    prelude = struct.pack(">II", len(lines) + len(payload) + _OVERHEAD, len(lines))
    whole = prelude + struct.pack(">I", crc32(prelude)) + lines + payload
    return whole + struct.pack(">I", crc32(whole))


def _header(name: bytes, value: bytes) -> bytes:
    return struct.pack(">B", len(name)) + name + struct.pack(">BH", _STRING, len(value)) + value
