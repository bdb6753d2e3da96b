"""Tables and numbers for LaTeX: booktabs rules, siunitx columns, and one macro for each number."""

import re
import textwrap
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.floats import Float

JOINT = re.compile(r"[_+=,]")  # a long name may be broken after it
MINUS = re.compile(r"(?<![\w-])-(?=[\d.])")
GREEK = re.compile("[\u0391-\u03a1\u03a3-\u03a9\u03b1-\u03c1\u03c3-\u03c9]")
LATIN = {  # capitals that look the same
    "alpha": "A", "beta": "B", "epsilon": "E", "zeta": "Z", "eta": "H", "iota": "I", "kappa": "K", "mu": "M", "nu": "N",
    "omicron": "O", "rho": "P", "tau": "T", "chi": "X",
}  # fmt: skip
NUMBER = re.compile(r"[+-]?(\d*)\.?(\d*)")
_SPECIAL = str.maketrans(
    {character: rf"\{character}" for character in "&%$#_{}"}
    | {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "*": "{*}",  # at the start of a row it would belong to the end of the last one, as would the next
        "[": "{[}",
        "–": "--",
        "−": "--",
        "†": r"\textdagger{}",
        "±": r"$\pm$",
        "×": r"$\times$",
    }
)
# Numbers are aligned by siunitx where the paper loads it, else they are flush right. It prints them as they are
# written: with their plus, and without spaces between thousands.
PREAMBLE = r"""% needs \usepackage{array,booktabs,longtable}, and siunitx to align numbers at the decimal point
\makeatletter
\@ifundefined{NC@find@N}{\@ifpackageloaded{siunitx}
  {\newcolumntype{N}[1]{S[table-format=#1,retain-explicit-plus,group-digits=none]}}{\newcolumntype{N}[1]{r}}}{}
\makeatother"""
SIZES = ((60, r"\small"), (75, r"\footnotesize"))
SKIP = {r"\small": 11.0, r"\footnotesize": 9.5, r"\scriptsize": 8.0}  # points from line to line
TIGHT = 80  # characters of a line; from there on columns stand closer
BROKEN, LONG = r">{\raggedright\arraybackslash}p{.16\linewidth}", 18  # texts of so many characters in wide tables
NARROW = 14  # characters of a line of such a text
PAGE, CAPTION_LINE, CAPTION_CHARACTERS = 500.0, 12.0, 80  # points of a page, and of a line of a caption
LOOKUP = r"""% \input this file; \result{STUDY/cells/baseline/mean} is then a number of the study. Needs no package.
\providecommand{\result}[1]{\ifcsname result@#1\endcsname\csname result@#1\endcsname
  \else\errmessage{no result '#1' in the studies}\fi}%
"""


def escape(text: str) -> str:
    """Text as LaTeX prints it, in text and formulas: a minus before a number, and Greek letters by their names."""
    return MINUS.sub(r"\\ensuremath{-}", GREEK.sub(_greek, text.translate(_SPECIAL)))


def _greek(letter: re.Match[str]) -> str:
    size, _, name = unicodedata.name(letter[0]).removeprefix("GREEK ").partition(" LETTER ")
    name = name.partition(" ")[0].lower().replace("lamda", "lambda")  # as Unicode spells it
    if size == "SMALL":
        return "o" if name == "omicron" else rf"\ensuremath{{\{name}}}"
    known = name in ("gamma", "delta", "theta", "lambda", "xi", "pi", "sigma", "upsilon", "phi", "psi", "omega")
    return rf"\ensuremath{{\{name.capitalize()}}}" if known else LATIN[name]


