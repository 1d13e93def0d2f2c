"""Archives made by chance: right in places, hostile and damaged in others."""

from __future__ import annotations

import gzip
import io
import random
import tarfile

from tests.security.fuzz.fuzzing import mutated

NAMES = [
    "a", "b", "a/b", "a/b/c", "./a", "a/", ".", "..", "../a", "a/../b", "a/../../b", "/a", "//a",
    "/etc/passwd", "", " ", "a\0b", "a\nb", "\x1b[2J", "..\\a", "C:\\a", "~/a", "é", "e\u0301", "\udcff",
    "con", "a" * 100, "a" * 101, "a" * 255, "a" * 256, "a" * 2000, "/".join("a" * 63), "/".join("a" * 200),
    "d" * 247 + "/x", "code/inference.py", "model.joblib", "....//a", "a/.", "a/./b", "a//b", "../ml/model",
    "l/x", "l", "-rf", "*", "$HOME",
]  # fmt: skip
_LINKS = [
    "a", "b", "../a", "../../../../etc/passwd", "/etc/passwd", ".", "..", "", "a/../../x", "l", "l/../..",
    "../other", "../other/sentinel", "a" * 300, "a\0b", "d" * 247 + "/..",
]  # fmt: skip
_KINDS = [tarfile.REGTYPE] * 10 + [
    tarfile.DIRTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE,
    tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE, tarfile.GNUTYPE_SPARSE, tarfile.AREGTYPE, b"9",
    b"V", b"\0",
]  # fmt: skip
_PAX = {
    "path": NAMES,
    "linkpath": _LINKS,
    "size": ["0", "-1", "9" * 30, "1e9", "x", "", "8589934592"],
    "mtime": ["nan", "inf", "1e400", "-1", "x", "0.5"],
    "uid": ["-1", "9" * 30, "x"],
    "hdrcharset": ["BINARY", "x", ""],
    "GNU.sparse.major": ["1", "0", "x"],
    "GNU.sparse.minor": ["0", "1"],
    "GNU.sparse.size": ["9" * 20, "-1"],
    "GNU.sparse.realsize": ["9" * 20, "1"],
    "GNU.sparse.map": ["0,1", "0,9999999999999", "x"],
    "GNU.sparse.name": NAMES,
    "x": ["y" * 5000],
}
_WORDS = [
    b"\0" * 512, b"ustar\0", b"ustar  \0", b"\xff" * 12, b"0000644\0", b"\x80" + b"\xff" * 11,
    b"\x1f\x8b\x08\0", b"x", b"L", b"5",
]  # fmt: skip
_FORMS = [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT, tarfile.USTAR_FORMAT]


def make_archive(chance: random.Random) -> bytes:
    """Return the bytes of an archive, whole or damaged, plain or packed."""
    data = _make_tar(chance)
    if chance.random() < 0.01:
        data += bytes(5 * 1024**2)  # where it is packed, far more bytes than the archive has
    if chance.random() < 0.35:
        data = mutated(data, chance, _WORDS)
    kind = chance.randrange(10)
    if kind <= 3:
        data = gzip.compress(data, compresslevel=1)
    elif kind == 4:
        place = chance.randrange(len(data) + 1)
        data = gzip.compress(data[:place], 1) + gzip.compress(data[place:], 1)
    if chance.random() < 0.2:
        data = mutated(data, chance, _WORDS)
    if chance.random() < 0.15:
        data = data[: chance.randrange(len(data) + 1)]
    return data


def _make_tar(chance: random.Random) -> bytes:
    buffer = io.BytesIO()
    is_tame = chance.random() < 0.4
    form = chance.choice(_FORMS)
    with tarfile.open(fileobj=buffer, mode="w", format=form, errors="surrogateescape") as tar:
        for number in range(chance.choice([0, 1, 1, 2, 3, 5, 20])):
            entry, data = _tame_entry(chance, number) if is_tame else _entry(chance)
            try:
                tar.addfile(entry)
            except (ValueError, UnicodeError):  # what this form of tar cannot hold
                continue
            buffer.write(data + bytes(-len(data) % tarfile.BLOCKSIZE))  # whatever its header says of it
    return buffer.getvalue()


def _tame_entry(chance: random.Random, number: int) -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(f"d{number % 3}/f{number}")
    data = chance.randbytes(chance.choice([0, 1, 511, 512, 513, 5000]))
    entry.size = len(data)
    return entry, data


def _entry(chance: random.Random) -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(chance.choice(NAMES))
    entry.type = chance.choice(_KINDS)
    entry.linkname = chance.choice(_LINKS)
    entry.mode = chance.choice([0o644, 0o755, 0o6777, 0, 0o7777777, 0o1777])
    entry.uid = chance.choice([0, 1000, 2**21 - 1, 2**40])
    data = bytes(chance.choice([0, 1, 100, 512, 3000]))
    entry.size = len(data) if entry.isreg() or chance.random() < 0.1 else 0
    if chance.random() < 0.03:
        entry.size = chance.choice([2**33, 2**62, len(data) + 1])
    if chance.random() < 0.25:
        names = chance.sample(sorted(_PAX), 2)
        entry.pax_headers = {name: chance.choice(_PAX[name]) for name in names}
    return entry, data
