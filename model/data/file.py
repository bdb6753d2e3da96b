"""What the data sets share that are read from a file."""

from abc import abstractmethod
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from model.base import Config, DataError
from model.data.dataset import Dataset


def _absolute(path: str) -> str:
    """A worker's working directory is not the driver's."""
    return str(Path(path).absolute())


def is_there(path: Path) -> bool:
    """Whether a path is that of a file; that of a path which the system refuses it is not."""
    try:
        return path.is_file()
    except OSError:
        return False


class DataFile(Config):
    """A data set in one file."""

    path: Annotated[str, AfterValidator(_absolute), Field(description="the file")]

    @abstractmethod
    def load(self) -> Dataset:
        """Read and check the file.

        Raises:
            DataError: it is missing, cannot be read or breaks a rule of ``Dataset``.
        """

    def identity(self) -> dict[str, Any]:
        """What identifies the data in a cell: the file's name without its folder, so that a file may move."""
        return self.model_dump(mode="json") | {"path": Path(self.path).name}

    def existing(self) -> Path:
        """The path of the file.

        Raises:
            DataError: there is no such file.
        """
        path = Path(self.path)
        if not is_there(path):
            raise DataError(f"data.path: no file {path}; give one with --set data.path=FILE.")
        return path
