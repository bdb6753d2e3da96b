"""The code of a user's task: its module, and all that it imports of the user's own."""

from __future__ import annotations

import ast
import importlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from model.base import InputError
from model.task_config import imported
from model.user_code import own

if TYPE_CHECKING:
    from collections.abc import Iterator


def files(task: str) -> dict[str, Path]:
    """The files that a task's results depend on, by name of the module.

    These are the package that its module lies in, or the module alone where it lies in none; every module that one of
    them imports, wherever the statement stands, except the standard library, installed packages and this project; and
    what the task lists as ``code``, by its path from the module. Imports are read and not executed, so the answer does
    not depend on what else the process has imported. What is imported by a name that is computed must be listed.

    Raises:
        InputError: a file that the task lists is not there.
    """
    module = importlib.import_module(task.partition(":")[0])
    path = Path(str(module.__file__))
    found = _listed(task, path.parent)
    waiting = [module.__name__]
    if "." in module.__name__:
        package = module.__name__.rpartition(".")[0]
        others = (other.relative_to(path.parent).with_suffix("") for other in path.parent.rglob("*.py"))
        waiting += [".".join([package, *other.parts]).removesuffix(".__init__") for other in others]
    while waiting:
        name = waiting.pop()
        place = _located(name)
        if place and name not in found:
            found[name] = place
            # Importing a module executes the packages that it lies in.
            waiting += [name.rpartition(".")[0], *_imports(name, place)]
    return dict(sorted(found.items()))


def shipped(task: str) -> tuple[Path, ...]:
    """What another machine needs to import a task: for each of its packages the folder, for other modules the file."""
    tops = sorted({name.partition(".")[0] for name in files(task) if not name.startswith("./")})
    return tuple(place for top in tops for place in _places(top)[:1])


def _listed(task: str, folder: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for listed in imported(task).code:
        place = folder / listed
        if not place.exists():
            raise InputError(f"task: {task} lists '{listed}' as its code, but {place} does not exist.")
        inside = sorted(place.rglob("*")) if place.is_dir() else [place]
        kept = [file for file in inside if file.is_file() and "__pycache__" not in file.parts]
        names = [Path(listed, file.relative_to(place)).as_posix() for file in kept]
        found.update(zip((f"./{name}" for name in names), kept, strict=True))
    return found


def _located(name: str) -> Path | None:
    """The file of a module of the user's own; None of any other, and of a package that is a mere folder."""
    top, *inner = name.split(".")
    for place in _places(top) if top else []:
        stem = place.joinpath(*inner)
        options = [stem / "__init__.py", stem.with_suffix(".py") if inner else stem]
        for option in options:
            if option.is_file():
                return option
    return None


def _places(top: str) -> list[Path]:
    """The folder of a package, or the file of a module, if it is the user's own."""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):  # an import hook refuses it, or it is __main__
        return []
    if spec is None:
        return []
    file = [spec.origin] if spec.origin and spec.has_location else []
    places = map(Path, spec.submodule_search_locations or file)
    return [place for place in places if own(place)]


def _imports(name: str, path: Path) -> Iterator[str]:
    """Names that a module imports; those from which it takes something may be modules or what is in them."""
    try:
        tree = ast.parse(path.read_bytes())
    except SyntaxError:  # a template, or of another version of Python: nothing can import it
        return
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            outer = package.split(".")[: 1 - node.level or None] if node.level else []
            source = ".".join([*outer, *([node.module] if node.module else [])])
            yield source
            yield from (f"{source}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and "import_module" in ast.dump(node.func):
            yield from (a.value for a in node.args[:1] if isinstance(a, ast.Constant) and isinstance(a.value, str))
