"""A matrix to start from."""

from pathlib import Path

from ablations.problems import MatrixError
from ablations.record import STUDY_NAME

TEMPLATE, SCHEMA = Path(__file__).with_name("template.yaml"), Path(__file__).with_name("matrix.schema.json")


def start(path: Path) -> None:
    """Write a commented matrix, whose study has the name of the file.

    Raises:
        MatrixError: there is such a file, it cannot be written, or its name is none for a study.
    """
    if not STUDY_NAME.fullmatch(path.stem) or path.suffix not in (".yaml", ".yml"):
        raise MatrixError(
            f"{path}: name it STUDY.yaml, where STUDY has small letters, digits, _ and - alone, as ablations/loss.yaml"
        )
    text = TEMPLATE.read_text(encoding="utf-8").replace("ablations/template.yaml", str(path))
    text = text.replace("template", path.stem)
    if path.absolute().parent != TEMPLATE.parent:
        text = text.replace("$schema=matrix.schema.json", f"$schema={SCHEMA}")
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise MatrixError(f"{path} exists already; choose another name") from error
    except OSError as error:
        raise MatrixError(f"{path} cannot be written: {error.strerror}") from error
