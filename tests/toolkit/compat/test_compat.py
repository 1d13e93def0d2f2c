"""The compatibility packages, each in an interpreter that has them on its path."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conftest import WriteConfig

from mlberth.compat import PACKAGES, missing_packages_path


@pytest.fixture
def _on_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put the packages on the path, and forget them afterwards."""
    monkeypatch.setattr(sys, "path", [*sys.path, *missing_packages_path()])
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] in PACKAGES]:
        del sys.modules[name]


def run(code: str, **environ: str) -> str:
    """Run a program with the packages on its path, and return what it prints."""
    variables = os.environ | {"PYTHONPATH": ":".join(missing_packages_path()), **environ}
    argv = [sys.executable, "-c", code]
    done = subprocess.run(argv, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_only_missing_packages_are_brought() -> None:
    """A package that is installed is left alone, and the others do not come with it."""
    everything = missing_packages_path(lambda _: None)
    assert [Path(folder).name for folder in everything] == list(PACKAGES)
    assert all((Path(folder) / Path(folder).name / "__init__.py").is_file() for folder in everything)
    rest = missing_packages_path(lambda name: name == "sagemaker_inference" or None)
    assert {Path(folder).name for folder in rest} == {*PACKAGES} - {"sagemaker_inference"}


def test_nothing_is_importable_without_the_path() -> None:
    """Installing us gives nobody a package of another name."""
    code = f"import importlib.util as u; print([u.find_spec(name) for name in {PACKAGES!r}])"
    assert run(code, PYTHONPATH="").strip() == str([None] * len(PACKAGES))


def test_programs_import_them_without_numpy() -> None:
    """A training program may import its handler's modules too; only their functions need numpy."""
    code = (
        "from sagemaker_containers.beta.framework import "
        "content_types, encoders, env, errors, modules, transformer, worker\n"
        "from sagemaker_containers import entry_point\n"
        "from sagemaker_inference import "
        "content_types, decoder, default_inference_handler, encoder, errors, utils\n"
        "from sagemaker_xgboost_container import data_utils, encoder\n"
        "import sys; print('numpy' in sys.modules)"
    )
    assert run(code).strip() == "False"


def test_training_environment_is_a_mapping_of_the_toolkits_names(write_config: WriteConfig) -> None:
    """The job is found under both packages, by attribute and by item, and cannot be changed."""
    layout = write_config(hyperparameters={"epochs": "3"})
    (layout.data / "training").mkdir()
    code = (
        "import copy, sagemaker_containers\n"
        "from sagemaker_training import environment\n"
        "env = environment.Environment()\n"
        "assert dict(env) == dict(sagemaker_containers.training_env())\n"
        "assert env.hyperparameters == env['hyperparameters'] == {'epochs': 3}\n"
        "assert env.to_cmd_args() == ['--epochs', '3']\n"
        "assert env.to_env_vars()['SM_HP_EPOCHS'] == '3'\n"
        "assert copy.copy(env).num_cpus == env.num_cpus >= 1\n"
        "assert not hasattr(env, 'nothing')\n"
        "assert 'model_dir' in env.properties()\n"
        "try:\n    env['hyperparameters'] = {}\nexcept TypeError:\n    print(env.model_dir)\n"
    )
    assert run(code, SAGEMAKER_BASE_DIR=str(layout.base)).strip() == str(layout.model)


@pytest.mark.usefixtures("_on_path")
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,2,3", [1, 2, 3]),
        ("1,2\n3,4\n", [[1, 2], [3, 4]]),
        ("1,,3", [1.0, np.nan, 3.0]),
        ('"1","2.5"', [1.0, 2.5]),
        ("a,1", ["a", "1"]),
        ("5", 5),
    ],
)
def test_csv_is_read(text: str, expected: Any) -> None:
    """One row has one dimension; an empty cell is nan, never 0; what is no number stays text."""
    from sagemaker_containers.beta.framework import encoders
    from sagemaker_inference import decoder

    for decode in (decoder.decode, encoders.decode):
        np.testing.assert_array_equal(decode(text, "text/csv; charset=utf-8"), np.array(expected))


@pytest.mark.usefixtures("_on_path")
def test_bodies_are_written_and_read_back() -> None:
    """Each media type of the encoders is read by the decoders."""
    from sagemaker_inference import decoder, encoder

    array = np.array([[1.5, 2], [3, 4]])
    for content_type in ("text/csv", "application/json", "application/x-npy"):
        np.testing.assert_array_equal(
            decoder.decode(encoder.encode(array, content_type), content_type), array
        )
    assert encoder.encode({"scores": array[0]}, "application/json") == '{"scores": [1.5, 2.0]}'
    assert encoder.encode([0.1, 2], "text/csv") == "0.1\n2.0\n"


