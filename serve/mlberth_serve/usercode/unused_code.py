"""Code of the user's that looks like a handler and is not used, with what would make it one.

Found without running it, as the handler is: functions of almost the right name, and files in almost the right
place. Nobody else says a word: the defaults answer, and their answers look like the handler's.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from mlberth.contract.near_misses import within
from mlberth.paths import is_file, is_folder
from mlberth_serve.settings import Settings
from mlberth_serve.usercode.locate import Program, bound_names, code_folders
from mlberth_serve.usercode.signatures import SIGNATURES
from mlberth_serve.variables import DEFAULT_PROGRAM, Variables

_ENTRY = "handle"
_ENDINGS = ("_function", "_func", "_handler", "_fn", "func", "fn")
# Names that other servers and people give the same functions.
_OTHER_NAMES = {
    "load": "model_fn",
    "load_model": "model_fn",
    "model_load": "model_fn",
    "get_model": "model_fn",
    "preprocess": "input_fn",
    "pre_process": "input_fn",
    "inference": "predict_fn",
    "infer": "predict_fn",
    "prediction": "predict_fn",
    "predictor": "predict_fn",
    "postprocess": "output_fn",
    "post_process": "output_fn",
    "warmup": "model_warmup_fn",
    "warm_up": "model_warmup_fn",
    "model_warm_up": "model_warmup_fn",
}
_STEPS = frozenset({"input_fn", "predict_fn", "output_fn"})
_WANTED = "model_fn, input_fn, predict_fn, output_fn or transform_fn"
_LONG = 9
_SERVICE_FILES = ("handler", "service", "inference")
_SHOWN = 3
_MOST_NAMES = 10
_LARGEST = 1024 * 1024
_MOST_FILES = 100


def unused_code(settings: Settings, program: Program | None) -> list[str]:
    """Return a sentence for each piece of code that is not used though it looks as if it was meant to be."""
    if settings.serving_module or settings.safe_models_only:
        return []
    if program:
        return list(_unused_functions(program.path))
    return list(_unused_files(settings))[:_SHOWN]


def _unused_functions(path: Path) -> Iterator[str]:
    tree = _parse(path)
    bound = set(bound_names(tree.body)) if tree else set()
    if tree is None or _ENTRY in bound or "*" in bound:
        return
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    # A decorator may hand a function on to somebody who calls it.
    free = [node.name for node in functions if not node.decorator_list and node.name not in used]
    near = {name: meant for name in free if name not in SIGNATURES and (meant := _meant_by(name, bound))}
    if not bound.isdisjoint(SIGNATURES):
        for name, meant in near.items():
            yield f"{path}: nothing calls {name}: did you mean {meant}?"
        return
    methods = _methods(tree)
    names = [node.name for node in functions] + methods
    has = f"it has {', '.join(names[:_MOST_NAMES])}" if names else "it has no function"
    renamed = ", ".join(f"{name} for {meant}" for name, meant in near.items())
    hint = f" (did you write {renamed}?)" if renamed else ""
    outside = ", outside of any class" if methods else ""
    yield f"{path}: nothing in it is called: {has}; expected {_WANTED}{outside}{hint}"


def _methods(tree: ast.Module) -> list[str]:
    """Return the contract's functions that are methods, if nothing calls them."""
    return [
        f"{node.name}.{method.name}"
        for node in tree.body
        if isinstance(node, ast.ClassDef)
        for method in node.body
        if isinstance(method, ast.FunctionDef) and method.name in SIGNATURES
    ]


def _meant_by(name: str, bound: set[str]) -> str | None:
    """Return the contract's function that is meant by a name, if that is not there under its own."""
    plain = name.lower().strip("_")
    stem = next((plain.removesuffix(end) for end in _ENDINGS if plain.endswith(end) and plain != end), plain)
    stem = stem.strip("_")
    right = f"{stem}_fn"
    meant = right if right in SIGNATURES else _OTHER_NAMES.get(stem) or _OTHER_NAMES.get(plain)
    if meant is None:
        edits = {right: 1 if len(right) < _LONG else 2 for right in SIGNATURES}
        meant = next((right for right in SIGNATURES if within(plain, right, edits[right])), None)
    if name.startswith("_") or meant is None or meant in bound:
        return None
    # transform_fn and the others do not go together.
    other = _STEPS if meant == "transform_fn" else {"transform_fn"} if meant in _STEPS else set()
    return None if bound & other else meant


def _unused_files(settings: Settings) -> Iterator[str]:
    folders = [folder.absolute() for folder in code_folders(settings)]
    seen = set()
    for folder in folders:
        for path in [*_python_files(folder), *_named_so_below(folder)]:
            seen.add(path)
            if names := _contract_names(path):
                wanted = folder / DEFAULT_PROGRAM
                how = f"{Variables.program.name}={path.relative_to(folder)}"
                yield f"{path} has {names}, and is not used: expected the name {wanted}, or {how}"
    places = f"in {' or '.join(f'{folder}/' for folder in folders)}"
    for folder in (settings.layout.model, settings.layout.base):
        for path in [*_python_files(folder), *_named_so_below(folder)]:
            if path not in seen and (names := _contract_names(path)):
                seen.add(path)
                yield f"{path} has {names}, and is not used: expected it {places}"
    here = _current_folder() / DEFAULT_PROGRAM
    if here not in seen and (names := _contract_names(here)):
        yield f"{here} has {names}, and is not used: expected it {places}"


def _current_folder() -> Path:
    try:
        return Path.cwd()
    except OSError:  # it has been removed
        return Path("/")


def _contract_names(path: Path) -> str:
    """Return the contract's functions that a file defines, in words; "" if it has none, or cannot be read."""
    tree = _parse(path)
    found = set(bound_names(tree.body)) if tree else set()
    names = [name for name in SIGNATURES if name in found]
    is_service = _ENTRY in found and any(word in path.stem for word in _SERVICE_FILES)
    return ", ".join(names or ([_ENTRY] if is_service else []))


def _parse(path: Path) -> ast.Module | None:
    try:
        return ast.parse(path.read_bytes()) if path.stat().st_size <= _LARGEST else None
    except (OSError, SyntaxError, ValueError):
        return None


def _python_files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix.lower() == ".py")[:_MOST_FILES]
    except OSError:
        return []


def _named_so_below(folder: Path) -> list[Path]:
    """Return the files of the handler's name one folder deeper."""
    try:
        inner = sorted(path for path in folder.iterdir() if is_folder(path))[:_MOST_FILES]
    except OSError:
        return []
    return [path for folder in inner if is_file(path := folder / DEFAULT_PROGRAM)]
