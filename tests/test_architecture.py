"""The rules of the house, read from the source code."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from mlberth.compat import PACKAGES

ROOT = Path(__file__).parent.parent
ROOTS = {"mlberth": "toolkit", "mlberth_train": "train", "mlberth_serve": "serve", "mlberth_local": "local"}
MAY_IMPORT = {
    "mlberth": {"mlberth"},
    "mlberth_train": {"mlberth", "mlberth_train"},
    "mlberth_serve": {"mlberth", "mlberth_serve"},
    "mlberth_local": {"mlberth", "mlberth_local"},
}
# Third-party modules of each root; what is imported inside a function is an extra, and optional.
THIRD_PARTY = {
    "mlberth": set[str](),
    "mlberth_train": set[str](),
    "mlberth_serve": {"flask", "gunicorn", "numpy", "orjson", "prometheus_client", "werkzeug"},
    "mlberth_local": {"aiohttp", "botocore", "docker", "h2", "httptools", "uvloop", "websockets"},
}
# Modules that only the users of one framework import, and that are named for it.
FRAMEWORKS = {
    "mlberth.checkpoints.sklearn": {"joblib"},
    "mlberth.checkpoints.torch": {"torch"},
    "mlberth.checkpoints.xgboost": {"numpy", "xgboost"},
    "mlberth.compat.sagemaker_xgboost_container.sagemaker_xgboost_container.checkpointing": {"xgboost"},
    "mlberth_train.algorithms.xgboost.callbacks": {"xgboost"},
}
# The rooms of each root. Each may import itself and those to its left; "" is the root's own folder.
DATA_PLANE = (
    "",
    "usercode",
    "shared",
    "codecs",
    "handler",
    "frameworks",
    "profiles",
    "algorithms",
    "inference",
    "capture",
    "app",
    "worker",
)
CONTROL_PLANE = ("", "usercode", "shared", "control/nginx", "control/metrics", "control", "control/models")
ROOMS = {
    "mlberth_serve": (DATA_PLANE, CONTROL_PLANE),
    "mlberth": (
        ("", "engines", "contract", "process", "code", "channels", "transfer", "compat"),
        ("", "engines", "contract", "metrics"),
        ("", "engines", "contract", "checkpoints"),
    ),
    "mlberth_train": (
        ("", "algorithms", "report", "metrics", "ranks", "launch/launchers", "launch", "jobs"),
    ),
    "mlberth_local": (
        (
            "",
            "identity",
            "store",
            "topics",
            "engines",
            "s3",
            "inputs",
            "transform",
            "job_metrics",
            "jobs",
            "gateway",
            "gateway/health",
            "gateway/models",
            "gateway/proxy",
            "gateway/duplex",
            "endpoints",
            "recommendations",
            "asynchronous",
            "alarms",
            "scaling",
            "services",
            "sagemaker",
            "api",
            "render",
            "daemon",
            "runs",
            "reports",
        ),
    ),
}
# The doors of each root: they start what is in its rooms, and re-export what is public.
DOORS = {"__init__.py", "__main__.py", "wsgi.py"}
MAX_FILES = 16
LAZY = {"mlberth", "mlberth_serve"}
READS_THE_ENVIRONMENT = {"__main__.py", "wsgi.py"}


def modules() -> dict[str, Path]:
    """Return every module of ours by its dotted name."""
    found = {}
    for package, folder in ROOTS.items():
        for path in (ROOT / folder / package).rglob("*.py"):
            parts = path.relative_to(ROOT / folder).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


@cache
def tree_of(module: str) -> ast.Module:
    """Return the syntax tree of a module."""
    return ast.parse(MODULES[module].read_text())


@cache
def imports_of(module: str) -> frozenset[str]:
    """Return the dotted names that a module imports, anywhere in it."""
    return frozenset(imports(tree_of(module)))


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield the dotted names that a tree imports, anywhere in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def outside_functions(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield the nodes that run at import: all but function bodies, TYPE_CHECKING and __main__ blocks."""
    queue: list[ast.AST] = list(tree.body)
    while queue:
        node = queue.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and {"TYPE_CHECKING", "__name__"} & names(node.test):
            continue
        yield node
        queue += ast.iter_child_nodes(node)


def names(tree: ast.AST) -> set[str]:
    """Return the plain names in a tree."""
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}


