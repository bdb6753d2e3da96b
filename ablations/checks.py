"""What is wrong with the settings in a matrix, each problem with its place."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ablations import settings
from ablations.designs import Path
from ablations.includes import Source
from ablations.matrix import Matrix, Range, UntilDecided
from ablations.overrides import OPTION, Override
from ablations.problems import message_of, nearest, path_of
from ablations.resolution import has
from ablations.settings import Settings
from model.configuration import Configuration

Place = tuple[str | int, ...]


class Checks:
    """Of the settings of one matrix."""

    def __init__(
        self, source: Source, base: Settings, overrides: Mapping[str, Override], kind: type[Configuration]
    ) -> None:
        """Nothing is checked yet.

        Args:
            source: the matrix as written.
            base: complete settings, with the overrides.
            overrides: of the command line, by dotted path.
            kind: of the configurations.
        """
        self.source, self.base, self.overrides, self.kind = source, base, overrides, kind

    def of_base(self) -> list[str]:
        """What is wrong with the base itself."""
        return self.of(self.base, ())

    def of_metrics(self, matrix: Matrix) -> Iterator[str]:
        """What is wrong with the metric that is compared, and that of a search, which is made large."""
        known = self.kind.metrics()
        wanted = {("metric", "name"): ("test/", matrix.metric.name, [*known])}
        if matrix.search:
            large = [name for name, direction in known.items() if direction == "max"]
            wanted["search", "metric"] = ("dev/", matrix.search.metric, large)
        for path, (split, metric, names) in wanted.items():
            if metric not in (full := [f"{split}{name}" for name in names]):
                yield f"{self.source.place(*path)}: {'.'.join(path)}: no metric '{metric}'; there are {', '.join(full)}"

    def of(self, written: Settings, place: Place) -> list[str]:
        """What is wrong with complete settings, of which what stands at ``place`` was changed."""
        try:
            self.kind.model_validate_json(json.dumps(written))
        except ValidationError as error:
            return [self._problem(detail, path_of(detail, written), written, place) for detail in error.errors()]
        return []

    def of_change(self, change: Mapping[str, Any], place: Place) -> list[str]:
        """What is wrong with the base under a change."""
        return self.of(settings.applied(self.base, change), place)

    def _problem(self, detail: ErrorDetails, path: Place, written: Settings, place: Place) -> str:
        """A problem of complete settings, with where its value was written."""
        message = message_of(detail, path, self.kind, written)
        dotted = ".".join(map(str, path))
        given = [key for key in self.overrides if dotted.startswith(key) or key.startswith(dotted)]
        if given and not place:
            return f"{OPTION} {given[0]}: {message}{self.overrides[given[0]].hint}"
        place = place or ("base", *path)
        return f"{self.source.place(*place)}: {message}{self.source.hint(*place)}"

    def of_search(self, matrix: Matrix) -> Iterator[str]:
        """What the form of the file alone does not tell, of a search and of ranges without one."""
        search, at = matrix.search, self.source.place
        if search and isinstance(matrix.seeds, UntilDecided):
            yield f"{at('seeds')}: design 'search' needs a number or a list of seeds, not 'until: decided'"
        ranges = [path for path, factor in matrix.factors.items() if isinstance(factor, Range)]
        if search is None or search.method == "grid":
            what = "method 'grid'" if search else f"design '{matrix.design[0].kind}'"
            for path in ranges:
                yield f"{at('factors', path)}: factor '{path}' is a range; {what} needs a list of levels"
        if search is None:
            return
        if matrix.tied:
            yield f"{at('tied')}: design 'search' has no 'tied'"
        if search.method == "bayesian" and not ranges:
            yield f"{at('search', 'method')}: method 'bayesian' needs a range; lists alone are a 'grid'"
        for path in matrix.factors:
            if path.partition(".")[0] == "data":
                yield f"{at('factors', path)}: factor '{path}': scores on other data cannot be compared"
        for seed in sorted({*search.seeds} & {*matrix.seed_list()}):
            yield f"{at('search', 'seeds')}: search.seeds: {seed} is also one of 'seeds', which must be fresh"

    def of_levels(self, matrix: Matrix) -> Iterator[str]:
        """What is wrong with levels, written cells, the other end of a path and the baseline."""
        for path, factor in matrix.factors.items():
            levels = {"low": factor.low, "high": factor.high} if isinstance(factor, Range) else dict(enumerate(factor))
            contexts = list(self._contexts(matrix, path))
            for key, level in levels.items():
                found = [self.of(settings.applied(c, {path: level}), ("factors", path, key)) for c in contexts]
                yield from found[0] if all(found) else ()
        for name, change in matrix.cells.items():
            yield from self.of_change(change, ("cells", name))
        if isinstance(matrix.baseline, dict):
            yield from self.of_change(matrix.baseline, ("baseline",))
        for number, design in enumerate(matrix.design):
            for path, value in design.to.items() if isinstance(design, Path) else ():
                yield from self.of_change({path: value}, ("design", number, "to", path))
                if path in matrix.factors:
                    yield f"{self.source.place('design', number)}: '{path}' is one of the factors, too"

    def _contexts(self, matrix: Matrix, path: str) -> Iterator[Settings]:
        """The base under each level of a factor above this one that has this setting; the base itself if none has."""
        above = {other: levels for other, levels in matrix.factors.items() if path.startswith(f"{other}.")}
        bases = [self.base]
        for other, levels in above.items():
            for level in () if isinstance(levels, Range) else levels:
                bases.append(settings.applied(self.base, {other: level}))
        usable = [base for base in bases if not above or (not self.of(base, ("factors", path)) and has(base, path))]
        yield from usable or bases[:1]

    def of_ties(self, matrix: Matrix) -> Iterator[str]:
        """What is wrong with tied factors and with the factors that a design names."""
        for number, paths in enumerate(matrix.tied):
            at = self.source.place("tied", number)
            yield from self._unknown(paths, matrix, at)
            counts = {path: len(f) for path in paths if not isinstance(f := matrix.factors.get(path, ()), Range)}
            if len({*counts.values()}) > 1:
                yield f"{at}: tied factors need as many levels as one another, got {counts}"
        tied = [path for paths in matrix.tied for path in paths]
        for path in sorted({path for path in tied if tied.count(path) > 1}):
            yield f"{self.source.place('tied')}: factor '{path}' is tied twice"
        for number, design in enumerate(matrix.design):
            yield from self._unknown(getattr(design, "factors", ()), matrix, self.source.place("design", number))

    def _unknown(self, paths: Sequence[str], matrix: Matrix, at: str) -> Iterator[str]:
        for path in paths:
            if path not in matrix.factors:
                yield f"{at}: no factor '{path}'{nearest(path, matrix.factors)}"
