"""Archives from outside: hostile ones are refused before a byte is written, whole ones come out whole."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlberth.code.archives import ArchiveError, Limits, extract, is_archive
from mlberth.errors import PlatformError

Entry = tuple[tarfile.TarInfo, bytes]


def file(name: str, data: bytes = b"x", mode: int = 0o644) -> Entry:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    return entry, data


def special(name: str, kind: bytes, link: str = "") -> Entry:
    entry = tarfile.TarInfo(name)
    entry.type, entry.linkname = kind, link
    return entry, b""


def huge(name: str, size: int) -> Entry:
    entry = tarfile.TarInfo(name)
    entry.size = size
    return entry, b""


def tar_bytes(*entries: Entry, form: int = tarfile.GNU_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for entry, data in entries:
            tar.addfile(entry, io.BytesIO(data) if data else None)
    return buffer.getvalue()


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# The layout of CVE-2025-4517: a path that realpath() gives up on, so that the last link leads out.
LONG = "d" * 247
OVERLONG = [
    item
    for depth in range(16)
    for item in (
        special("/".join([LONG] * depth + [LONG]) if depth < 3 else f"{LONG}/{depth}", tarfile.DIRTYPE),
        special(f"{LONG}/{chr(97 + depth)}", tarfile.SYMTYPE, LONG),
    )
] + [
    special(f"{LONG}/escape", tarfile.SYMTYPE, "a/" * 16 + "../" * 20 + "etc"),
    file(f"{LONG}/escape/owned"),
]


@pytest.mark.parametrize("links", [False, True])
@pytest.mark.parametrize(
    ("entries", "found"),
    [
        pytest.param([file("../x")], "'..'", id="dotdot"),
        pytest.param([file("a/../../x")], "'..'", id="dotdot-inside"),
        pytest.param([file("/abs")], "an absolute path", id="absolute"),
        pytest.param(
            [special("l", tarfile.SYMTYPE, "/etc"), file("l/passwd")], "a symbolic link", id="symlink"
        ),
        pytest.param([special("l", tarfile.SYMTYPE, "../etc")], "a symbolic link", id="symlink-up"),
        pytest.param(
            [special("d", tarfile.SYMTYPE, "x/y"), special("e", tarfile.SYMTYPE, "d/../../z")],
            "a symbolic link",
            id="symlink-behind-symlink",
        ),
        pytest.param([special("l", tarfile.LNKTYPE, "/etc/passwd")], "", id="hardlink"),
        pytest.param([special("l", tarfile.LNKTYPE, "a"), file("a")], "a hard link", id="hardlink-before"),
        pytest.param(
            [special("s", tarfile.SYMTYPE, "good"), special("l", tarfile.LNKTYPE, "s")],
            "link",
            id="hardlink-to-a-link",
        ),
        pytest.param(OVERLONG, "", id="CVE-2025-4517"),
        pytest.param([special("d", tarfile.CHRTYPE)], "a device", id="device"),
        pytest.param([special("d", tarfile.FIFOTYPE)], "a FIFO", id="fifo"),
        pytest.param([special("d", tarfile.GNUTYPE_SPARSE)], "", id="sparse"),
        pytest.param([file("a"), file("./a")], "there twice", id="twice"),
        pytest.param([file("a"), file("a/b")], "below something that is no folder", id="below-a-file"),
        pytest.param([file("a/b"), file("a")], "there twice", id="file-in-place-of-a-folder"),
        pytest.param([file("/".join(["d"] * 5000))], "too ", id="deep"),
        pytest.param([file("n" * 5000)], "too ", id="long"),
        pytest.param([file("a/" + "n" * 256)], "a name that is too long", id="long-name"),
        pytest.param([file(".")], "without a name", id="nameless"),
        pytest.param([huge("h", 8 * 1024**6)], "more", id="8-exabytes"),
        pytest.param([huge("h", -1024)], "", id="negative-size"),
    ],
)
def test_hostile_entry_is_refused_before_anything_is_written(
    tmp_path: Path, entries: list[Entry], found: str, links: bool
) -> None:
    """One entry that could reach outside, or is no file, refuses the archive; the disk is as before."""
    archive = write(tmp_path / "a.tar", tar_bytes(file("good"), *entries))
    with pytest.raises(ArchiveError) as caught:
        extract(archive, tmp_path / "out", links=links)
    assert found in str(caught.value)
    assert caught.value.exit_code == 78
    assert str(archive) in caught.value.faults[0].where
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def gzipped(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a", "x")
    return buffer.getvalue()


WHOLE = tar_bytes(file("a", b"1" * 3000), file("b", bytes(range(256)) * 40))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(gzipped(WHOLE)[:-2000], id="truncated-gzip"),
        pytest.param(gzipped(WHOLE)[:-8] + b"\0" * 8, id="bad-checksum"),
        pytest.param(gzipped(WHOLE) + b"garbage", id="trailing-garbage"),
        pytest.param(WHOLE[:2000], id="truncated-data"),
        pytest.param(WHOLE[: 512 + 3072 + 100], id="truncated-header"),
        pytest.param(WHOLE[: 512 + 3072] + b"\1" * 512 + WHOLE[512 + 3072 + 512 :], id="damaged-header"),
        pytest.param(b"", id="empty"),
        pytest.param(b"hello", id="text"),
        pytest.param(gzipped(b"hello"), id="gzip-of-text"),
        pytest.param(b"\x1f\x8b", id="gzip-magic-alone"),
        pytest.param(zipped(), id="zip"),
    ],
)
def test_damaged_archive_is_refused_whole(tmp_path: Path, data: bytes) -> None:
    """An archive that is cut, changed or something else leaves no file behind."""
    archive = write(tmp_path / "a.tar.gz", data)
    with pytest.raises(ArchiveError) as caught:
        extract(archive, tmp_path / "out")
    assert str(archive) in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar.gz"]


@pytest.mark.parametrize(
    ("make", "limits"),
    [
        pytest.param(lambda: tar_bytes(file("a", b"x" * 9000)), Limits(total_bytes=8000), id="bytes"),
        pytest.param(lambda: tar_bytes(*(file(str(n)) for n in range(6))), Limits(entries=5), id="entries"),
        pytest.param(
            lambda: gzipped(tar_bytes(file("zeros", bytes(4_000_000)))),
            Limits(ratio_from=1_000_000),
            id="ratio",
        ),
        pytest.param(
            lambda: gzipped(tar_bytes(file("a")) + bytes(4_000_000)),
            Limits(ratio_from=1_000_000),
            id="ratio-at-end",
        ),
        pytest.param(
            lambda: tar_bytes(file("n" * 300_000), form=tarfile.PAX_FORMAT), Limits(), id="header-in-memory"
        ),
    ],
)
def test_caps_hold(tmp_path: Path, make: Callable[[], bytes], limits: Limits) -> None:
    """Bytes, entries, compression ratio and header sizes beyond the limits refuse the archive."""
    archive = write(tmp_path / "a.tar", make())
    with pytest.raises(ArchiveError):
        extract(archive, tmp_path / "out", limits=limits)
    assert not (tmp_path / "out").exists()


def test_default_limits_refuse_a_million_entries_and_a_thousandfold_bomb(tmp_path: Path) -> None:
    """The limits that everybody gets stop the two classic bombs."""
    bomb = write(tmp_path / "bomb.tar.gz", gzip.compress(tar_bytes(file("zeros", bytes(80 * 1024**2))), 9))
    with pytest.raises(ArchiveError, match="bomb"):
        extract(bomb, tmp_path / "out")
    assert Limits().entries < 10**6


@pytest.mark.parametrize("pack", [gzipped, bytes], ids=["tar.gz", "tar"])
def test_whole_archive_comes_out_whole(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    """Folders, files, empty files, long names and other alphabets arrive byte for byte."""
    files = {
        "a": b"1",
        "sub/dir/b.py": b"print()",
        "empty": b"",
        "é/ü": b"\xff",
        "x" * 200 + "/" + "y" * 200: b"long",
        "big": os.urandom(300_000),
    }
    entries = [special("./", tarfile.DIRTYPE), special("./void", tarfile.DIRTYPE)]
    entries += [file(f"./{name}", data) for name, data in files.items()]
    archive = write(tmp_path / "a", pack(tar_bytes(*entries)))
    assert is_archive(archive)
    extract(archive, tmp_path / "out")
    assert tree(tmp_path / "out") == files
    assert (tmp_path / "out/void").is_dir()
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o755


def test_concatenated_gzip_members_are_one_archive(tmp_path: Path) -> None:
    """Gzip allows several members in a row, as parallel compressors write them."""
    archive = write(tmp_path / "a.tgz", gzipped(WHOLE[:1000]) + gzipped(WHOLE[1000:]))
    extract(archive, tmp_path / "out")
    assert set(tree(tmp_path / "out")) == {"a", "b"}


def test_names_that_differ_in_case_or_unicode_form_are_two_files(tmp_path: Path) -> None:
    """Linux tells such names apart, so both files are there with their own content."""
    files = {"A": b"1", "a": b"2", "\u00e9": b"3", "e\u0301": b"4"}
    extract(write(tmp_path / "a.tar", tar_bytes(*(file(*item) for item in files.items()))), tmp_path / "out")
    assert tree(tmp_path / "out") == files


def test_modes_keep_execution_and_drop_the_rest(tmp_path: Path) -> None:
    """Set-id bits and others' write permission go; the right to execute stays."""
    archive = write(tmp_path / "a.tar", tar_bytes(file("run", mode=0o6777), file("locked", mode=0)))
    extract(archive, tmp_path / "out")
    assert stat.S_IMODE((tmp_path / "out/run").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "out/locked").stat().st_mode) == 0o600


