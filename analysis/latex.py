"""Tables and numbers for LaTeX: booktabs rules, siunitx columns, and one macro for each number."""

import re
import textwrap
from collections.abc import Sequence

import pandas as pd

JOINT = re.compile(r"[_+=,]")  # a long name may be broken after it
NUMBER = re.compile(r"[+-]?(\d*)\.?(\d*)")
_SPECIAL = str.maketrans(
    {character: rf"\{character}" for character in "&%$#_{}"}
    | {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "[": "{[}",  # at the start of a row it would belong to the end of the last one
        "–": "--",
        "−": "--",
        "†": r"\textdagger{}",
        "±": r"$\pm$",
        "×": r"$\times$",
    }
)
# Numbers are aligned by siunitx where the paper loads it, else they are flush right.
PREAMBLE = r"""% needs \usepackage{array,booktabs,longtable}, and siunitx to align numbers at the decimal point
\makeatletter
\@ifundefined{NC@find@N}{\@ifpackageloaded{siunitx}
  {\newcolumntype{N}[1]{S[table-format=#1]}}{\newcolumntype{N}[1]{r}}}{}
\makeatother"""
SIZES = ((60, r"\small"), (75, r"\footnotesize"))
TIGHT = 80  # characters of a line; from there on columns stand closer
BROKEN, LONG = r">{\raggedright\arraybackslash}p{.16\linewidth}", 18  # texts of so many characters in wide tables
LOOKUP = r"""% \input this file once; \result{cells/baseline/mean} is then a number of this study. Needs no package.
\providecommand{\result}[1]{\ifcsname result@#1\endcsname\csname result@#1\endcsname
  \else\errmessage{no result '#1' in the study}\fi}
"""


def escape(text: str) -> str:
    """Text as LaTeX prints it."""
    return text.translate(_SPECIAL)


def longtable(frame: pd.DataFrame, caption: str, label: str) -> str:
    r"""A table that may go over several pages, numbers aligned at the decimal point.

    Args:
        frame: of texts; a column with numbers is aligned, and its other texts (a dash, ``< .001``) are centred.
        caption: text.
        label: of the table, as ``\ref`` takes it.
    """
    texts = {str(name): frame[name].astype(str).tolist() for name in frame}
    heads = {name: _lines(name, max(map(len, column), default=0)) for name, column in texts.items()}
    width = sum(max(map(len, [*column, *heads[name]])) for name, column in texts.items())
    columns = [_column(column, width > SIZES[-1][0]) for column in texts.values()]
    head = " & ".join(_stacked(lines) for lines in heads.values())
    rows = zip(*(cells for _, cells in columns), strict=True)
    body = [" & ".join(row) + r" \\" for row in rows]
    gap = 1 if width > TIGHT else 2
    lines = [
        PREAMBLE,
        rf"{{{_size(width)}\setlength{{\tabcolsep}}{{{gap}pt}}\setlength{{\LTcapwidth}}{{\linewidth}}",
        rf"\begin{{longtable}}{{{' '.join(kind for kind, _ in columns)}}}",
        rf"\caption{{{escape(caption)}}} \label{{{label}}} \\",
        *(r"\toprule", rf"{head} \\", r"\midrule", r"\endfirsthead"),
        *(r"\toprule", rf"{head} \\", r"\midrule", r"\endhead"),
        *(r"\bottomrule", r"\endlastfoot"),
        *body,
        r"\end{longtable}}",
    ]
    return "\n".join(lines) + "\n"


def _size(width: int) -> str:
    """Font in which so many characters fit on a line of 345 pt, about."""
    return next((size for most, size in SIZES if width <= most), r"\scriptsize")


def _lines(name: str, width: int) -> list[str]:
    """The head of a column, on as many lines as keep it within the column's width where its words allow it."""
    return textwrap.wrap(name, max(width, *map(len, name.split())), break_long_words=False) if name else [""]


def _stacked(lines: Sequence[str]) -> str:
    """In braces, which siunitx takes for text."""
    if len(lines) == 1:
        return f"{{{escape(lines[0])}}}"
    stack = r" \\ ".join(map(escape, lines))
    return rf"{{\begin{{tabular}}[b]{{@{{}}l@{{}}}}{stack}\end{{tabular}}}}"


def _column(texts: Sequence[str], wide: bool) -> tuple[str, list[str]]:
    """Kind of a column, and its cells; ``wide`` is the table."""
    numbers = [found for text in texts if text and (found := NUMBER.fullmatch(text))]
    if not numbers:
        words = [word for text in texts for word in JOINT.sub(" ", text).split()]
        if wide and max(map(len, texts), default=0) >= LONG > max(map(len, words), default=0):
            return BROKEN, [JOINT.sub(r"\g<0>\\allowbreak{}", escape(text)) for text in texts]
        return "l", [escape(text) for text in texts]
    whole, places = (max(len(found[group]) for found in numbers) for group in (1, 2))
    sign = "+" if any(found[0][0] in "+-" for found in numbers) else ""
    return f"N{{{sign}{max(whole, 1)}.{places}}}", [
        text if text and NUMBER.fullmatch(text) else f"{{{escape(text)}}}" for text in texts
    ]


def macros(table: str, readable: pd.DataFrame) -> str:
    r"""One ``\newcommand`` for each cell of a table, by ``table/first column/column``.

    A second row of the same name has ``(2)`` after it. The texts are those of the table, so that a number in the text
    of a paper is the number in its table.
    """
    lines, seen = [], dict[str, int]()
    for row in readable.astype(str).itertuples(index=False):
        key = _key(row[0])
        seen[key] = seen.get(key, 0) + 1
        name = key if seen[key] == 1 else f"{key} ({seen[key]})"
        for column, text in zip(list(readable)[1:], row[1:], strict=True):
            path = f"{table}/{name}/{_key(str(column))}"
            lines.append(rf"\expandafter\newcommand\csname result@{path}\endcsname{{{escape(text)}}}")
    return "\n".join(lines) + "\n"


def _key(text: str) -> str:
    """Without what cannot stand in the name of a macro."""
    return " ".join(re.sub(r"[\\{}%#~^&$†]", "", text).split())
