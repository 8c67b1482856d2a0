"""Values of blocks: how the offline provider represents them in Python.

A block value is a dict with one key for each attribute and each nested block. `None` is null, and `UNKNOWN`
is a value that is known only after the apply. `block` arguments are BLOCKs as derive_schema.py writes them.
"""

from __future__ import annotations


class _Unknown:
    def __repr__(self) -> str:
        return "(known after apply)"


UNKNOWN = _Unknown()


def conform(block: dict, value: dict | None) -> dict:
    """Return `value` with exactly the block's keys: missing keys become null or empty, others are removed."""
    value = value or {}
    result = {name: value.get(name) for name in block["attributes"]}
    for name, nested in block["blocks"].items():
        given = value.get(name)
        if nested["nesting"] == "single" or given is UNKNOWN:
            result[name] = given if given in (None, UNKNOWN) else conform(nested["block"], given)
        else:
            result[name] = [conform(nested["block"], item) for item in given or []]
    return result


def instances(nested: dict, value) -> list[tuple[tuple, dict]]:
    """Return (steps of the path, value) of each block of one nested type."""
    if value is None or value is UNKNOWN:
        return []
    if nested["nesting"] == "single":
        return [((), value)]
    # Elements of a set have no index, so the path ends at the set.
    return [((i,) if nested["nesting"] == "list" else (), item) for i, item in enumerate(value)]


def is_set(value) -> bool:
    return value is not None and value != []