def test_links_inside_the_tree_are_kept_where_the_caller_allows_them(tmp_path: Path) -> None:
    """A relative link that stays inside is made, also where what it names comes later."""
    entries = [special("sub/l", tarfile.SYMTYPE, "../lib/a"), file("lib/a", b"1")]
    archive = write(tmp_path / "a.tar", tar_bytes(*entries))
    extract(archive, tmp_path / "out", links=True)
    assert (tmp_path / "out/sub/l").readlink() == Path("../lib/a")
    assert (tmp_path / "out/sub/l").read_bytes() == b"1"


@pytest.mark.parametrize("target", ["../lib/a", ".././lib//a", "./b", "b/"])
def test_forms_of_links_inside_the_tree(tmp_path: Path, target: str) -> None:
    """However it is written, a link whose target is in the tree is one."""
    entries = [special("sub/l", tarfile.SYMTYPE, target), file("lib/a"), file("sub/b")]
    extract(write(tmp_path / "a.tar", tar_bytes(*entries)), tmp_path / "out", links=True)
    assert (tmp_path / "out/sub/l").readlink() == Path(target)


def test_hard_link_to_an_earlier_file_is_that_file(tmp_path: Path) -> None:
    """As tar writes a file that is in a folder twice."""
    entries = [file("lib/a", b"1"), special("sub/l", tarfile.LNKTYPE, "./lib/a")]
    archive = write(tmp_path / "a.tar", tar_bytes(*entries))
    extract(archive, tmp_path / "out", links=True)
    assert tree(tmp_path / "out") == {"lib/a": b"1", "sub/l": b"1"}
    with pytest.raises(ArchiveError, match="a hard link"):
        extract(archive, tmp_path / "other")


