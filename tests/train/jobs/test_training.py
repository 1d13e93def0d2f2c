"""`train` on real trees: the program runs as it should, and its end is reported."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path

import pytest
from tests.train.running import PROJECTS, Tree

HYPERPARAMETERS = {"epochs": "3", "name": '"a b"', "lr": "0.1", "x": "$(id); echo pwned", "flag": "true"}


def test_script_gets_arguments_variables_and_its_folder(tree: Tree) -> None:
    """A script runs in the code folder, with arguments and SM_* variables; success is marked."""
    tree.project("script").config(hyperparameters={"sagemaker_program": "train.py", **HYPERPARAMETERS})
    ended = tree.train()
    assert (ended.code, ended.out) == (0, "trained\n")
    seen = tree.seen()
    arguments = ["--epochs", "3", "--flag", "True", "--lr", "0.1", "--name", "a b"]
    assert seen["argv"][1:] == [*arguments, "-x", "$(id); echo pwned"]
    assert (seen["cwd"], seen["name"], seen["value"]) == (str(tree.layout.code), "__main__", 42)
    environ = seen["environ"]
    assert environ["SM_HP_EPOCHS"] == "3"
    assert environ["SM_USER_ENTRY_POINT"] == "train.py"
    assert environ["PYTHONPATH"].split(":")[0] == str(tree.layout.code)
    assert (environ["PYTHONUNBUFFERED"], environ["PYTHONFAULTHANDLER"]) == ("1", "1")
    assert tree.layout.success.read_bytes() == b""
    assert not tree.layout.failure.exists()
    assert tree.layout.output_data.is_dir()


def test_environment_wins_over_the_hyperparameter(tree: Tree) -> None:
    """SAGEMAKER_PROGRAM is run where both name a program."""
    tree.code(a__py="raise SystemExit(3)", b__py="raise SystemExit(4)")
    tree.config(hyperparameters={"sagemaker_program": "a.py"})
    assert tree.train().code == 3
    assert tree.train(SAGEMAKER_PROGRAM="b.py").code == 4


def test_train_py_is_run_where_nothing_is_named(tree: Tree) -> None:
    """Without a name the folder's train.py is the program, and the program knows."""
    assert tree.project("script").train().code == 0
    assert tree.seen()["environ"]["SM_USER_ENTRY_POINT"] == "train.py"


def test_nested_script_imports_its_neighbours(tree: Tree) -> None:
    """A script in a folder that is no package runs as a script."""
    assert tree.project("nested").train(SAGEMAKER_PROGRAM="src/steps/train.py").code == 0
    assert (tree.layout.model / "seen.txt").read_text() == "src/steps/train.py 42"


@pytest.mark.parametrize(("project", "program"), [("shell", "run.sh"), ("executable", "run")])
def test_shell_script_and_executable_get_arguments_word_for_word(
    tree: Tree, project: str, program: str
) -> None:
    """A script without the right to execute runs by its #! line; no word passes through a shell."""
    tree.project(project).config(hyperparameters=HYPERPARAMETERS)
    assert tree.train(SAGEMAKER_PROGRAM=program).code == 0
    words = (tree.layout.model / "seen.txt").read_text().splitlines()
    assert words[0] == f"./{program}"
    assert words[-1] == "$(id); echo pwned"
    assert "a b" in words


def test_shell_script_without_a_first_line_runs_by_sh(tree: Tree) -> None:
    """A .sh file without #! is /bin/sh's, and requirements.txt is looked at as for any program."""
    tree.code(run__sh="exit 5", requirements__txt="# nothing yet\n")
    assert tree.train(SAGEMAKER_PROGRAM="run.sh").code == 5


def test_hook_runs_in_the_child(tree: Tree) -> None:
    """SAGEMAKER_TRAINING_MODULE is imported and called; what it raises is reported like any failure."""
    tree.project("hook")
    assert tree.train(SAGEMAKER_TRAINING_MODULE="framework.training:main").code == 0
    assert (tree.layout.model / "seen.txt").read_text() == "framework.training:main"
    assert tree.train(SAGEMAKER_TRAINING_MODULE="framework.training:fail").code == 1
    assert tree.failure.startswith(
        "ValueError: the framework failed\n  at framework/training.py:10 in fail: raise ValueError("
    )


@pytest.mark.parametrize("spec", ["framework", "framework:", ":main", "a b:main", "-c:main", "a:b; c"])
def test_hook_that_is_no_function_is_refused(tree: Tree, spec: str) -> None:
    """What is not package.module:function never reaches an interpreter."""
    assert tree.project("hook").train(SAGEMAKER_TRAINING_MODULE=spec).code == 78
    assert "SAGEMAKER_TRAINING_MODULE" in tree.failure


