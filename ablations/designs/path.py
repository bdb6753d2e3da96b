"""From one configuration to another."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from ablations.designs.grid import combinations
from ablations.designs.space import Draft, Space
from model.base import Config

MOST = 8


class Path(Config):
    """From the baseline to another configuration, which differs in the settings ``to``: every way between them.

    The report flips one setting at a step, the one that helps most on dev (greedy, as in Fawcett and Hoos, Journal of
    Heuristics 2016), and gives the step's difference on test. All ``2 ** k`` cells between the two are run, not only
    those that the greedy path meets (``k (k + 1) / 2 + 1``): so the path is no longer a matter of the first choice, and
    each setting's mean effect over all orders (Shapley) can be told. At most 8 settings.
    """

    needs: ClassVar[tuple[str, ...]] = ()

    kind: Literal["path"] = "path"
    to: Annotated[dict[str, Any], Field(min_length=1, max_length=MOST, description="dotted settings of the other end")]

    def drafts(self, space: Space) -> Iterator[Draft]:
        """The baseline first, the other end last."""
        for change in combinations([({}, {path: value}) for path, value in self.to.items()]):
            yield Draft((space.baseline, change))