def table(frame: pd.DataFrame, caption: str, label: str, kind: Float = Float.AUTO) -> str:
    r"""A table, numbers aligned at the decimal point.

    Args:
        frame: of texts; a column with numbers is aligned, and its other texts (a dash, ``< .001``) are centred.
        caption: text.
        label: of the table, as ``\ref`` takes it.
        kind: its environment; by default ``table``, or ``longtable`` where it is longer than a page.
    """
    texts = {str(name): frame[name].astype(str).tolist() for name in frame}
    heads = {name: _lines(name, max(map(len, column), default=0)) for name, column in texts.items()}
    width = sum(max(map(len, [*column, *heads[name]])) for name, column in texts.items())
    columns = [_column(column, width > SIZES[-1][0]) for column in texts.values()]
    rows = [" & ".join(row) + r" \\" for row in zip(*(cells for _, cells in columns), strict=True)]
    broken = [column for column, (form, _) in zip(texts.values(), columns, strict=True) if form == BROKEN]
    lines = [max(-(-len(text) // NARROW) for text in row) for row in zip(*broken, strict=True)] or [1] * len(rows)
    form = Form(
        kind, _size(width), 1 if width > TIGHT else 2, " ".join(form for form, _ in columns),
        rf"{' & '.join(_stacked(lines) for lines in heads.values())} \\", escape(caption), label,
    )  # fmt: skip
    parts = list(_pages(form, lines, len(caption)))
    if kind is Float.LONG or (kind is Float.AUTO and len(parts) > 1):
        return form.over_pages(rows)
    return "".join(form.on_a_page(rows[first:last], first > 0) for first, last in parts)


def _pages(form: "Form", lines: Sequence[int], characters: int) -> Iterator[tuple[int, int]]:
    """First and last row of each page of a table, by the lines that its rows take."""
    height = PAGE - CAPTION_LINE * (characters / CAPTION_CHARACTERS + 2)
    first, used = 0, 0.0
    for row, count in enumerate(lines):
        more = count * SKIP[form.size]
        if used + more > height and row > first:
            yield first, row
            first, used, height = row, 0.0, PAGE - 4 * CAPTION_LINE
        used += more
    yield first, len(lines)


@dataclass(frozen=True)
class Form:
    """What the parts of a table have in common.

    Attributes:
        kind: the environment.
        size: of the font.
        gap: between columns, in points.
        columns: their types.
        head: names of the columns.
        caption: as LaTeX takes it.
        label: of the first part.
    """

    kind: Float
    size: str
    gap: int
    columns: str
    head: str
    caption: str
    label: str

    def over_pages(self, rows: Sequence[str]) -> str:
        """One that LaTeX divides itself."""
        return "\n".join([
            PREAMBLE,
            rf"{{{self.size}\setlength{{\tabcolsep}}{{{self.gap}pt}}\setlength{{\LTcapwidth}}{{\linewidth}}",
            rf"\begin{{longtable}}{{{self.columns}}}",
            rf"\caption{{{self.caption}}} \label{{{self.label}}} \\",
            *(r"\toprule", self.head, r"\midrule", r"\endfirsthead"),
            *(r"\toprule", self.head, r"\midrule", r"\endhead"),
            *(r"\bottomrule", r"\endlastfoot"),
            *rows,
            "\\end{longtable}}\n",
        ])  # fmt: skip

    def on_a_page(self, rows: Sequence[str], more: bool) -> str:
        """One that floats; ``more`` is a further part, which has the number of the first."""
        name = Float.TABLE if self.kind is Float.AUTO else self.kind
        caption = rf"\caption{{{self.caption}}} \label{{{self.label}}}"
        return "\n".join([
            PREAMBLE,
            rf"\begin{{{name}}}\centering{self.size}\setlength{{\tabcolsep}}{{{self.gap}pt}}",
            r"\addtocounter{table}{-1}\caption[]{(continued)}" if more else caption,
            rf"\begin{{tabular}}{{{self.columns}}}",
            *(r"\toprule", self.head, r"\midrule"),
            *rows,
            r"\bottomrule",
            rf"\end{{tabular}}\end{{{name}}}" + "\n",
        ])  # fmt: skip


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
    if numbers and not any(found[1] for found in numbers):
        # siunitx would write a 0 before the point. All have the same places, and are aligned as they are.
        return "r", [escape(text) for text in texts]
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


def macros(study: str, table: str, readable: pd.DataFrame) -> str:
    r"""One macro for each cell of a table, by ``study/table/first column/column``.

    They may be read within a paragraph: no line of theirs is a space. A second row of the same name has ``(2)`` after
    it. The texts are those of the table, so that a number in the text of a paper is the number in its table.
    """
    lines, seen = [], dict[str, int]()
    for row in readable.astype(str).itertuples(index=False):
        key = _key(row[0])
        seen[key] = seen.get(key, 0) + 1
        name = key if seen[key] == 1 else f"{key} ({seen[key]})"
        for column, text in zip(list(readable)[1:], row[1:], strict=True):
            path = f"{study}/{table}/{name}/{_key(str(column))}"
            lines.append(rf"\expandafter\gdef\csname result@{path}\endcsname{{{escape(text)}}}%")
    return "\n".join(lines) + "\n"


def _key(text: str) -> str:
    """Without what cannot stand in the name of a macro."""
    return " ".join(re.sub(r"[\\{}%#~^&$†]", "", text).split())
