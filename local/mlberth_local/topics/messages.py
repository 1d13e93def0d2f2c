"""Messages as subscribers get them: JSON in the service's form, and the headers that come with it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any
from urllib.parse import urlencode

VERSION = "2010-03-31"
"""Of the API that links in messages call."""


@dataclass(frozen=True)
class Message:
    """A message that was published."""

    id: str
    topic_arn: str
    time: float
    """Seconds since the epoch."""
    text: str
    subject: str = ""
    attributes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """As the request has them: DataType, StringValue or BinaryValue by name."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """The text for each protocol that has one of its own (MessageStructure `json`)."""

    def text_for(self, protocol: str) -> str:
        """Return the text for the subscribers of a protocol."""
        return self.texts.get(protocol, self.text)


def notification(message: Message, protocol: str, unsubscribe_url: str) -> dict[str, Any]:
    """Return the document of a message to a subscriber."""
    found: dict[str, Any] = {
        "Type": "Notification",
        "MessageId": message.id,
        "TopicArn": message.topic_arn,
        "Message": message.text_for(protocol),
        "Timestamp": timestamp(message.time),
        "UnsubscribeURL": unsubscribe_url,
    }
    if message.subject:
        found["Subject"] = message.subject
    if message.attributes:
        found["MessageAttributes"] = {
            name: {"Type": one["DataType"], "Value": _attribute(one)}
            for name, one in message.attributes.items()
        }
    return found


def _attribute(attribute: Mapping[str, Any]) -> str:
    if (value := attribute.get("BinaryValue")) is not None:
        return base64.b64encode(value).decode()
    return str(attribute.get("StringValue", ""))


def confirmation(message_id: str, topic_arn: str, *, token: str, time: float, url: str) -> dict[str, Any]:
    """Return the document that asks an HTTP subscriber to confirm that it wants the messages."""
    text = (
        f"You have chosen to subscribe to the topic {topic_arn}.\n"
        "To confirm the subscription, visit the SubscribeURL included in this message."
    )
    return {
        "Type": "SubscriptionConfirmation",
        "MessageId": message_id,
        "Token": token,
        "TopicArn": topic_arn,
        "Message": text,
        "SubscribeURL": url,
        "Timestamp": timestamp(time),
    }


def headers(document: Mapping[str, Any], subscription_arn: str = "", *, raw: bool = False) -> dict[str, str]:
    """Return the headers that a document is sent with."""
    found = {
        "Content-Type": "text/plain; charset=UTF-8",
        "User-Agent": "Amazon Simple Notification Service Agent",
        "x-amz-sns-message-type": document["Type"],
        "x-amz-sns-message-id": document["MessageId"],
        "x-amz-sns-topic-arn": document["TopicArn"],
    }
    if subscription_arn:
        found["x-amz-sns-subscription-arn"] = subscription_arn
    if raw:
        found["x-amz-sns-rawdelivery"] = "true"
    return found


def link(endpoint: str, action: str, **parameters: str) -> str:
    """Return an address of the API that does something when it is visited."""
    return f"{endpoint}/?{urlencode({'Action': action, **parameters, 'Version': VERSION})}"


def encode(document: Mapping[str, Any]) -> str:
    """Return a document as text."""
    return json.dumps(document, ensure_ascii=False)


def timestamp(time: float) -> str:
    """Return seconds since the epoch as `2026-11-28T16:00:00.000Z`."""
    moment = datetime.fromtimestamp(time, timezone.utc)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
