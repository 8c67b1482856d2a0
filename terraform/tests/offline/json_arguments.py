"""Arguments that contain JSON: what Google returns for them, and when the provider ignores a difference.

Google drops zeros, empty strings and empty lists from the JSON that it returns, and adds values of its own.
The provider ignores what was added, but not what was dropped:
https://github.com/hashicorp/terraform-provider-google/blob/main/google/services/monitoring/resource_monitoring_dashboard.go
"""

from __future__ import annotations

import json


def names(rules: dict) -> list[str]:
    """Return the names of the arguments with JSON of one resource type."""
    return [name for name, form in rules.get("format", {}).items() if form == "json"]


def read(text: str) -> str:
    """Return the JSON that Google returns after it was sent `text`."""
    returned = _without_zeros(json.loads(text))
    if isinstance(returned, dict):
        returned["etag"] = "00000000"
    return json.dumps(returned, sort_keys=True)


def _without_zeros(value):
    # Fields that have their default value are not written: https://protobuf.dev/programming-guides/json/
    if isinstance(value, dict):
        kept = {key: _without_zeros(inner) for key, inner in value.items()}
        return {key: inner for key, inner in kept.items() if inner not in (None, "", [], 0)}
    return [_without_zeros(inner) for inner in value] if isinstance(value, list) else value


def same(returned: str, wanted: str) -> bool:
    """Return whether the provider finds no difference between what Google returned and what is wanted."""
    old, new = json.loads(returned), json.loads(wanted)
    return _restricted(old, new) == new


def _restricted(old, new):
    """Return `old` without the values that `new` does not set."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {key: _restricted(value, new[key]) for key, value in old.items() if key in new}
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [_restricted(*pair) for pair in zip(old, new, strict=True)]
    return old
