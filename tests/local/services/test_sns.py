"""Tests of SNS with boto3 and a real subscriber."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from botocore.exceptions import ClientError
from tests.local.topics.subscriber import Subscriber, subscriber
from tests.support import wait_until

ARN = "arn:aws:sns:us-east-1:000000000000:{}"


@pytest.fixture
def sns(front: Any) -> Iterator[Any]:
    """Return a client; the test's topics are gone after it."""
    client = front.client("sns")
    yield client
    for topic in client.list_topics()["Topics"]:
        client.delete_topic(TopicArn=topic["TopicArn"])


@pytest.fixture
def server() -> Iterator[Subscriber]:
    """Run a subscriber."""
    with subscriber() as one:
        yield one


def confirm(server: Subscriber) -> None:
    """Do as a subscriber does: visit the link of the first message."""
    wait_until(lambda: server.documents("SubscriptionConfirmation"))
    link = server.documents("SubscriptionConfirmation")[-1]["SubscribeURL"]
    assert requests.get(link, timeout=5).status_code == 200


def test_a_subscriber_confirms_and_gets_messages(front: Any, sns: Any, server: Subscriber) -> None:
    topic = sns.create_topic(Name="t")["TopicArn"]
    answer = sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=server.url)
    assert answer["SubscriptionArn"] == "pending confirmation"
    sns.publish(TopicArn=topic, Message="nobody is there yet")
    confirm(server)
    [listed] = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (listed["Protocol"], listed["Endpoint"]) == ("http", server.url)
    sent = sns.publish(
        TopicArn=topic,
        Subject="s",
        Message="hällo",
        MessageAttributes={"k": {"DataType": "Number", "StringValue": "1"}},
    )
    wait_until(lambda: server.documents("Notification"))
    [got] = server.documents("Notification")
    assert (got["MessageId"], got["Subject"], got["Message"]) == (sent["MessageId"], "s", "hällo")
    assert got["MessageAttributes"] == {"k": {"Type": "Number", "Value": "1"}}
    headers = server.requests[-1][0]
    assert headers["x-amz-sns-topic-arn"] == topic
    assert headers["x-amz-sns-subscription-arn"] == listed["SubscriptionArn"]
    assert headers["content-type"] == "text/plain; charset=UTF-8"
    lines = (front.platform.home / "sns/t.jsonl").read_text().splitlines()
    assert [json.loads(line)["Message"] for line in lines] == ["nobody is there yet", "hällo"]
    assert requests.get(got["UnsubscribeURL"], timeout=5).status_code == 200
    assert sns.list_subscriptions()["Subscriptions"] == []


def test_raw_messages_and_texts_by_protocol(sns: Any, server: Subscriber) -> None:
    topic = sns.create_topic(Name="raw")["TopicArn"]
    found = sns.subscribe(
        TopicArn=topic,
        Protocol="http",
        Endpoint=server.url,
        Attributes={"RawMessageDelivery": "true"},
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]
    assert (
        sns.get_subscription_attributes(SubscriptionArn=found)["Attributes"]["PendingConfirmation"] == "true"
    )
    confirm(server)
    texts = {"default": "for all", "http": "for http"}
    sns.publish(TopicArn=topic, Message=json.dumps(texts), MessageStructure="json")
    wait_until(lambda: len(server.requests) == 2)
    assert server.requests[-1][1] == "for http"
    assert server.requests[-1][0]["x-amz-sns-rawdelivery"] == "true"


def test_topics(sns: Any) -> None:
    topic = sns.create_topic(Name="one", Attributes={"DisplayName": "d"})["TopicArn"]
    assert sns.create_topic(Name="one")["TopicArn"] == topic == ARN.format("one")
    assert sns.list_topics()["Topics"] == [{"TopicArn": topic}]
    attributes = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (attributes["DisplayName"], attributes["SubscriptionsConfirmed"]) == ("d", "0")
    sns.delete_topic(TopicArn=topic)
    sns.delete_topic(TopicArn=topic)
    assert sns.list_topics()["Topics"] == []


@pytest.mark.parametrize(
    ("operation", "request_", "words"),
    [
        ("create_topic", {"Name": "a b"}, "InvalidParameter.*Topic Name"),
        ("create_topic", {"Name": "a", "Attributes": {"FifoTopic": "true"}}, "no FIFO topics"),
        ("publish", {"TopicArn": ARN.format("x"), "Message": "m"}, "NotFound.*Topic does not exist"),
        ("publish", {"TopicArn": ARN.format("t"), "Message": ""}, "Message Reason: it is empty"),
        ("publish", {"TopicArn": ARN.format("t"), "Message": "é" * 140_000}, "longer than 262144"),
        ("publish", {"TopicArn": ARN.format("t"), "Message": "m", "Subject": "a\nb"}, "Subject"),
        ("publish", {"PhoneNumber": "1", "Message": "m"}, "PhoneNumber is not supported here"),
        ("publish", {"Message": "m"}, "no value for required parameter"),
        (
            "publish",
            {"TopicArn": ARN.format("t"), "Message": "{}", "MessageStructure": "json"},
            "No default entry",
        ),
        (
            "subscribe",
            {"TopicArn": ARN.format("x"), "Protocol": "http", "Endpoint": "http://127.0.0.1"},
            "NotFound",
        ),
        ("subscribe", {"TopicArn": ARN.format("t"), "Protocol": "email", "Endpoint": "a@b"}, "read t.jsonl"),
        (
            "subscribe",
            {"TopicArn": ARN.format("t"), "Protocol": "http", "Endpoint": "http://8.8.8.8/x"},
            "is not on this machine",
        ),
        (
            "subscribe",
            {"TopicArn": ARN.format("t"), "Protocol": "http", "Endpoint": "http://169.254.169.254/"},
            "is not on this machine",
        ),
        (
            "subscribe",
            {"TopicArn": ARN.format("t"), "Protocol": "https", "Endpoint": "http://127.0.0.1/"},
            "must begin with https://",
        ),
        (
            "subscribe",
            {
                "TopicArn": ARN.format("t"),
                "Protocol": "http",
                "Endpoint": "http://127.0.0.1/",
                "Attributes": {"FilterPolicy": "{}"},
            },
            "FilterPolicy cannot be set here",
        ),
        ("confirm_subscription", {"TopicArn": ARN.format("t"), "Token": "x"}, "Token"),
        ("get_subscription_attributes", {"SubscriptionArn": ARN.format("t:x")}, "NotFound"),
    ],
)
def test_faults(sns: Any, operation: str, request_: dict[str, Any], words: str) -> None:
    sns.create_topic(Name="t")
    with pytest.raises(ClientError, match=words):
        getattr(sns, operation)(**request_)
