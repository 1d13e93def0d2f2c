"""Tests of messages that wait on disk for their subscribers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.local.topics.subscriber import Subscriber, subscriber
from tests.support import wait_until

from mlberth_local.store.database import Database
from mlberth_local.store.resources import Resources
from mlberth_local.topics import topics as module
from mlberth_local.topics.topics import Topics


@pytest.fixture
def server() -> Iterator[Subscriber]:
    """Run a subscriber."""
    with subscriber() as one:
        yield one


class Home:
    """One daemon's topics; another one of the same folder is the next daemon's. Time runs as tests say."""

    def __init__(self, folder: Path) -> None:
        self.now = 1_800_000_000.0
        self.folder = folder
        self.topics = Topics(
            folder / "sns",
            Resources(Database(folder / "db")),
            clock=lambda: self.now,
            arn=lambda service, resource: f"arn:aws:{service}:us-east-1:000000000000:{resource}",
            endpoint="http://127.0.0.1:1",
        )

    def subscribed(self, url: str) -> str:
        """Return the ARN of a topic with a confirmed subscriber."""
        topic = self.topics.create("t", {})
        token = self.topics.subscribe(topic, "http", url).request["token"]
        self.topics.confirm(topic, token)
        return topic

    def waiting(self) -> list[Path]:
        """Return the files of the queue."""
        return list((self.folder / "sns/queue").glob("*.json"))


def test_what_was_published_before_a_kill_is_sent_after_it(tmp_path: Path, server: Subscriber) -> None:
    before = Home(tmp_path)  # its threads never start
    topic = before.subscribed(server.url)
    before.topics.publish(topic, "m")
    assert len(before.waiting()) == 2
    after = Home(tmp_path)
    after.topics.sender.start()
    wait_until(lambda: server.documents("Notification") and not after.waiting())
    after.topics.sender.stop()
    assert [one["Message"] for one in server.documents("Notification")] == ["m"]


def test_a_subscriber_that_fails_gets_a_message_again(tmp_path: Path, server: Subscriber) -> None:
    """After 1, 5 and 20 seconds; then it is given up, and kept in a file."""
    home = Home(tmp_path)
    topic = home.subscribed(server.url)
    home.topics.sender.start()
    wait_until(lambda: not home.waiting())
    server.answers[:] = [500, 503, 200]
    home.topics.publish(topic, "at last")
    for count, pause in enumerate((1.0, 5.0), 1):
        wait_until(lambda: len(server.documents("Notification")) == count)  # noqa: B023 - called at once
        wait_until(lambda: json.loads(home.waiting()[0].read_text())["attempts"] == count)  # noqa: B023
        home.now += pause
        home.topics.sender.wake()
    wait_until(lambda: len(server.documents("Notification")) == 3 and not home.waiting())
    server.answers[:] = [500] * 4
    home.topics.publish(topic, "never")
    undelivered = tmp_path / "sns/queue/undelivered.jsonl"

    def later() -> bool:
        home.now += 1.0
        home.topics.sender.wake()
        return undelivered.exists()

    wait_until(later)
    home.topics.sender.stop()
    assert len(server.documents("Notification")) == 7
    line = json.loads(undelivered.read_text())
    assert (line["reason"], json.loads(line["body"])["Message"]) == ("it answered 500", "never")
    wait_until(lambda: not home.waiting())


def test_what_a_client_is_to_blame_for_is_not_sent_again(tmp_path: Path, server: Subscriber) -> None:
    home = Home(tmp_path)
    topic = home.subscribed(server.url)
    home.topics.sender.start()
    wait_until(lambda: not home.waiting())
    server.answers[:] = [404]
    home.topics.publish(topic, "m")
    wait_until((tmp_path / "sns/queue/undelivered.jsonl").exists)
    home.topics.sender.stop()
    wait_until(lambda: not home.waiting())


def test_what_waits_for_one_that_has_left_is_not_sent(tmp_path: Path, server: Subscriber) -> None:
    home = Home(tmp_path)
    topic = home.subscribed(server.url)
    home.topics.publish(topic, "m")
    home.topics.unsubscribe(home.topics.subscriptions()[0].arn)
    home.topics.sender.start()
    wait_until(lambda: not home.waiting())
    home.topics.sender.stop()
    assert server.requests == []


def test_a_long_file_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LARGEST_FILE", 500)
    home = Home(tmp_path)
    topic = home.topics.create("t", {})
    for number in range(10):
        home.topics.publish(topic, f"message {number}")
    kept = (tmp_path / "sns/t.jsonl").read_text() + (tmp_path / "sns/t.jsonl.1").read_text()
    assert "message 9" in kept
    assert len(kept) < 1500
