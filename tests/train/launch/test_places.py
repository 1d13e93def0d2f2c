"""Places where programs lie, for the real commands."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from tests.train.running import BIN, Tree, ended

SHOW = "import os, sys; print('ran', os.getcwd(), os.environ['PYTHONPATH'].split(':')[0], helper.V)"
PROGRAM = f"import helper\n{SHOW}\n"


def put(folder: Path, name: str = "train.py") -> Path:
    """Write a program with a module beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "helper.py").write_text("V = 42")
    (folder / name).write_text(PROGRAM)
    return folder / name


def pack(archive: Path, folder: Path) -> None:
    """Pack a folder, with a link inside it."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, ".")
        link = tarfile.TarInfo("linked.py")
        link.type, link.linkname = tarfile.SYMTYPE, "./helper.py"
        tar.addfile(link)


@pytest.mark.parametrize("where", ["app", "input/data/code", "model"])
def test_absolute_path_runs_in_its_own_folder(tree: Tree, where: str) -> None:
    """An entry point anywhere in the image or in the job's tree: its folder is the code's."""
    program = put(tree.base / where)
    folder = program.parent
    ended = tree.train(SAGEMAKER_PROGRAM=str(program))
    assert (ended.code, ended.out) == (0, f"ran {folder} {folder} 42\n"), ended.err
    assert f"folder:   {folder}\n" in tree.train("--explain", SAGEMAKER_PROGRAM=str(program)).out


def test_requirements_beside_an_absolute_path_are_installed(tree: Tree) -> None:
    """What lies beside the program is its requirements, wherever that is."""
    program = put(tree.base / "app")
    (program.parent / "requirements.txt").write_text("no-such-package-mlberth")
    assert tree.train(SAGEMAKER_PROGRAM=str(program), PIP_NO_INDEX="1").code == 69


def test_working_folder_is_looked_into(tree: Tree, tmp_path: Path) -> None:
    """A named program may also be where the command starts; the code folder wins."""
    folder = put(tmp_path / "program").parent
    environ = os.environ | {"SAGEMAKER_BASE_DIR": str(tree.base), "SAGEMAKER_PROGRAM": "train.py"}

    def run() -> str:
        argv = [BIN / "train"]
        return subprocess.run(
            argv, cwd=folder, env=environ, capture_output=True, text=True, check=True, timeout=60
        ).stdout

    assert run() == f"ran {folder} {folder} 42\n"
    tree.code(train__py="print('the code folder')")
    assert run() == "the code folder\n"


def test_channel_is_looked_into(tree: Tree) -> None:
    """A channel `code` brings the program where no source is named."""
    folder = put(tree.layout.channel("code")).parent
    assert tree.train(SAGEMAKER_PROGRAM="train.py").out == f"ran {folder} {folder} 42\n"


@pytest.mark.parametrize("name", ["sourcedir.tar.gz", "my code.tgz", "x.tar"])
@pytest.mark.parametrize("where", ["code", "input/data/code"])
def test_lone_archive_is_unpacked(tree: Tree, tmp_path: Path, where: str, name: str) -> None:
    """An archive of any name that stands alone where the program should be is the code."""
    put(tmp_path / "source")
    pack(tree.base / where / name, tmp_path / "source")
    explained = tree.train("--explain", SAGEMAKER_PROGRAM="train.py")
    assert f"unpacked from {tree.base / where / name}" in explained.out
    ended = tree.train(SAGEMAKER_PROGRAM="train.py")
    assert (ended.code, ended.out) == (0, f"ran {tree.layout.code} {tree.layout.code} 42\n"), ended.err
    assert (tree.layout.code / "linked.py").readlink() == Path("./helper.py")
    assert tree.train(SAGEMAKER_PROGRAM="train.py").code == 0


def test_archive_beside_other_files_is_theirs(tree: Tree, tmp_path: Path) -> None:
    """Data that is packed is not code."""
    put(tmp_path / "source")
    pack(tree.layout.code / "data.tar.gz", tmp_path / "source")
    tree.code(other__py="")
    ended = tree.train(SAGEMAKER_PROGRAM="train.py")
    assert ended.code == 78
    assert "data.tar.gz, other.py" in tree.failure


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ("", "print('ran')"),
        ("train.py", "print('ran')"),
        ("run.sh", "echo ran"),
        ("run", "#!/bin/sh\necho ran"),
    ],
)
def test_file_in_the_place_of_the_code_folder_is_the_program(tree: Tree, program: str, text: str) -> None:
    """`COPY train.py /opt/ml/code` makes a file of it where there was no such folder."""
    tree.base.mkdir()
    tree.layout.code.write_text(text)
    ended = tree.train(**({"SAGEMAKER_PROGRAM": program} if program else {}))
    assert (ended.code, ended.out) == (0, "ran\n"), ended.err
    assert "cannot be made" not in ended.err


def test_source_takes_the_place_of_such_a_file(tree: Tree, tmp_path: Path) -> None:
    """A job that names its source runs that, and the file is set aside as a folder would be."""
    tree.base.mkdir()
    tree.layout.code.write_text("print('image')")
    put(tmp_path / "source")
    ended = tree.train(SAGEMAKER_SUBMIT_DIRECTORY=f"file://{tmp_path}/source", SAGEMAKER_PROGRAM="train.py")
    assert (ended.code, ended.out.split()[0]) == (0, "ran"), ended.err
    assert (tree.base / "code.replaced-1").read_text() == "print('image')"


@pytest.mark.parametrize("interpreter", ["#!/bin/sh", "#!/usr/bin/env bash", ""])
def test_script_with_windows_line_endings_runs(tree: Tree, interpreter: str) -> None:
    """Carriage returns are no part of the commands, and the script knows its name and its arguments."""
    text = f'{interpreter}\r\nset -e\r\nif true; then\r\n  echo ran $0 "$1" "$2"\r\nfi\r\n'
    tree.layout.code.mkdir(parents=True)
    (tree.layout.code / "run.sh").write_bytes(text.encode())
    tree.config(hyperparameters={"epochs": "3 4"})
    ended = tree.train(SAGEMAKER_PROGRAM="run.sh")
    assert (ended.code, ended.out) == (0, "ran ./run.sh --epochs 3 4\n"), ended.err
    assert "without its carriage returns" in ended.err
    assert "set -e" not in ended.err


def test_executable_text_without_an_interpreter_is_a_shells(tree: Tree) -> None:
    """The kernel refuses it, and a shell runs it, as everywhere else."""
    tree.code(run="echo ran $1").config(hyperparameters={"a": "b"})
    (tree.layout.code / "run").chmod(0o755)
    assert tree.train(SAGEMAKER_PROGRAM="run").out == "ran -a\n"


def test_processing_entry_point_and_archive(tree: Tree, tmp_path: Path) -> None:
    """The SDK's start script has a folder of its own; a lone archive of any name is unpacked."""
    code = tree.layout.processing_code
    put(tmp_path / "source", "work.py")
    pack(code / "bundle.tar.gz", tmp_path / "source")
    assert tree.process("work.py").out == f"ran {code} {code} 42\n"
    script = tree.layout.processing_entrypoint / "runproc.sh"
    script.parent.mkdir()
    script.write_text("#!/bin/bash\r\ncd ../code\r\npython work.py\r\n")
    for program in (str(script), "runproc.sh"):
        run = tree.process(program, PATH=f"{BIN}:{os.environ['PATH']}")
        assert (run.code, run.out.split()[:2]) == (0, ["ran", str(code)]), run.err


