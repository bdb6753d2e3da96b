"""Small multiples: one panel a cell, in rows."""

import textwrap
from collections.abc import Iterator, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

COLUMNS = 4
TITLE = 24  # characters a line


class Panels:
    """A figure with one panel for each name."""

    def __init__(self, names: Sequence[str], width: float = 2.2, height: float = 1.8, share: bool = True) -> None:
        """Lay out.

        Args:
            names: titles of the panels.
            width: of a panel, inches.
            height: of a panel, inches.
            share: whether the panels have the same axes.
        """
        self.names = list(names)
        columns = min(COLUMNS, len(names))
        rows = -(-len(names) // columns)
        self.figure = Figure(figsize=(1.2 + width * columns, 0.4 + height * rows))
        axes = list(self.figure.subplots(rows, columns, sharex=share, sharey=share, squeeze=False).flat)
        self.axes: list[Axes] = axes[: len(names)]
        for index, ax in enumerate(axes):
            # Of shared axes only the outer ones have labels; those above an empty place are outer, too.
            if share and index + columns >= len(names):
                ax.tick_params(labelbottom=True)
            if index >= len(names):
                ax.remove()

    def __iter__(self) -> Iterator[tuple[str, Axes]]:
        """Name and axes of each panel, titled."""
        for name, ax in zip(self.names, self.axes, strict=True):
            ax.set_title(textwrap.fill(name, TITLE), fontsize=7)
            yield name, ax

    def share_legend(self) -> None:
        """One legend, beside the panels, in place of those of the panels that have one."""
        legends = [ax for ax in self.axes if ax.get_legend()]
        self.figure.legend(*legends[0].get_legend_handles_labels(), loc="outside right upper")
        for ax in legends:
            ax.legend().remove()

    def label(self, x: str, y: str, left_out: int) -> Figure:
        """Name the axes once for all; say how many cells are not shown."""
        for ax in self.axes:
            ax.set_xlabel("")
            ax.set_ylabel("")
        self.figure.supxlabel(f"{x} ({left_out} cells not shown)" if left_out else x, fontsize=8)
        self.figure.supylabel(y, fontsize=8)
        return self.figure
