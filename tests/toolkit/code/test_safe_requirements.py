"""requirements.txt under SAGEMAKER_SAFE_REQUIREMENTS."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement
from pip._internal.utils.filetypes import ARCHIVE_EXTENSIONS, is_archive_file

from mlberth.code.markers import is_marker
from mlberth.code.safe_requirements import check_requirements
from mlberth.errors import DependencyError


@pytest.mark.parametrize(
    "line",
    [
        "",
        "# -e .",
        "numpy",
        "numpy==1.26.4",
        "numpy >= 1.26, < 3  # a comment",
        "uvicorn[standard]~=0.30",
        "a-b_c.d===1.0+local",
        "pywin32; sys_platform == 'win32' and python_version >= \"3.10\"",
        "numpy==1.26.4 \\\n    --hash=sha256:00ff \\\n    --hash=sha256:11ff",
        "--require-hashes",
        "--only-binary :all:",
        "-r more.txt",
        "-rmore.txt",
        "--constraint=more.txt",
        "-r requirements.txt",
        "-r absent.txt",
    ],
)
def test_names_versions_and_hashes_pass(tmp_path: Path, line: str) -> None:
    """What leads to the index and nowhere else is accepted, in files that it includes as well."""
    (tmp_path / "more.txt").write_text("scipy\n")
    check(tmp_path, line)


@pytest.mark.parametrize(
    "line",
    [
        "-e .",
        "--editable=.",
        ".",
        "./pkg",
        "pkg/",
        "/etc/passwd",
        "file:///etc/passwd",
        "pkg @ https://example.com/pkg.whl",
        "pkg@git+https://example.com/pkg",
        "git+https://example.com/pkg#egg=pkg",
        "https://example.com/pkg.whl",
        "pkg.whl/../../x",
        "--index-url http://example.com",
        "-i http://example.com",
        "--extra-index-url=http://example.com",
        "--find-links /tmp",
        "-f /tmp",
        "--trusted-host example.com",
        "--no-index",
        "--pre",
        "-r ../outside.txt",
        "-r /etc/passwd",
        "-r https://example.com/r.txt",
        "-r nested.txt",
        "pkg --config-settings=x=y",
        "pkg; echo pwned > x@y",
        "$(id)",
        "${INDEX}",
        "\\\n-e .",
        "numpy==1.26.4 \\\n  -e .",
        "-x",
    ],
)
def test_everything_else_is_refused_with_its_line(tmp_path: Path, line: str) -> None:
    """A URL, path, repository or option that leads elsewhere is named by its line, and not repeated."""
    (tmp_path / "nested.txt").write_text("-e .\n")
    with pytest.raises(DependencyError, match=r"line 1: found something else; expected a package's name"):
        check(tmp_path, line)


@pytest.mark.parametrize("form", ["{}", "{}[x]", "{} [x, y]", "pkg=={}", "{}; os_name == 'posix'", "{} # c"])
@pytest.mark.parametrize("suffix", [*ARCHIVE_EXTENSIONS, ".ZIP", ".Tar.GZ"])
def test_archives_are_no_names(tmp_path: Path, suffix: str, form: str) -> None:
    """Pip takes what ends like an archive for a path, whether there is such a file or not."""
    with pytest.raises(DependencyError, match="line 1: found something else"):
        check(tmp_path, form.format(f"1{suffix}"))


@pytest.mark.parametrize("line", ["numpy", "numpy==1.0", "numpy[x]", "NumPy; os_name == 'posix'"])
@pytest.mark.parametrize("make", [Path.mkdir, Path.touch])
def test_names_of_files_are_refused(tmp_path: Path, line: str, make: Callable[[Path], None]) -> None:
    """A name that is a file's or a folder's beside it is not left to pip's guess."""
    make(tmp_path / line.partition(";")[0].partition("=")[0].partition("[")[0])
    with pytest.raises(DependencyError, match="line 1: found something else"):
        check(tmp_path, line)


