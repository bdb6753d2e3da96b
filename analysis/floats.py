"""Environments of LaTeX that hold a table."""

from enum import StrEnum


class Float(StrEnum):
    """The environment of a table: by its length, or as the paper wants it.

    ``longtable`` goes over several pages, and cannot stand in two columns; there ``table*`` is as wide as the page, and
    one that is longer than a page is divided.
    """

    AUTO = "auto"
    TABLE = "table"
    WIDE = "table*"
    LONG = "longtable"