def test_a_root_imports_only_what_it_may() -> None:
    """Train never imports serve, the toolkit imports neither, and extras are imported inside functions."""
    wrong = {}
    for module in MODULES:
        package = module.split(".", maxsplit=1)[0]
        tops = {name.split(".")[0] for name in imports_of(module)}
        at_import = {
            name.split(".")[0]
            for node in outside_functions(tree_of(module))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in imports(node)
        }
        allowed = THIRD_PARTY[package] | FRAMEWORKS.get(module, set())
        if module.startswith("mlberth.compat.sagemaker_"):
            allowed |= set(PACKAGES)  # the stand-ins have the names of other packages, and import one another
        wrong[module] = (tops & set(ROOTS)) - MAY_IMPORT[package]
        wrong[module] |= at_import - set(sys.stdlib_module_names) - set(ROOTS) - allowed
    assert offenders(wrong) == {}


def offenders(found: dict[str, set[str]]) -> dict[str, set[str]]:
    """Return the modules in which something was found."""
    return {module: names for module, names in found.items() if names}


def test_no_import_cycles() -> None:
    """The modules of all roots can be put in an order in which each imports only earlier ones."""
    graph = {
        name: {other for other in imports_of(name) if other in MODULES and other != name}
        for name in MODULES
        # These `__init__.py` import inside a function, and everybody imports them by importing a sibling.
        if name not in LAZY
    }
    for name in graph:
        graph[name] -= LAZY
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(" -> ".join(error.args[1]))


def room(module: str) -> str:
    """Return the room that a module is in: the name of its folder, with `control`'s own rooms apart."""
    package = MODULES[module].relative_to(ROOT / ROOTS[module.split(".", maxsplit=1)[0]]).parent.parts[1:]
    if package[:1] == ("control",):
        return "/".join(package)
    return package[0] if package else ""


def imported_modules(module: str) -> set[str]:
    """Return the modules of ours that a module imports, anywhere in it."""
    return {name for name in imports_of(module) if name in MODULES}


def test_imports_go_one_way_between_rooms() -> None:
    """Each room imports itself and those to its left; the planes meet only in `shared` and before it."""
    wrong = {}
    for module in (name for name, path in MODULES.items() if path.name not in DOORS):
        root, own = module.split(".", maxsplit=1)[0], room(module)
        # A package's own name is imported with each of its modules, and says nothing.
        imported = {
            room(name) for name in imported_modules(module) if name.split(".")[0] == root and name != root
        }
        allowed = [set(order[: order.index(own) + 1]) for order in ROOMS[root] if own in order]
        assert allowed, f"{own} is a new room: give it a place in ROOMS"
        wrong[module] = min((imported - rooms for rooms in allowed), key=len)
    assert offenders(wrong) == {}


def test_nobody_but_main_imports_the_control_plane() -> None:
    """The data plane and the toolkit never reach the supervisor's process."""
    found = {
        module
        for module in MODULES
        if not room(module).startswith("control")
        and any(name.startswith("mlberth_serve.control") for name in imported_modules(module))
    }
    assert found == {"mlberth_serve.__main__"}


def test_folders_stay_small() -> None:
    """No folder of ours has more than 16 modules, and each says what runs there."""
    folders = {path.parent for path in MODULES.values() if "compat/sagemaker" not in str(path)}
    assert {str(one) for one in folders if len(list(one.glob("*.py"))) > MAX_FILES} == set()
    assert {
        str(one) for one in folders if not ast.get_docstring(ast.parse((one / "__init__.py").read_text()))
    } == set()


def test_words_that_do_not_come_back() -> None:
    """Identifiers are the field's words: no name of a private vocabulary that once stood in their place."""
    found = {
        module: {
            name
            for node in ast.walk(tree_of(module))
            for name in identifiers(node)
            if UNWANTED & set(re.findall(r"[a-z]+", snake(name)))
        }
        for module in MODULES
    }
    assert offenders(found) == {}


UNWANTED = {"held", "guest", "stand", "lean", "succession", "asked", "incumbent", "journal", "told"}
"""Connection pool, WSGI passthrough, compat, fast path, reload, request, the name, log, published."""