@pytest.mark.parametrize(
    "line",
    [
        "pkg; x --config-settings=a",
        "pkg; --config-settings=a",
        "pkg; os_name == 'a --global-option=x' or os_name == 'b'",
        "pkg; os_name == 'a' --index-url=http://x",
        "pkg; os_name == '${EVIL}'",
        "pkg; os_name",
        "pkg; os_name == 'a' and",
        "pkg; (os_name == 'a'",
        "pkg;",
        "pkg; other == 'a'",
        "pkg @ file:evil.zip",
        "pkg @ file:evil.zip ; os_name == 'a'",
        "pkg@evil.zip",
        "pkg --hash=sha256:00 --config-settings=a",
        "pkg --hash=sha256:00 evil.zip",
        "pkg --hash=sha256:00 ; os_name == 'a'",
        "-r 'evil.txt'",
        '-r "evil.txt"',
        "-r ev\\il.txt",
        "-r=evil.txt",
        "-r = evil.txt",
        "--requirement = evil.txt",
        "--req=evil.txt",
        "-r ${X}evil.txt",
        "-r evil.txt",
        "-c evil.txt",
        "-cevil.txt",
        "-r linked.txt",
        "-r folder",
        "numpy \\\n# comment\n-e .",
        "# comment \\\n-e .",
        "# a\x0bevil.zip",
        "# a\u2028evil.zip",
        "\ufeffevil.zip",
    ],
)
def test_what_pip_would_read_otherwise(tmp_path: Path, line: str) -> None:
    """Options, markers, names of included files and ends of lines are taken as pip takes them."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "folder").mkdir()
    for name in ("evil.txt", "=evil.txt", "=", "sub/nested.txt"):
        (tmp_path / name).write_text("numpy\n-e .\n" if name != "sub/nested.txt" else "-r evil.txt\n")
    (tmp_path / "sub/evil.txt").write_text("numpy\n")
    # What a linked file includes lies beside the link.
    (tmp_path / "linked.txt").symlink_to(tmp_path / "sub/nested.txt")
    with pytest.raises(DependencyError):
        check(tmp_path, line)


@pytest.mark.parametrize(
    "data",
    [
        b"# coding: utf-7\n#+AAo-evil.zip\n",
        b"#\n# -*- coding: unicode_escape -*-\n",
        b"\xef\xbb\xbf# coding=utf-7\n",
        "evil.zip\n".encode("utf-16"),
        "# comment\nevil.zip\n".encode("utf-32"),
        b"# caf\xe9\n",
        b"numpy\n# \x85evil.zip\n",
    ],
)
def test_other_encodings_are_refused(tmp_path: Path, data: bytes) -> None:
    """Bytes that another encoding makes other lines of are not left to pip's choice of one."""
    (tmp_path / "requirements.txt").write_bytes(data)
    with pytest.raises(DependencyError):
        check_requirements(tmp_path / "requirements.txt", tmp_path)


def test_utf8_by_name_and_mark_passes(tmp_path: Path) -> None:
    """UTF-8 may say that it is."""
    for text in ("# -*- coding: utf-8 -*-\nnumpy\n", "# coding=UTF-8\nnumpy # caf\u00e9\n"):
        check(tmp_path, text)
        check(tmp_path, "\ufeff" + text)


def test_many_nested_files_are_followed(tmp_path: Path) -> None:
    """However deep files include each other, the last is looked at, and a circle ends."""
    for number in range(3000):
        (tmp_path / f"{number}.txt").write_text(f"-r {number + 1}.txt\n")
    (tmp_path / "3000.txt").write_text("-r 0.txt\n-e .\n")
    with pytest.raises(DependencyError, match=r"3000\.txt, line 2"):
        check(tmp_path, "-r 0.txt")