@pytest.mark.usefixtures("_on_path")
def test_other_media_types_are_refused() -> None:
    """Each package raises its own error."""
    from sagemaker_containers.beta.framework import encoders
    from sagemaker_containers.beta.framework.errors import UnsupportedFormatError
    from sagemaker_inference import encoder, errors

    with pytest.raises(errors.UnsupportedFormatError, match="image/png"):
        encoder.encode([1], "image/png")
    with pytest.raises(UnsupportedFormatError, match="image/png"):
        encoders.decode(b"", "image/png")


@pytest.mark.usefixtures("_on_path")
def test_nothing_is_unpickled() -> None:
    """An array of objects, which numpy would unpickle, is refused both ways."""
    from sagemaker_inference import decoder, encoder

    buffer = io.BytesIO()
    np.save(buffer, np.array([object()]), allow_pickle=True)
    with pytest.raises(ValueError, match="allow_pickle"):
        decoder.decode(buffer.getvalue(), "application/x-npy")
    with pytest.raises(ValueError, match="allow_pickle"):
        encoder.encode(np.array([object()]), "application/x-npy")


@pytest.mark.usefixtures("_on_path")
@pytest.mark.parametrize("weights", [0, 1])
def test_dmatrix_of_a_folder_of_csv(tmp_path: Path, weights: int) -> None:
    """The label stands first, then the weight; hidden files are left out."""
    pytest.importorskip("xgboost")
    from sagemaker_xgboost_container.data_utils import get_dmatrix

    (tmp_path / "a.csv").write_text("1,0.5,10\n0,2,\n")
    (tmp_path / "b.csv").write_text("1,1,30\n")
    (tmp_path / ".hidden").write_text("not numbers")
    matrix = get_dmatrix(str(tmp_path), "text/csv", csv_weights=weights)
    assert matrix.get_label().tolist() == [1, 0, 1]
    assert (matrix.num_row(), matrix.num_col()) == (3, 2 - weights)
    assert matrix.get_weight().tolist() == ([0.5, 2, 1] if weights else [])


@pytest.mark.usefixtures("_on_path")
def test_dmatrix_of_libsvm(tmp_path: Path) -> None:
    """Columns have the indices that stand there; comments are skipped."""
    pytest.importorskip("xgboost")
    from sagemaker_xgboost_container import encoder
    from sagemaker_xgboost_container.data_utils import get_dmatrix

    text = "1 0:1.5 2:2 # a comment\n0 1:3\n\n"
    (tmp_path / "train").write_text(text)
    for matrix in (
        get_dmatrix(str(tmp_path / "train"), "libsvm"),
        encoder.decode(text.encode(), "text/libsvm"),
    ):
        assert matrix.get_label().tolist() == [1, 0]
        assert matrix.get_data().toarray().tolist() == [[1.5, 0, 2], [0, 3, 0]]
    with pytest.raises(ValueError, match="no file"):
        get_dmatrix(str(tmp_path / "missing"), "libsvm")
    with pytest.raises(ValueError, match="parquet"):
        get_dmatrix(str(tmp_path), "application/x-parquet")


LIBSVM_FILES = {
    "weights": "1:0.2 2:1\n0:0.5 1:3 4:-1e3\n",
    "groups": "1 qid:1 2:1\n0 qid:1 1:3\n1 qid:2 3:1\n",
    "groups out of order": "1 qid:2 1:1\n1 qid:1 1:2\n1 qid:2 1:1\n",
    "weights and groups": "1:0.2 qid:1 2:1\n0:0.3 qid:1 1:3\n1:.5 qid:2 3:1\n",
    "from one": "1 1:5 2:6\n0 2:7\n",
    "from zero": "1 0:5 2:6\n0 2:7\n",
    "any order": "1 3:1 2:2\n",
    "blank lines and CRLF": "\n1 1:1\r\n\r\n0 2:1\r\n",
    "empty row": "1\n0 1:1\n",
    "tabs": "1 1:1\n2\t2:1  3:1\n",
}