@pytest.mark.parametrize("where", ["hyperparameter", "variable"])
@pytest.mark.parametrize("packed", [False, True])
def test_source_is_fetched_and_wins_over_the_image(
    tree: Tree, tmp_path: Path, where: str, packed: bool
) -> None:
    """Code that the job names takes the place of what the image brought; a warning says so."""
    source = PROJECTS / "script"
    if packed:
        source = tmp_path / "sourcedir.tar.gz"
        with tarfile.open(source, "w:gz") as tar:
            tar.add(PROJECTS / "script", ".")
    tree.code(train__py="raise SystemExit(9)", setup__py="")
    if where == "hyperparameter":
        tree.config(hyperparameters={"sagemaker_submit_directory": json.dumps(str(source))})
    environ = {"SAGEMAKER_SUBMIT_DIRECTORY": str(source)} if where == "variable" else {}
    ended = tree.train(**environ)
    assert ended.code == 0
    assert "WARNING" in ended.err
    assert (tree.base / "code.replaced-1/setup.py").exists()
    assert tree.seen()["value"] == 42


@pytest.mark.parametrize(
    ("program", "found"),
    [
        ("gone.py", "no such file: 'gone.py'; expected a program in "),
        ("x" * 300, "no such file"),
        ("/etc/passwd", "an executable"),
        ("/gone/train.py", "no such file: '/gone/train.py'"),
        ("../x.py", "which is outside"),
        ("folder", "which is not a file"),
        ("-c", "which is no file name"),
        ("a\nb.py", "which is no file name"),
        ("data.bin", "an executable"),
    ],
)
def test_what_is_no_program_is_refused_with_what_is_there(tree: Tree, program: str, found: str) -> None:
    """The error names the setting, the value, the reason and the files that could be meant."""
    tree.code(other__py="", data__bin="\x7fELF")
    (tree.layout.code / "folder").mkdir()
    ended = tree.train(SAGEMAKER_PROGRAM=program)
    assert ended.code == 78
    assert tree.failure.startswith("ContractError: SAGEMAKER_PROGRAM: found ")
    assert found in tree.failure
    assert "other.py" in tree.failure or program in {"data.bin", "/etc/passwd"}
    assert "Traceback" not in ended.err


def test_job_without_a_program_says_how_to_name_one(tree: Tree) -> None:
    """No name and no train.py: the error names both settings and lists the folder."""
    assert tree.code(main__py="").train().code == 78
    for words in ("SAGEMAKER_PROGRAM", "hyperparameter sagemaker_program", "main.py"):
        assert words in tree.failure


def test_shebang_that_leads_nowhere_is_named(tree: Tree) -> None:
    """An interpreter that is not in the image is a fault of the job, not of ours."""
    tree.code(run__sh="#!/no/such/shell -e\n")
    assert tree.train(SAGEMAKER_PROGRAM="run.sh").code == 78
    assert "/no/such/shell" in tree.failure


def test_arguments_too_large_for_the_system_are_named(tree: Tree) -> None:
    """One value beyond what a process can be given ends in an error that says what to do."""
    tree.project("script").config(hyperparameters={"blob": "x" * 200_000})
    assert tree.train().code == 78
    assert "hyperparameters" in tree.failure
    assert "channel" in tree.failure


@pytest.mark.parametrize("value", ["a\0b", "\ud800"])
def test_text_that_no_process_can_be_given_is_refused(tree: Tree, value: str) -> None:
    """JSON can hold text that neither an argument nor a variable can."""
    tree.project("script").config(hyperparameters={"odd": value})
    assert tree.train().code == 78
    assert tree.failure.startswith("ContractError: SM_HP_ODD: found a ")
    tree.config(hyperparameters={value: "odd"})
    assert tree.train().code == 78
    assert tree.failure.startswith("ContractError: the name of a hyperparameter: found a ")
    assert tree.train(SAGEMAKER_ARGS_PROTOCOL="none").code == 0


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"SAGEMAKER_STOP_GRACE_SECONDS": "soon"}, "SAGEMAKER_STOP_GRACE_SECONDS"),
        ({"SAGEMAKER_ARGS_PROTOCOL": "xml"}, "SAGEMAKER_ARGS_PROTOCOL"),
        ({"SAGEMAKER_CONTAINER_LOG_LEVEL": "LOUD"}, "SAGEMAKER_CONTAINER_LOG_LEVEL"),
    ],
)
def test_faulty_variable_ends_the_job_before_it_runs(tree: Tree, environ: dict[str, str], words: str) -> None:
    """A setting that cannot be read is named, and nothing runs on a default in its place."""
    assert tree.project("script").train(**environ).code == 78
    assert words in tree.failure
    assert not (tree.layout.model / "seen.json").exists()