NAMES = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,6}[A-Za-z0-9])?", fullmatch=True)
VERSIONS = st.sampled_from(
    ["", "==1.0", ">= 1.0, <2", "(>=1)", "~=1.4.2", "!=1.*", "===1.0+local", "== 1!2.0rc1"]
)
WORDS = [
    *(
        "python_version",
        "os_name",
        "os.name",
        "sys_platform",
        "platform_machine",
        "extra",
        "implementation_name",
    ),
    *(
        "platform.python_implementation",
        "platform_release",
        "nothing",
        "in",
        "not in",
        "not  in",
        "not",
        "==",
    ),
    *(
        "!=",
        "<=",
        "~=",
        "===",
        "<",
        "=",
        "and",
        "or",
        "(",
        ")",
        "'a'",
        '"b c"',
        "''",
        "'",
        ";",
        "#",
        "-x",
        "3.8",
    ),
]
GOOD = st.recursive(
    st.builds(
        "{} {} {}".format,
        st.sampled_from(WORDS[:7]),
        st.sampled_from(["==", "!=", "<=", ">", "in", "not in", "~="]),
        st.sampled_from(["'3.8'", '"linux"', "''", "os_name"]),
    ),
    lambda inner: (
        st.builds("({})".format, inner)
        | st.builds("{} {} {}".format, inner, st.sampled_from(["and", "or"]), inner)
    ),
    max_leaves=5,
)
MARKERS = GOOD | st.builds(
    lambda gap, words: gap.join(words), st.sampled_from(["", " "]), st.lists(st.sampled_from(WORDS))
)


def accepts(parse: Callable[[str], object], text: str) -> bool:
    """Tell whether the packaging library takes a text."""
    try:
        parse(text)
    except (InvalidMarker, InvalidRequirement):
        return False
    return True


@given(MARKERS)
def test_markers_are_those_of_packaging(text: str) -> None:
    """A text is a marker exactly where the packaging library, which pip has inside, takes it for one."""
    assert is_marker(text) == accepts(Marker, text), text


@given(NAMES, st.lists(NAMES, max_size=2), VERSIONS, st.none() | MARKERS)
def test_requirements_are_those_of_packaging(
    tmp_path_factory: pytest.TempPathFactory, name: str, extras: list[str], versions: str, marker: str | None
) -> None:
    """What packaging takes is accepted, but for archives, options and comments; no other is."""
    text = name + (f"[{','.join(extras)}]" if extras else "") + versions
    text += f" ; {marker}" if marker is not None else ""
    folder = tmp_path_factory.getbasetemp() / "requirements of packaging"
    folder.mkdir(exist_ok=True)  # of its own: a name of a file that lies beside is refused
    try:
        check(folder, text)
        taken = True
    except DependencyError:
        taken = False
    assume(" #" not in text and " -" not in text)
    assert taken == (accepts(Requirement, text) and not is_archive_file(name)), text


def test_every_line_is_reported(tmp_path: Path) -> None:
    """All faulty lines are in one error, by their numbers."""
    with pytest.raises(DependencyError) as caught:
        check(tmp_path, "numpy\n-e .\n\n./x\n")
    wheres = [fault.where for fault in caught.value.faults]
    assert wheres == ["requirements.txt, line 2", "requirements.txt, line 4"]


def check(folder: Path, text: str) -> None:
    """Check a requirements.txt of the given text."""
    (folder / "requirements.txt").write_text(text)
    check_requirements(folder / "requirements.txt", folder)


def test_included_file_whose_name_no_disk_takes_leads_nowhere(tmp_path: Path) -> None:
    """It is as absent as any other, which pip will say."""
    for name in ("x" * 300, "a\0b"):
        check(tmp_path, f"-r {name}")


@pytest.mark.parametrize("line", ["numpy; x" + " " * 100_000 + "@ y", "numpy" + " " * 100_000 + "x # y"])
def test_long_line_is_refused_at_once(tmp_path: Path, line: str) -> None:
    """Blanks without end take no time to speak of."""
    began = time.process_time()
    with pytest.raises(DependencyError):
        check(tmp_path, line)
    assert time.process_time() - began < 20
