"""Tests of the messages between the daemon and the gateway."""

from __future__ import annotations

import os
import random
import socket

import pytest

from mlberth_local.gateway.messages import Decoder, Message, encode, receive, send_start


@pytest.mark.differential
def test_messages_in_pieces_of_any_size() -> None:
    """However the stream is cut, what comes out is what went in."""
    chance = random.Random(1)
    messages = [
        Message(
            {"number": number, "text": "é" * chance.randrange(50)}, chance.randbytes(chance.randrange(300))
        )
        for number in range(100)
    ]
    content = b"".join(encode(message) for message in messages)
    decoder, found = Decoder(), []
    while content:
        size = chance.randrange(1, 400)
        found += decoder.feed(content[:size], [])
        content = content[size:]
    assert found == messages


def test_descriptors_belong_to_their_message() -> None:
    """Several messages with descriptors that are read late each have their own."""
    left, right = socket.socketpair()
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(4)]
    sent = [
        Message({"n": 0}),
        Message({"n": 1}, b"x" * 1000, (files[0], files[1])),
        Message({"n": 2}),
        Message({"n": 3}, b"", (files[2],)),
        Message({"n": 4}, b"", (files[3],)),
    ]
    with left, right:
        for message in sent:
            content = encode(message)
            assert send_start(left, content, message.descriptors) == len(content)
        decoder = Decoder()
        found: list[Message] = []
        while len(found) < len(sent):
            found += decoder.feed(*receive(right))
        assert [(one.fields["n"], one.payload, len(one.descriptors)) for one in found] == [
            (0, b"", 0),
            (1, b"x" * 1000, 2),
            (2, b"", 0),
            (3, b"", 1),
            (4, b"", 1),
        ]
        left.shutdown(socket.SHUT_WR)
        assert receive(right) == (b"", [])
    for one in (*files, *(descriptor for message in found for descriptor in message.descriptors)):
        os.close(one)