def test_malformed_file_is_named_and_not_quoted(tree: Tree) -> None:
    """A broken configuration file is named with line and column; its content stays out of the log."""
    tree.project("script").config()
    tree.layout.hyperparameters.write_text('{"password": "canary-7f3a",}')
    ended = tree.train()
    assert ended.code == 78
    assert "hyperparameters.json" in tree.failure
    assert "line 1" in tree.failure
    assert "canary-7f3a" not in tree.failure + ended.err + ended.out


def test_requirement_that_cannot_be_installed_is_a_dependency_error(tree: Tree) -> None:
    """What pip says is in the failure file, for every kind of program."""
    tree.code(run__sh="exit 0", requirements__txt="no-such-package-mlberth\n")
    assert tree.train(SAGEMAKER_PROGRAM="run.sh", PIP_NO_INDEX="1").code == 69
    assert tree.failure.startswith("DependencyError: pip install -r requirements.txt")
    assert "no-such-package-mlberth" in tree.failure


def test_reports_of_an_earlier_run_do_not_stay(tree: Tree) -> None:
    """Success leaves no failure file and failure no success file, whatever was there before."""
    tree.code(good__py="", bad__py="raise SystemExit(3)")
    tree.train(SAGEMAKER_PROGRAM="bad.py")
    assert "Exit code 3" in tree.failure
    assert tree.train(SAGEMAKER_PROGRAM="good.py").code == 0
    assert (tree.failure, tree.layout.success.exists()) == ("", True)
    tree.train(SAGEMAKER_PROGRAM="bad.py")
    assert ("Exit code 3" in tree.failure, tree.layout.success.exists()) == (True, False)


def test_failure_file_of_the_program_is_left_alone(tree: Tree) -> None:
    """What the program itself wrote about its failure is what the user reads."""
    program = "import os, sys; open(os.environ['SM_OUTPUT_FAILURE'], 'w').write('mine'); sys.exit(3)"
    assert tree.code(train__py=program).train().code == 3
    assert tree.failure == "mine"


def test_output_that_cannot_be_written_keeps_the_exit_code(tree: Tree) -> None:
    """A report that finds no place is a warning; the program's exit code is what counts."""
    tree.code(train__py="raise SystemExit(3)")
    tree.layout.output.write_text("a file in the folder's place")
    ended = tree.train()
    assert ended.code == 3
    assert f"WARNING mlberth_train: {tree.layout.failure} cannot be written" in ended.err


def test_explain_tells_everything_and_does_nothing(tree: Tree) -> None:
    """`train --explain` shows command, install and variables with secrets masked, and runs nothing."""
    secrets = {"api_key": "canary-1", "db": json.dumps({"password": "canary-2"})}
    tree.project("script").config(hyperparameters={"epochs": "3", **secrets})
    (tree.layout.code / "requirements.txt").write_text("numpy\n")
    before = sorted(tree.base.rglob("*"))
    ended = tree.train("--explain", HF_TOKEN="canary-3")
    assert ended.code == 0
    assert "train.py --api_key '***' --db 'password=***' --epochs 3" in ended.out
    assert "pip install -r requirements.txt" in ended.out
    assert "SM_HP_EPOCHS=3" in ended.out
    assert "canary" not in ended.out + ended.err
    assert sorted(tree.base.rglob("*")) == before


def test_explain_of_code_that_is_elsewhere_says_where(tree: Tree) -> None:
    """A source that would be fetched first is named, and not fetched."""
    ended = tree.train("--explain", SAGEMAKER_SUBMIT_DIRECTORY="s3://bucket/key.tar.gz")
    assert ended.code == 0
    assert "fetched from s3://bucket/key.tar.gz (SAGEMAKER_SUBMIT_DIRECTORY)" in ended.out


@pytest.mark.parametrize("source", ["a\0b", "\ud800"])
def test_source_that_no_variable_can_hold_is_refused(tree: Tree, source: str) -> None:
    """JSON can name a folder that no disk can have, and no program could be told of."""
    tree.project("script").config(hyperparameters={"sagemaker_submit_directory": source})
    for arguments in ([], ["--explain"]):
        ended = tree.train(*arguments)
        assert (ended.code, "Traceback" in ended.err) == (78, False)


