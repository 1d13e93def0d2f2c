"""Tests of the walk through a bucket: against a listing of all keys, and what it costs."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support import within

from mlberth_local.platform import Platform, Settings
from mlberth_local.s3 import buckets, listing, walk
from mlberth_local.s3.records import Record

LETTERS = ["a", "b", "-", "/", "/", ".", "..", "ü", "\U0010ffff", "\0", "\x7f", " ", "n" * 200]
DELIMITERS = ["", "/", "-", "a", "ü", "/a", "aa", "//", "\U0010ffff"]


@pytest.fixture
def platform(tmp_path: Path) -> Platform:
    """Return a platform of folders alone, with an empty bucket."""
    found = Platform(tmp_path, Settings())
    (found.buckets / "bucket").mkdir(parents=True)
    return found


def put(platform: Platform, keys: set[str]) -> None:
    """Make empty objects."""
    for key in keys:
        source = platform.buckets / "source"
        source.touch()
        buckets.put(platform.buckets, "bucket", source, Record(key, "etag"))


def text(chance: random.Random, most: int) -> str:
    """Return some letters."""
    return "".join(chance.choices(LETTERS, k=chance.randint(0, most)))


def expected(keys: set[str], prefix: str, delimiter: str, after: str) -> list[str]:
    """Return keys and common prefixes by the rule."""
    found = []
    for key in sorted(keys, key=walk.encoded):
        if key.startswith(prefix) and walk.encoded(key) > walk.encoded(after):
            head, has, _ = key[len(prefix) :].partition(delimiter) if delimiter else ("", "", "")
            one = prefix + head + delimiter if has else key
            if one not in found and not (has and one == after):
                found.append(one)
    return found


def pages(platform: Platform, request: dict[str, Any], *, version_2: bool) -> Iterator[list[str]]:
    """Yield what is in each page."""
    while True:
        call = listing.list_objects_v2 if version_2 else listing.list_objects
        page = call(platform, request)
        found = [one["Key"] for one in page["Contents"]] + [one["Prefix"] for one in page["CommonPrefixes"]]
        yield sorted(found, key=walk.encoded)
        if not page["IsTruncated"]:
            return
        if version_2:
            request = {**request, "ContinuationToken": page["NextContinuationToken"]}
        else:
            request = {**request, "Marker": page.get("NextMarker") or page["Contents"][-1]["Key"]}


@pytest.mark.differential
@pytest.mark.parametrize("seed", range(200 if "MLBERTH_LONG" in os.environ else 6))
def test_pages_are_what_the_rule_says(platform: Platform, seed: int) -> None:
    chance = random.Random(seed)
    keys = {key for _ in range(60) if (key := text(chance, 6))}
    put(platform, keys)
    assert [key for key, _ in walk.keys(platform.buckets, "bucket")] == sorted(keys, key=walk.encoded)
    for _ in range(150):
        some = chance.choice(sorted(keys))
        prefix = chance.choice(["", text(chance, 2), some[: chance.randint(0, len(some))]])
        delimiter = chance.choice(DELIMITERS)
        after = chance.choice(["", text(chance, 3), some, some[: chance.randint(0, len(some))]])
        size, version_2 = chance.choice([1, 2, 7, 1000]), chance.random() < 0.5
        request = {"Bucket": "bucket", "Prefix": prefix, "Delimiter": delimiter, "MaxKeys": size}
        request["StartAfter" if version_2 else "Marker"] = after
        found = list(pages(platform, request, version_2=version_2))
        wanted = expected(keys, prefix, delimiter, after)
        assert found == [wanted[start : start + size] for start in range(0, len(wanted) or 1, size)], request


def test_only_what_can_be_read_is_listed(platform: Platform, tmp_path: Path) -> None:
    folder = platform.buckets / "bucket"
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "file").touch()
    for name in ("linked", "sub/linked", "only/linked"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).symlink_to(tmp_path / "elsewhere")
    (folder / "loop").symlink_to("loop")
    (folder / "nowhere").symlink_to("not-there")
    (folder / "file").symlink_to(tmp_path / "elsewhere" / "file")
    os.mkfifo(folder / "pipe")
    os.mkfifo(folder / "sub" / "pipe")
    (folder / "sub" / "plain").touch()
    (folder / "sub" / os.fsdecode(b"not-utf-8-\xff")).touch()
    (folder / os.fsdecode(b"\xff")).mkdir()
    (folder / os.fsdecode(b"\xff") / "below").touch()
    request = {"Bucket": "bucket"}
    listed = [one["Key"] for one in listing.list_objects_v2(platform, request)["Contents"]]
    assert listed == ["file", "sub/plain"]
    for key in listed:
        buckets.find(platform.buckets, "bucket", key)
    page = listing.list_objects_v2(platform, {**request, "Delimiter": "/"})
    assert [one["Prefix"] for one in page["CommonPrefixes"]] == ["sub/"]


def test_the_deepest_key_is_found(platform: Platform) -> None:
    key = "a/" * 511 + "bc"
    put(platform, {key})
    assert [found for found, _ in walk.keys(platform.buckets, "bucket")] == [key]
    assert next(walk.groups(platform.buckets, "bucket", delimiter="/"))[0] == "a/"


def seconds(platform: Platform, **request: Any) -> float:
    """Return how much of a processor a full page takes; the better of two."""
    found = []
    for _ in range(2):
        start = time.thread_time()
        page = listing.list_objects_v2(platform, {"Bucket": "bucket", **request})
        found.append(time.thread_time() - start)
        assert (page["KeyCount"], page["IsTruncated"]) == (1000, True)
    return min(found)


def test_a_page_of_many_folders_is_cheap(platform: Platform) -> None:
    """With a marker of each, as consoles make them, too."""
    names = [f"{number:04}" for number in range(4000)]
    for name in names:
        (platform.buckets / "bucket" / name).mkdir()
        (platform.buckets / "bucket" / name / "file").touch()
    assert seconds(platform, Delimiter="/") < within(0.15)
    put(platform, {f"{name}/" for name in names[:2000]})
    assert seconds(platform, Delimiter="/") < within(0.15)
    assert seconds(platform, Delimiter="/", StartAfter="0900/") < within(0.15)


def test_a_page_of_many_keys_is_cheap(platform: Platform) -> None:
    for number in range(30_000):
        (platform.buckets / "bucket" / f"{number:05}").touch()
    assert seconds(platform) < within(0.2)
    assert seconds(platform, StartAfter="20000", Delimiter="/") < within(0.2)
