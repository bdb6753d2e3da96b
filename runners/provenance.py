"""Where a run comes from: code, versions, machine."""

import ast
import functools
import hashlib
import platform
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import model

MODEL = Path(model.__file__).parent
MOST_TEXT = 4000  # characters of a tag
PACKAGES = ("torch", "torch-geometric", "numpy", "scikit-learn", "pydantic", "ray", "mlflow")


@dataclass(frozen=True)
class Git:
    """Commit of the working tree, and what is not committed of it: files and their difference; empty when clean."""

    commit: str
    uncommitted: str


def code_digest(task: str = "", root: Path = MODEL) -> str:
    """Hash of the syntax trees of the model's code, and of a task's: comments, docstrings and layout do not change it.

    Of a task it is all of ``model.task_code.files``.
    """
    sha = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        _add(sha, path.relative_to(root).as_posix(), path)
    if task:
        from model.task_code import files

        for name, path in files(task).items():
            _add(sha, name, path)
    return sha.hexdigest()[:12]


@functools.cache
def code_files(task: str) -> str:
    """Names of the modules and files that a task's code digest is of, as a tag can hold them."""
    from model.task_code import files

    text = ", ".join(files(task))
    return text if len(text) <= MOST_TEXT else f"{text[:MOST_TEXT].rpartition(',')[0]}, and others"


def _add(sha: "hashlib._Hash", name: str, path: Path) -> None:
    content = path.read_bytes()
    try:
        text = ast.dump(_Undocumented().visit(ast.parse(content))) if path.suffix == ".py" else ""
    except SyntaxError:
        text = ""
    sha.update(f"{name}\n{text or hashlib.sha256(content).hexdigest()}\n".encode())


class _Undocumented(ast.NodeTransformer):
    """Drops docstrings: the strings that stand alone as a statement."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        constant = node.value.value if isinstance(node.value, ast.Constant) else None
        return None if isinstance(constant, str) else node


def git(root: Path = MODEL) -> Git:
    """State of the repository that holds the code; ``unknown`` where there is none."""
    commit = _git(root, "rev-parse", "HEAD").strip()
    changed = _git(root, "status", "--porcelain") if commit else ""
    return Git(commit or "unknown", f"{changed}\n{_git(root, 'diff', 'HEAD')}" if changed else "")


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout


def versions() -> dict[str, str]:
    """Versions of Python and of the packages that a result can depend on."""
    return {"python": platform.python_version()} | {name: metadata.version(name) for name in PACKAGES}