@pytest.mark.usefixtures("_on_path")
@pytest.mark.parametrize("text", LIBSVM_FILES.values(), ids=LIBSVM_FILES)
def test_libsvm_files_are_read_as_xgboost_reads_them(tmp_path: Path, text: str) -> None:
    """Cells, labels, weights and groups are those of XGBoost's own reader of files."""
    xgboost = pytest.importorskip("xgboost")
    from sagemaker_xgboost_container.data_utils import get_dmatrix

    (tmp_path / "train").write_text(text)
    found = get_dmatrix(str(tmp_path / "train"), "libsvm")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it will be taken out of XGBoost one day
        expected = xgboost.DMatrix(f"{tmp_path}/train?format=libsvm")
    assert (found.num_row(), found.num_col()) == (expected.num_row(), expected.num_col())
    assert found.get_data().toarray().tolist() == expected.get_data().toarray().tolist()
    for field in ("label", "weight"):
        assert found.get_float_info(field).tolist() == expected.get_float_info(field).tolist()
    assert found.get_uint_info("group_ptr").tolist() == expected.get_uint_info("group_ptr").tolist()


@pytest.mark.usefixtures("_on_path")
@pytest.mark.parametrize(
    "text",
    [
        "1 a:1",
        "a 1:1",
        "1 1:b",
        "1 1:",
        "1 -1:1",
        "1 1 3",
        "1:0.2 2:1\n0 1:3",
        "1 qid:1 2:1\n0 1:3",
        "1 1:1 1:2",
        "1 4294967296:1",
    ],
)
def test_libsvm_that_would_lose_numbers_is_refused(tmp_path: Path, text: str) -> None:
    """What XGBoost's reader takes for other numbers, or dies of, is a ValueError."""
    pytest.importorskip("xgboost")
    from sagemaker_xgboost_container.data_utils import get_dmatrix

    (tmp_path / "train").write_text(text)
    with pytest.raises(ValueError, match="libsvm text"):
        get_dmatrix(str(tmp_path / "train"), "libsvm")


@pytest.mark.usefixtures("_on_path")
@pytest.mark.parametrize(
    ("body", "rows", "label"),
    [
        (b"1 1:5 2:6\n0 2:7\n", [[5, 6], [0, 7]], [1, 0]),
        (b"1 0:5 2:6\n", [[5, 0, 6]], [1]),
        (b"1:5 2:6\n1:7\n", [[5, 6], [7, 0]], []),
        ("0:1 3:1", [[1, 0, 0, 1]], []),
    ],
)
def test_libsvm_bodies_count_from_one_where_none_is_zero(body: Any, rows: Any, label: Any) -> None:
    """A body has as many columns as it names, with labels and without."""
    pytest.importorskip("xgboost")
    from sagemaker_xgboost_container import encoder

    matrix = encoder.libsvm_to_dmatrix(body)
    assert matrix.get_data().toarray().tolist() == rows
    assert matrix.get_label().tolist() == label


@pytest.mark.usefixtures("_on_path")
@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/csv", b"a\n" * 20_000 + b"b" * 50_000),
        ("application/json", b"[" + b"1," * 20_000 + b'"' + b"b" * 50_000 + b'"]'),
    ],
)
def test_text_among_numbers_is_bounded(content_type: str, body: bytes) -> None:
    """Numpy makes each cell as long as the longest: what that would take is refused before."""
    from mlberth.compat.arrays import TooLargeError
    from sagemaker_containers.beta.framework import encoders

    with pytest.raises(TooLargeError, match="unpacked size"):
        encoders.decode(body, content_type)


@pytest.mark.usefixtures("_on_path")
def test_headers_that_lie_are_refused() -> None:
    """Nothing is allocated on the word of an .npy header, or of an archive's table."""
    np = pytest.importorskip("numpy")
    sparse = pytest.importorskip("scipy.sparse")
    from sagemaker_inference import decoder

    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (10**11,)})
    with pytest.raises(ValueError, match="expected as many"):
        decoder.decode(file.getvalue(), "application/x-npy")
    file = io.BytesIO()
    sparse.save_npz(file, sparse.csr_matrix(np.zeros((1, 100_000_000), np.float32)), compressed=True)
    decoder.decode(file.getvalue(), "application/x-npz")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("data.npy", "w") as entry:
        for _ in range(600):
            entry.write(bytes(1 << 20))
    with pytest.raises(ValueError, match="unpacked size"):
        decoder.decode(file.getvalue(), "application/x-npz")