def test_explain_of_a_source_with_a_name_too_long(tree: Tree) -> None:
    """It is shown as it stands; that it is not there is seen when it is fetched."""
    tree.project("script").config(hyperparameters={"sagemaker_submit_directory": "x" * 5000})
    ended = tree.train("--explain")
    assert (ended.code, "fetched from xxx" in ended.out) == (0, True)
    assert tree.train().code == 78


def test_explain_of_a_faulty_job_has_its_exit_code(tree: Tree) -> None:
    """What `train` would refuse, `train --explain` refuses as well."""
    ended = tree.train("--explain", SAGEMAKER_PROGRAM="gone.py")
    assert ended.code == 78
    assert "gone.py" in ended.err


def test_help_and_unknown_arguments(tree: Tree) -> None:
    """`--help` succeeds; an argument that nobody reads is an error and not ignored."""
    assert tree.train("--help").out.startswith("usage: train")
    ended = tree.train("--epochs", "3")
    assert (ended.code, "found '--epochs 3'" in ended.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "content"),
    [
        (["--n-estimators", "10", "--lr=0.1"], {"n-estimators": "10", "lr": "0.1"}),
        (["epochs=3"], {"epochs": "3"}),
        (["--shift", "-1", "--verbose"], {"shift": "-1", "verbose": ""}),
        (["train"], {"epochs": "10"}),
    ],
)
def test_arguments_are_shown_where_hyperparameters_go(
    tree: Tree, arguments: list[str], content: dict[str, str]
) -> None:
    """Who gives `train` arguments means hyperparameters: the message has the file, and what to write."""
    ended = tree.train(*arguments)
    assert ended.code == 2
    assert f"write {json.dumps(content)} to {tree.layout.hyperparameters}." in ended.err


@pytest.mark.parametrize(
    ("protocol", "arguments"),
    [("json", ["--a", "true", "--b", "[1, 2]"]), ("flags", ["--a", "--b", "[1, 2]"]), ("none", [])],
)
def test_arguments_follow_the_protocol(tree: Tree, protocol: str, arguments: list[str]) -> None:
    """SAGEMAKER_ARGS_PROTOCOL chooses how hyperparameters become arguments."""
    tree.project("script").config(hyperparameters={"a": "true", "b": "[1, 2]"})
    assert tree.train(SAGEMAKER_ARGS_PROTOCOL=protocol).code == 0
    assert tree.seen()["argv"][1:] == arguments


def test_secrets_are_in_no_output(tree: Tree) -> None:
    """A secret hyperparameter or variable is neither in the log nor in the failure file."""
    program = "import os; raise ValueError('no ' + os.environ['SM_HP_DB-PASSWORD'] + os.environ['HF_TOKEN'])"
    tree.code(train__py=program).config(hyperparameters={"db-password": "canary-one"})
    ended = tree.train(HF_TOKEN="canary-two")
    assert ended.code == 1
    assert tree.failure.startswith("ValueError: no ******\n")
    ours = [line for line in ended.err.splitlines() if "mlberth_train" in line]
    assert len(ours) == 3
    assert not [line for line in ours if "canary" in line]


def test_undecodable_environment_does_no_harm(tree: Tree) -> None:
    """A variable with bytes that are no text is passed on, and explained."""
    tree.project("script")
    odd = os.fsdecode(b"\xff\xfe")
    assert tree.train(ODD=odd).code == 0
    assert tree.train("--explain", SAGEMAKER_PROGRAM="train.py", ODD=odd).code == 0


def test_model_that_cannot_be_written_is_told_before_the_program_runs(tree: Tree) -> None:
    """Where the model cannot be saved, hours of training would be for nothing."""
    tree.project("script")
    tree.layout.model.parent.mkdir(parents=True, exist_ok=True)
    tree.layout.model.write_text("a file where the folder should be")
    ended = tree.train()
    assert (ended.code, ended.out) == (78, "")
    assert f"{tree.layout.model}: found that user {os.geteuid()} cannot write to it" in ended.err


def test_explanation_moves_no_cursor(tree: Tree) -> None:
    """A control character of a value is shown and not printed."""
    ended = tree.code(train__py="").train("--explain", ODD="a\x1b[2J\nb", SAGEMAKER_JOB_NAME="x\x1b[2J\ny")
    assert ended.code == 0
    assert all(line.isprintable() for line in ended.out.splitlines())
    assert r"SM_JOB_NAME='x\x1b[2J\ny'" in ended.out
