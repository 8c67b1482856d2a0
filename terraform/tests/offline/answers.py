"""What the provider writes into the state after Google has answered, beyond what the configuration sets.

The provider is built with Terraform's older SDK, to which an unset argument and one that has its zero value
are the same: after an apply, the state has "" or false where the configuration has nothing, and the next plan
has no difference. answers.json contains these values by type and dotted path:

    defaults   set where the configuration sets nothing
    full       full names of resources, which replace the short names of the configuration
"""

from __future__ import annotations

from values import UNKNOWN

ZEROS = ("", 0, [], {})  # 0 is also False


def fill(block: dict, rules: dict, value: dict, render) -> dict:
    """Return the applied values with the defaults and full names; `render` fills a template."""
    full = {name: render(template) for name, template in rules.get("full", {}).items()}
    return {**_filled(block, rules.get("defaults", {}), value, render, ""), **full}


def _filled(block: dict, defaults: dict, value: dict, render, prefix: str) -> dict:
    result = dict(value)
    for path, default in defaults.items():
        name = path.removeprefix(prefix)
        if path.startswith(prefix) and "." not in name and result.get(name) in (None, UNKNOWN, []):
            result[name] = render(default)
    # Since release 7, a resource can be protected or abandoned; by default it is deleted.
    if "deletion_policy" in block["attributes"] and result["deletion_policy"] in (None, UNKNOWN):
        result["deletion_policy"] = "DELETE"
    for name, nested in block["blocks"].items():
        if isinstance(result[name], list):
            result[name] = [
                _filled(nested["block"], defaults, item, render, f"{prefix}{name}.") for item in result[name]
            ]
    return result


def keep(block: dict, rules: dict, planned: dict, prior: dict) -> dict:
    """Return the planned values with those of the state wherever the provider sees no difference."""
    kept = _kept(block, rules.get("defaults", {}), planned, prior, "")
    for name in rules.get("full", {}):
        if isinstance(kept[name], str) and prior[name].endswith(f"/{kept[name]}"):
            kept[name] = prior[name]
    return kept


def _kept(block: dict, defaults: dict, planned: dict, prior: dict, prefix: str) -> dict:
    result = dict(planned)
    for name in block["attributes"]:
        before = prior.get(name)
        default = prefix + name in defaults or name == "deletion_policy"
        if result.get(name) is None and before is not None and (before in ZEROS or default):
            result[name] = before
    for name, nested in block["blocks"].items():
        before, after = prior.get(name), result[name]
        if after == [] and prefix + name in defaults:
            result[name] = before
            continue
        if not isinstance(before, list) or not isinstance(after, list):
            continue
        path = f"{prefix}{name}."
        if nested["nesting"] == "list":
            pairs = zip(after, [*before, *after[len(before) :]], strict=False)
            result[name] = [_kept(nested["block"], defaults, *pair, path) for pair in pairs]
        else:  # Elements of a set are compared with each other, because they have no index.
            same = {
                number: old
                for number, item in enumerate(after)
                for old in before
                if _kept(nested["block"], defaults, item, old, path) == old
            }
            result[name] = [same.get(number, item) for number, item in enumerate(after)]
    return result
