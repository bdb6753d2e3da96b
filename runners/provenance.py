"""Where a run comes from: code, versions, machine."""

import ast
import hashlib
import platform
import subprocess
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import model

MODEL = Path(model.__file__).parent
PACKAGES = ("torch", "torch-geometric", "numpy", "scikit-learn", "pydantic", "ray", "mlflow")


@dataclass(frozen=True)
class Git:
    """Commit of the working tree, and what is not committed of it: files and their difference; empty when clean."""

    commit: str
    uncommitted: str


def code_digest(task: str = "", root: Path = MODEL) -> str:
    """Hash of the syntax trees of the model's code, and of a task's: comments, docstrings and layout do not change it.

    Of a task it is all code of the package that its module lies in; of a module that lies in none, itself.
    """
    sha = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        _add(sha, path, root)
    if task:
        from model.task_config import files

        code = files(task)
        for path in code:
            _add(sha, path, code[0].parent)
    return sha.hexdigest()[:12]


def _add(sha: "hashlib._Hash", path: Path, root: Path) -> None:
    tree = _Undocumented().visit(ast.parse(path.read_bytes()))
    sha.update(f"{path.relative_to(root).as_posix()}\n{ast.dump(tree)}\n".encode())


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
