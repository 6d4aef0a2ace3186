"""The cells of a figure of kind ``"table"``, as words."""

from __future__ import annotations

from headwater.study.experiment import Figure, Table, selected
from headwater.study.words import ordered, word


def header(figure: Figure) -> list[str]:
    """Returns the labels of the columns."""
    return [column.label for column in figure.columns]


def cells(figure: Figure, table: Table) -> list[list[str]]:
    """Returns the rows, sorted by the columns that declare an order."""
    rows = list(selected(table.rows, figure.where))
    for column in reversed([column for column in figure.columns if column.order]):
        places = {value: place for place, value in enumerate(ordered([row.get(column.name) for row in rows], column))}
        rows.sort(key=lambda row, name=column.name, places=places: places[row.get(name)])
    return [[word(row.get(column.name), column.digits) for column in figure.columns] for row in rows]