@pytest.mark.parametrize(
    ("magic", "kind"), [(b"PK\x03\x04", "zip"), (b"BZh9", "bzip2"), (b"\xfd7zXZ\0", "xz")]
)
def test_other_archive_is_named(tree: Tree, tmp_path: Path, magic: bytes, kind: str) -> None:
    """What is packed another way says how to pack it."""
    (tmp_path / "source.bin").write_bytes(magic + bytes(100))
    assert tree.train(SAGEMAKER_SUBMIT_DIRECTORY=str(tmp_path / "source.bin")).code == 78
    assert f"a {kind} file; expected a .tar.gz" in tree.failure


def test_source_folder_with_an_archive_alone_is_the_archive(tree: Tree, tmp_path: Path) -> None:
    """A channel's folder with the SDK's archive may be named in the place of the archive."""
    put(tmp_path / "source")
    pack(tmp_path / "channel/sourcedir.tar.gz", tmp_path / "source")
    run = tree.train(SAGEMAKER_SUBMIT_DIRECTORY=str(tmp_path / "channel"), SAGEMAKER_PROGRAM="train.py")
    assert (run.code, run.out.split()[0]) == (0, "ran"), run.err


def test_link_out_of_the_tree_is_refused(tree: Tree, tmp_path: Path) -> None:
    """An archive of code has links in its own tree alone."""
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        link = tarfile.TarInfo("passwd")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link, io.BytesIO())
    assert tree.train(SAGEMAKER_SUBMIT_DIRECTORY=str(tmp_path / "a.tar.gz")).code == 78
    assert "a symbolic link" in tree.failure


def test_variables_of_several_hosts(tree: Tree) -> None:
    """What torch.distributed's env:// reads is there on several hosts, and is the user's if they set it."""
    tree.code(train__py="import os; print(os.environ.get('MASTER_ADDR'), os.environ.get('MASTER_PORT'))")
    assert tree.train().out == "None None\n"
    tree.config(resourceconfig={"current_host": "algo-2", "hosts": ["algo-1", "algo-2"]})
    assert tree.train().out == "algo-1 7777\n"
    assert tree.train(MASTER_ADDR="elsewhere", MASTER_PORT="1").out == "elsewhere 1\n"


def test_channel_that_is_null_is_an_empty_one(tree: Tree) -> None:
    """A channel of which nothing is said is there, in File mode."""
    (tree.layout.data / "train").mkdir(parents=True)
    tree.config(inputdataconfig={"train": None})
    tree.code(train__py="import os; print(os.environ['SM_CHANNELS'], os.environ['SM_INPUT_DATA_CONFIG'])")
    assert ended(tree.start([BIN / "train"])).out == '["train"] {"train":{}}\n'
