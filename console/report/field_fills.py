"""Makes from the fields of a run what the chart of the fields shows. Pure."""

from collections.abc import Sequence

from console.ledger.field_rows import FieldRow
from console.report.charts import FieldFill


def field_names(fields: Sequence[FieldRow]) -> list[str]:
    """Return the name of each field, with that of its recipe if the run has several recipes."""
    several = len({each.recipe for each in fields}) > 1
    return [f"{each.recipe}: {each.field}" if several else each.field for each in fields]


def field_fills(fields: Sequence[FieldRow]) -> list[FieldFill]:
    """Return how many items have a value in each field; the rows about whole pages are left out."""
    named = [each for each in fields if each.field]
    return [
        FieldFill(name, each.filled, each.items, each.previous_rate)
        for name, each in zip(field_names(named), named, strict=True)
    ]
