"""Variables with hostile values: each is refused by its name, or is a value and nothing more."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.serve.running import Server
from tests.train.running import Tree

from mlberth_serve import variables as serve_variables
from mlberth_serve.control.commands import gunicorn_argv
from mlberth_serve.control.nginx.config import nginx_argv
from mlberth_serve.shared.run_directory import RunDirectory
from mlberth_train import variables as train_variables

# What a shell, a list of arguments and a file of directives would each trip over.
HOSTILE = "x; touch pwned; $(touch pwned) `touch pwned` | touch pwned\n--evil\n} evil on;"


# SAGEMAKER_BASE_DIR would lead to another tree, with nothing in it.
NAMES = [variable.name for variable in train_variables.ALL if variable is not train_variables.BASE]


@pytest.mark.parametrize("name", NAMES)
def test_s09_no_variable_of_a_job_runs_a_command(name: str, tmp_path: Path) -> None:
    """The program runs with the arguments that it would have had, or the fault names the variable."""
    program = "import os, sys; sys.exit(7 if sys.argv[1:] else 0)"
    tree = Tree(tmp_path / "ml").code(train__py=program).config()
    ended = tree.train(**{name: HOSTILE})
    assert list(tmp_path.rglob("pwned")) == []
    assert not Path("pwned").exists()
    assert "Traceback" not in ended.err
    assert ended.code in {0, 69, 78}, ended.err
    if ended.code == 78:
        assert name in ended.err


def test_s09_no_variable_of_a_server_is_an_argument() -> None:
    """What starts nginx and gunicorn is made of the private folder's name alone."""
    run = RunDirectory(Path("/run/x"))
    assert nginx_argv("nginx", run)[1:] == ["-e", "stderr", "-p", "/run/x/", "-c", "/run/x/nginx.conf"]
    assert [word for word in gunicorn_argv(run.generation(1)) if "/run/x" in word] == ["/run/x/1"]
    assert len({variable.name for variable in serve_variables.ALL}) == len(serve_variables.ALL)


def test_odd_variables_of_others_do_a_server_no_harm(tmp_path: Path) -> None:
    """Bytes that are no text, and a value as long as Linux lets one be, are somebody else's."""
    others = {"ODD": os.fsdecode(b"\xff\xfe"), "LONG": "x" * 120_000}
    with Server(tmp_path, SAGEMAKER_USE_NGINX="false", **others) as server:
        assert server.wait_ready().invoke("1").status == 200
