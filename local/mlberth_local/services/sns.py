"""SNS: topics, HTTP subscribers on this machine, and messages to them."""

from __future__ import annotations

import json
from typing import Any

from mlberth_local.errors import ServiceError
from mlberth_local.operations import ONE_PAGE, Exceptions, Operation
from mlberth_local.platform import Platform
from mlberth_local.store.resources import Resource
from mlberth_local.topics.topics import CONFIRMED, PENDING

_PENDING_ARN = "PendingConfirmation"


def create_topic(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Make a topic, or return the one of this name."""
    attributes = request.get("Attributes") or {}
    if attributes.get("FifoTopic", "").lower() == "true":
        raise _invalid("Attributes", "there are no FIFO topics here")
    return {"TopicArn": platform.topics.create(request["Name"], attributes)}


def delete_topic(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Remove a topic with its subscriptions."""
    platform.topics.delete(request["TopicArn"])
    return {}


def list_topics(platform: Platform, _: dict[str, Any]) -> dict[str, Any]:
    """List the topics."""
    return {"Topics": [{"TopicArn": topic.arn} for topic in platform.topics.topics()]}


def get_topic_attributes(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Return a topic's attributes."""
    topic = platform.topics.topic(request["TopicArn"])
    states = [one.status for one in platform.topics.subscriptions(topic.arn)]
    counts = {
        "SubscriptionsConfirmed": str(states.count(CONFIRMED)),
        "SubscriptionsPending": str(states.count(PENDING)),
        "SubscriptionsDeleted": "0",
    }
    own = {"TopicArn": topic.arn, "Owner": platform.account, "DisplayName": ""}
    return {"Attributes": {**own, **topic.request["attributes"], **counts}}


def subscribe(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Subscribe an HTTP server, and ask it to confirm."""
    attributes = request.get("Attributes") or {}
    if others := sorted(set(attributes) - {"RawMessageDelivery"}):
        raise _invalid("Attributes", f"{', '.join(others)} cannot be set here; RawMessageDelivery can")
    raw = attributes.get("RawMessageDelivery", "").lower() == "true"
    subscription = platform.topics.subscribe(
        request["TopicArn"], request["Protocol"], request.get("Endpoint") or "", raw=raw
    )
    if subscription.status == CONFIRMED or request.get("ReturnSubscriptionArn"):
        return {"SubscriptionArn": subscription.arn}
    return {"SubscriptionArn": "pending confirmation"}


def confirm_subscription(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Let a subscriber that has got this token have the messages."""
    return {"SubscriptionArn": platform.topics.confirm(request["TopicArn"], request["Token"]).arn}


def unsubscribe(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """End a subscription."""
    platform.topics.unsubscribe(request["SubscriptionArn"])
    return {}


def list_subscriptions(platform: Platform, _: dict[str, Any]) -> dict[str, Any]:
    """List all subscriptions."""
    return {"Subscriptions": [_described(platform, one) for one in platform.topics.subscriptions()]}


def list_subscriptions_by_topic(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """List the subscriptions of a topic."""
    topic = platform.topics.topic(request["TopicArn"])
    return {"Subscriptions": [_described(platform, one) for one in platform.topics.subscriptions(topic.arn)]}


def _described(platform: Platform, subscription: Resource) -> dict[str, Any]:
    return {
        "SubscriptionArn": subscription.arn if subscription.status == CONFIRMED else _PENDING_ARN,
        "Owner": platform.account,
        "Protocol": subscription.request["protocol"],
        "Endpoint": subscription.request["url"],
        "TopicArn": subscription.request["topic"],
    }


def get_subscription_attributes(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Return a subscription's attributes."""
    subscription = platform.topics.subscription(request["SubscriptionArn"])
    return {
        "Attributes": {
            **_described(platform, subscription),
            "SubscriptionArn": subscription.arn,
            "PendingConfirmation": str(subscription.status == PENDING).lower(),
            "RawMessageDelivery": str(subscription.request["raw"]).lower(),
        }
    }


def publish(platform: Platform, request: dict[str, Any]) -> dict[str, Any]:
    """Publish a message to a topic."""
    topic_arn = request.get("TopicArn") or request.get("TargetArn")
    if not topic_arn:
        raise _invalid("TopicArn or TargetArn", "no value for required parameter")
    text, texts = request["Message"], {}
    if structure := request.get("MessageStructure"):
        texts = _texts(structure, text)
        text = texts["default"]
    message = platform.topics.publish(
        topic_arn,
        text,
        request.get("Subject") or "",
        attributes=_attributes(request.get("MessageAttributes") or {}),
        texts=texts,
    )
    return {"MessageId": message}


def _texts(structure: str, text: str) -> dict[str, str]:
    """Return the text for each protocol, of a message whose structure is `json`."""
    if structure != "json":
        raise _invalid("MessageStructure", f"found {structure!r}; expected json")
    try:
        found = json.loads(text)
    except ValueError as error:
        raise _invalid("Message Structure", f"the message is not JSON: {error}") from None
    if not isinstance(found, dict) or not isinstance(found.get("default"), str):
        raise _invalid("Message Structure", "No default entry in JSON message body")
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _attributes(attributes: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    for name, one in attributes.items():
        kind = str(one.get("DataType", "")).partition(".")[0]
        if kind not in {"String", "Number", "Binary"}:
            raise _invalid("MessageAttributes", f"{name}: found {kind!r}; expected String, Number or Binary")
    return attributes


def _invalid(parameter: str, text: str) -> ServiceError:
    return ServiceError("InvalidParameter", f"Invalid parameter: {parameter} Reason: {text}")


OPERATIONS: dict[str, Operation] = {
    "ConfirmSubscription": confirm_subscription,
    "CreateTopic": create_topic,
    "DeleteTopic": delete_topic,
    "GetSubscriptionAttributes": get_subscription_attributes,
    "GetTopicAttributes": get_topic_attributes,
    "ListSubscriptions": list_subscriptions,
    "ListSubscriptionsByTopic": list_subscriptions_by_topic,
    "ListTopics": list_topics,
    "Publish": publish,
    "Subscribe": subscribe,
    "Unsubscribe": unsubscribe,
}
EXCEPTIONS: dict[str, Exceptions] = {
    "ConfirmSubscription": Exceptions(
        without_effect={"AuthenticateOnUnsubscribe": "every client of the API may unsubscribe"}
    ),
    "CreateTopic": Exceptions(
        without_effect={"Tags": "tags of topics are not kept"},
        refused={"DataProtectionPolicy": "messages are not looked into"},
    ),
    "ListSubscriptions": Exceptions(without_effect={"NextToken": ONE_PAGE}),
    "ListSubscriptionsByTopic": Exceptions(without_effect={"NextToken": ONE_PAGE}),
    "ListTopics": Exceptions(without_effect={"NextToken": ONE_PAGE}),
    "Publish": Exceptions(
        refused={
            "PhoneNumber": "there is no SMS here",
            "MessageDeduplicationId": "there are no FIFO topics here",
            "MessageGroupId": "there are no FIFO topics here",
        }
    ),
}