def test_hard_links_count_as_files(tmp_path: Path) -> None:
    """A thousand names of one large file are a bomb where the tree is copied."""
    links = [special(f"l{number}", tarfile.LNKTYPE, "big") for number in range(100)]
    archive = write(tmp_path / "a.tar", tar_bytes(file("big", b"x" * 2000), *links))
    with pytest.raises(ArchiveError, match="more"):
        extract(archive, tmp_path / "out", links=True, limits=Limits(total_bytes=150_000))


def test_destination_with_files_is_left_alone(tmp_path: Path) -> None:
    """Without `merge` a destination that holds something is refused."""
    (tmp_path / "out").mkdir()
    write(tmp_path / "out/mine", b"1")
    with pytest.raises(PlatformError, match="not empty"):
        extract(write(tmp_path / "a.tar", WHOLE), tmp_path / "out")
    assert tree(tmp_path / "out") == {"mine": b"1"}


def test_merge_lays_the_archive_over_what_is_there(tmp_path: Path) -> None:
    """With `merge` new files come beside the old ones and replace those of the same name."""
    (tmp_path / "out/sub").mkdir(parents=True)
    for name in ("mine", "a", "sub/mine"):
        write(tmp_path / "out" / name, b"old")
    extract(write(tmp_path / "a.tar", tar_bytes(file("a"), file("sub/b"))), tmp_path / "out", merge=True)
    assert tree(tmp_path / "out") == {"mine": b"old", "a": b"x", "sub/mine": b"old", "sub/b": b"x"}
    assert len(list(tmp_path.iterdir())) == 2


def test_missing_archive_is_named(tmp_path: Path) -> None:
    """A file that is not there is named in the error."""
    with pytest.raises(ArchiveError, match=r"gone\.tar"):
        extract(tmp_path / "gone.tar", tmp_path / "out")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(position=st.integers(0, len(WHOLE) - 1), value=st.integers(0, 255), cut=st.integers(0, len(WHOLE)))
def test_any_changed_byte_or_cut_gives_a_tree_or_a_typed_error(
    tmp_path: Path, position: int, value: int, cut: int
) -> None:
    """Whatever happened to an archive, it comes out inside the destination or not at all."""
    data = bytearray(WHOLE)
    data[position] = value
    root = tmp_path / f"{position}-{value}-{cut}"
    root.mkdir(exist_ok=True)
    archive = write(root / "a.tar", bytes(data[:cut] if cut > len(WHOLE) // 2 else data))
    try:
        extract(archive, root / "out", merge=True)
    except ArchiveError:
        assert not (root / "out").exists()
    assert {path.name for path in root.iterdir()} <= {"a.tar", "out"}