@cache
def snake(name: str) -> str:
    """Return `SomeName` as `some_name`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def identifiers(node: ast.AST) -> Iterator[str]:
    """Yield the names that a node makes: of modules' members, attributes, arguments and variables."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.arg):
        yield node.arg
    elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        yield node.attr
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id


PUBLIC = {
    "mlberth",
    "mlberth.checkpoints",
    "mlberth.channels",
    "mlberth.collective",
    "mlberth.metrics",
    "mlberth.compat.training.processes",
}


def test_the_environment_is_an_argument() -> None:
    """os.environ is read in __main__.py and wsgi.py, and in the public functions for user programs."""
    found = {
        module: {
            node.attr
            for node in ast.walk(tree_of(module))
            if isinstance(node, ast.Attribute)
            if node.attr == "getenv" or (node.attr == "environ" and names(node) == {"os"})
        }
        for module, path in MODULES.items()
        if path.name not in READS_THE_ENVIRONMENT and module not in PUBLIC
    }
    assert offenders(found) == {}


# Calls that only make a value; a capital letter makes an object of a class.
MAY_BE_CALLED_AT_IMPORT = {
    *("dataclass", "field", "frozenset", "set", "tuple", "dict", "compile", "getLogger", "lru_cache"),
    *("enumerate", "len", "ord", "range", "declared", "values", "split", "type", "join", "items", "dtype"),
    *("whole_number", "seconds", "one_of", "optional", "boolean", "channel", "unused"),
}


def test_nothing_happens_at_import() -> None:
    """No folder is made, no handler is set and no process started by importing a module of ours."""
    called: dict[str, set[str]] = {}
    for module in (name for name, path in MODULES.items() if path.name != "wsgi.py"):
        called[module] = set()
        for node in outside_functions(tree_of(module)):
            if isinstance(node, ast.Call):
                function = node.func
                while isinstance(function, ast.Subscript):
                    function = function.value
                called[module].add(
                    function.attr if isinstance(function, ast.Attribute) else ast.unparse(function)
                )
    values = {module: {name for name in found if name[0].islower()} for module, found in called.items()}
    assert offenders({module: found - MAY_BE_CALLED_AT_IMPORT for module, found in values.items()}) == {}


def test_files_stay_short() -> None:
    """No file of ours has more than 400 lines."""
    folders = (*ROOTS.values(), "tests", "examples", "bench", "scripts")
    paths = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    assert paths
    assert [path for path in paths if len(path.read_text().splitlines()) > 400] == []


# Tests of a rule that several modules of a room keep together, and of a root's own `__init__` and `__main__`.
ABOUT_A_ROOM = {
    "test_public_names.py",
    "test_main.py",
    "test_model_load.py",
    "test_safe_models.py",
    "test_hostile_models.py",
    "test_bounded_memory.py",
    "test_batch_trust.py",
    "test_peer_csv.py",
    "test_xgboost_columns.py",
}


@pytest.mark.parametrize("package", ROOTS)
def test_a_modules_test_is_where_one_looks(package: str) -> None:
    """`ROOM/name.py` is tested by `tests/ROOT/ROOM/test_name.py`; `end_to_end` runs whole commands."""
    tests = ROOT / "tests" / ROOTS[package]
    paths = [path for path in tests.rglob("test_*.py") if "end_to_end" not in path.parts]
    assert paths
    lost = set()
    for path in paths:
        folder = ROOT / ROOTS[package] / package / path.parent.relative_to(tests)
        name = path.stem.removeprefix("test_")
        if not ((folder / f"{name}.py").exists() or folder.name == name or path.name in ABOUT_A_ROOM):
            lost.add(str(path.relative_to(ROOT)))
    assert lost == set()


QUESTIONS = {"What", "Where", "Which", "Who", "Whose", "How", "Why"}


def test_module_docstrings_begin_with_the_thing() -> None:
    """At most five lines of prose, and a noun first; details stand as comments at their lines."""
    wrong = set()
    for module in MODULES:
        docstring = ast.get_docstring(tree_of(module), clean=False) or ""
        # An indented block is an example, or a picture of a hierarchy.
        prose = [line for line in docstring.strip().splitlines() if line and not line.startswith("    ")]
        if not 1 <= len(prose) <= 5 or docstring.split()[0] in QUESTIONS:
            wrong.add(module)
    assert wrong == set()