@pytest.mark.usefixtures("_on_path")
def test_csv_is_whole_numbers_floats_or_text() -> None:
    """The first of these that takes every cell; an empty one is nan."""
    pytest.importorskip("numpy")
    from sagemaker_containers.beta.framework.encoders import csv_to_numpy

    assert csv_to_numpy("1,2\n3,4\n").tolist() == [[1, 2], [3, 4]]
    assert csv_to_numpy("1,2\n").dtype == int
    assert repr(csv_to_numpy("1,\n").tolist()) == "[1.0, nan]"
    assert csv_to_numpy("1\n99999999999999999999\n").tolist() == [1.0, 1e20]
    assert csv_to_numpy("a,1").tolist() == ["a", "1"]
    assert csv_to_numpy("1,2", dtype=float).tolist() == [1.0, 2.0]
    with pytest.raises(ValueError, match="width"):
        csv_to_numpy("1,2\n3\n")


PUBLIC_IMPORTS = """
import mms
from mms.service import PredictionException
from sagemaker_algorithm_toolkit import exceptions as exc
from sagemaker_algorithm_toolkit.exceptions import AlgorithmError, BaseToolkitError, PlatformError, UserError
import sagemaker_containers.beta.framework as framework
from sagemaker_containers import _content_types, _encoders, _env, _errors, _files, _functions, _logging
from sagemaker_containers import _mapping, _modules, _params, _process, _runner, _server, _timeout
from sagemaker_containers import _transformer, _worker, entry_point, training_env
from sagemaker_containers._env import TrainingEnv, code_dir, model_dir
from sagemaker_containers._errors import ChannelDoesNotExistException, ClientError, UnsupportedFormatError
from sagemaker_containers.beta.framework import encoders, entry_point, env, errors, files, functions, logging
from sagemaker_containers.beta.framework import mapping, modules, params, process, runner, server, transformer
from sagemaker_containers.beta.framework import content_types, training_env, worker
from sagemaker_containers.beta.framework.encoders import array_to_recordio_protobuf
from sagemaker_containers.beta.framework.worker import Request, Response, Worker
from sagemaker_inference import content_types, decoder, default_handler_service, encoder, environment, errors
from sagemaker_inference import default_inference_handler, logging, model_server, parameters
from sagemaker_inference import transformer, utils
from sagemaker_inference.decoder import _csv_to_numpy, _json_to_numpy, _npy_to_numpy, _npz_to_sparse
from sagemaker_inference.encoder import SUPPORTED_CONTENT_TYPES, _array_to_json
from sagemaker_inference.utils import read_file, write_file, remove_crlf
from sagemaker_training import content_types, encoders, entry_point, environment, errors, files, functions
from sagemaker_training import logging_config, mapping, modules, params, process, runner, timeout
from sagemaker_training.environment import Environment, model_dir, num_cpus, num_gpus, read_hyperparameters
from sagemaker_training.errors import ExecuteUserScriptError, InstallRequirementsError
from sagemaker_xgboost_container import data_utils, distributed, encoder as xgb_encoders
from sagemaker_xgboost_container.constants import sm_env_constants, xgb_constants, xgb_content_types
from sagemaker_xgboost_container.data_utils import check_data_redundancy, get_content_type, get_dmatrix
from sagemaker_xgboost_container.data_utils import get_size, validate_data_file_path
from sagemaker_xgboost_container.distributed import Rabit, rabit_run, wait_hostname_resolution
from sagemaker_xgboost_container.encoder import json_to_jsonlines
from sagemaker_xgboost_container.handler_service import HandlerService
from sagemaker_xgboost_container.metrics.custom_metrics import accuracy, configure_feval, f1
""".strip().splitlines()


def test_public_names_are_there_without_libraries(write_config: WriteConfig) -> None:
    """What programs in public repositories import of these packages, in an interpreter without numpy."""
    layout = write_config()
    lines = [*PUBLIC_IMPORTS, "import sys; print({'numpy', 'xgboost'} & set(sys.modules))"]
    assert run("\n".join(lines), SAGEMAKER_BASE_DIR=str(layout.base)).strip() == "set()"


def test_server_is_known_to_what_starts_it(write_config: WriteConfig) -> None:
    """A program outside of a server may ask where the model is, and where the code."""
    layout = write_config()
    code = (
        "from sagemaker_inference import environment\n"
        "from sagemaker_containers.beta.framework import env\n"
        "print(environment.model_dir, environment.Environment().code_dir, env.ServingEnv().module_dir)"
    )
    seen = run(code, SAGEMAKER_BASE_DIR=str(layout.base)).split()
    assert seen == [str(layout.model), str(layout.model / "code"), str(layout.code)]
