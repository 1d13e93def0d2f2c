"""The topics of a home and their subscriptions."""

from __future__ import annotations

import json
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any
from uuid import uuid4

from mlberth_local.errors import ServiceError
from mlberth_local.platform import Platform
from mlberth_local.store.resources import NameTakenError, NoSuchResourceError, Query, Resource, Resources
from mlberth_local.topics import messages, subscribers
from mlberth_local.topics.messages import Message
from mlberth_local.topics.queue import Delivery, Queue, QueueFullError
from mlberth_local.topics.sender import Sender

TOPIC, SUBSCRIPTION = "topic", "subscription"
"""The kinds of the rows in the store."""
PENDING, CONFIRMED = "PendingConfirmation", "Confirmed"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
_MOST_BYTES = 256 * 1024
_LARGEST_FILE = 16 << 20
"""A topic's file that has so many bytes becomes FILE.1, and a new one begins."""
_EVERY = 1_000_000


class Topics:
    """All topics of one home. Any thread may call it."""

    def __init__(
        self,
        folder: Path,
        resources: Resources,
        *,
        clock: Callable[[], float],
        arn: Callable[[str, str], str],
        endpoint: str,
    ) -> None:
        self._folder = folder
        self._resources = resources
        self._clock = clock
        self._arn = arn
        self._endpoint = endpoint
        self._queue = Queue(folder / "queue")
        self._writing = threading.Lock()
        self.sender = Sender(
            self._queue, clock=clock, is_wanted=self._is_wanted, give_up=self._note_undelivered
        )

    def create(self, name: str, attributes: Mapping[str, str]) -> str:
        """Make a topic, or find the one of a name; returns its ARN."""
        if not _NAME.fullmatch(name):
            raise _invalid("Topic Name", f"{name!r} must be 1 to 256 letters, digits, - and _")
        now, arn = self._clock(), self._arn("sns", name)
        try:
            self._resources.create(Resource(TOPIC, name, arn, now, now, "", {"attributes": {**attributes}}))
        except NameTakenError:
            if {**attributes} != self._resources.get(TOPIC, name).request["attributes"] and attributes:
                raise _invalid("Attributes", "Topic already exists with different attributes") from None
        return arn

    def delete(self, topic_arn: str) -> None:
        """Remove a topic and its subscriptions; its file stays. One that is not there is no error."""
        for subscription in self.subscriptions(topic_arn):
            self.unsubscribe(subscription.arn)
        try:
            self._resources.delete(TOPIC, topic_arn.rpartition(":")[2])
        except NoSuchResourceError:
            return

    def topics(self) -> list[Resource]:
        """Return the topics by name."""
        return self._all(TOPIC)

    def topic(self, topic_arn: str) -> Resource:
        """Return a topic. Raises `ServiceError`."""
        try:
            topic = self._resources.get(TOPIC, topic_arn.rpartition(":")[2])
        except NoSuchResourceError:
            topic = None
        if topic is None or topic.arn != topic_arn:
            raise ServiceError("NotFound", f"Topic does not exist: {topic_arn}", HTTPStatus.NOT_FOUND)
        return topic

    def subscriptions(self, topic_arn: str = "") -> list[Resource]:
        """Return all subscriptions, or those of a topic."""
        found = self._all(SUBSCRIPTION)
        return [one for one in found if topic_arn in {"", one.request["topic"]}]

    def _all(self, kind: str) -> list[Resource]:
        return self._resources.list(Query(kind, sort_by="name", descending=False, limit=_EVERY))[0]

    def subscribe(self, topic_arn: str, protocol: str, url: str, *, raw: bool = False) -> Resource:
        """Subscribe an HTTP server, which is asked to confirm; one that is subscribed already is found."""
        topic = self.topic(topic_arn)
        if protocol not in subscribers.PROTOCOLS:
            text = f"{protocol} is not here; use http or https, or read {self.file(topic_arn).name}"
            raise _invalid("Protocol", text)
        if (fault := subscribers.fault(url, protocol)) is not None:
            raise _invalid("Endpoint", fault)
        subscription = next((one for one in self.subscriptions(topic_arn) if one.request["url"] == url), None)
        if subscription is None:
            name, now = str(uuid4()), self._clock()
            request = {"topic": topic_arn, "protocol": protocol, "url": url, "raw": raw}
            request["token"] = secrets.token_hex(64)
            subscription = Resource(SUBSCRIPTION, name, f"{topic.arn}:{name}", now, now, PENDING, request)
            self._resources.create(subscription)
        if subscription.status == PENDING:
            self._ask(subscription)
        return subscription

    def _ask(self, subscription: Resource) -> None:
        request, now = subscription.request, self._clock()
        parameters = {"TopicArn": request["topic"], "Token": request["token"]}
        document = messages.confirmation(
            str(uuid4()),
            request["topic"],
            token=request["token"],
            time=now,
            url=messages.link(self._endpoint, "ConfirmSubscription", **parameters),
        )
        self._enqueue(subscription, messages.headers(document), messages.encode(document), now)

    def confirm(self, topic_arn: str, token: str) -> Resource:
        """Let a subscriber get messages from now on. Raises `ServiceError`."""
        self.topic(topic_arn)
        for subscription in self.subscriptions(topic_arn):
            if secrets.compare_digest(subscription.request["token"].encode(), token.encode()):
                with self._resources.changing(SUBSCRIPTION, subscription.name) as confirmed:
                    confirmed.status = CONFIRMED
                    return confirmed
        raise _invalid("Token", "it is none of this topic's")

    def subscription(self, subscription_arn: str) -> Resource:
        """Return a subscription. Raises `ServiceError`."""
        try:
            return self._resources.get(SUBSCRIPTION, subscription_arn.rpartition(":")[2])
        except NoSuchResourceError:
            text = f"Subscription does not exist: {subscription_arn}"
            raise ServiceError("NotFound", text, HTTPStatus.NOT_FOUND) from None

    def unsubscribe(self, subscription_arn: str) -> None:
        """End a subscription; what waits for it is not sent. One that is not there is no error."""
        try:
            self._resources.delete(SUBSCRIPTION, subscription_arn.rpartition(":")[2])
        except NoSuchResourceError:
            return

    def publish(
        self,
        topic_arn: str,
        text: str,
        subject: str = "",
        *,
        attributes: Mapping[str, Mapping[str, Any]] | None = None,
        texts: Mapping[str, str] | None = None,
    ) -> str:
        """Append a message to the topic's file, and queue it for its subscribers; returns its id.

        Raises `ServiceError` if there is no such topic, or the message is not one.
        """
        topic = self.topic(topic_arn)
        if not text:
            raise _invalid("Message", "it is empty")
        if len(text.encode()) > _MOST_BYTES:
            raise _invalid("Message", f"it is longer than {_MOST_BYTES} bytes")
        if len(subject) > 100 or not subject.isascii() or not subject.isprintable():
            raise _invalid("Subject", "it must have at most 100 printable ASCII characters")
        message = Message(
            str(uuid4()), topic.arn, self._clock(), text, subject, attributes or {}, texts or {}
        )
        self._append(self.file(topic_arn), messages.notification(message, "", ""))
        for subscription in self.subscriptions(topic_arn):
            if subscription.status == CONFIRMED:
                self._send(message, subscription)
        return message.id

    def _send(self, message: Message, subscription: Resource) -> None:
        protocol, raw = subscription.request["protocol"], subscription.request["raw"]
        link = messages.link(self._endpoint, "Unsubscribe", SubscriptionArn=subscription.arn)
        document = messages.notification(message, protocol, link)
        body = message.text_for(protocol) if raw else messages.encode(document)
        headers = messages.headers(document, subscription.arn, raw=raw)
        self._enqueue(subscription, headers, body, message.time)

    def _enqueue(self, subscription: Resource, headers: dict[str, str], body: str, now: float) -> None:
        request = subscription.request
        delivery = Delivery(subscription.name, request["topic"], request["url"], headers, body, due=now)
        try:
            self._queue.add(delivery)
        except QueueFullError:
            text = "Too many messages wait for their subscribers."
            raise ServiceError("Throttled", text, HTTPStatus.TOO_MANY_REQUESTS) from None
        self.sender.wake()

    def file(self, topic_arn: str) -> Path:
        """Return the file that has every message of a topic, one a line."""
        return self._folder / f"{topic_arn.rpartition(':')[2]}.jsonl"

    def _append(self, path: Path, document: Mapping[str, Any]) -> None:
        line = {name: value for name, value in document.items() if value}
        with self._writing:
            if path.exists() and path.stat().st_size > _LARGEST_FILE:
                path.replace(path.with_name(f"{path.name}.1"))
            with path.open("a") as file:
                file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def _is_wanted(self, delivery: Delivery) -> bool:
        try:
            self._resources.get(SUBSCRIPTION, delivery.subscription)
        except NoSuchResourceError:
            return False
        return True

    def _note_undelivered(self, delivery: Delivery, reason: str) -> None:
        document = {"subscriber": delivery.url, "reason": reason, "body": delivery.body}
        self._append(self._folder / "queue" / "undelivered.jsonl", document)


def _invalid(parameter: str, text: str) -> ServiceError:
    return ServiceError("InvalidParameter", f"Invalid parameter: {parameter} Reason: {text}")


def publish(platform: Platform, topic_arn: str, subject: str, message: str) -> str:
    """Publish a message of the platform's own; returns its id. Raises `ServiceError`."""
    found: str = platform.topics.publish(topic_arn, message, subject)
    return found
