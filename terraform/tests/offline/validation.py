"""Validates the arguments of a resource: settable attributes, enumerated values, and the rules of rules.json.

Terraform itself validates names, types and nesting. In the functions below, the parameter
`rules` is the entry of one resource type in rules.json.
"""

from __future__ import annotations

import base64
import binascii
import json
import re

from values import UNKNOWN, instances, is_set


class Problem(Exception):
    """An error that Terraform shows, with the path of the argument that causes it."""

    def __init__(self, summary: str, detail: str = "", path: tuple = ()):
        super().__init__(summary)
        self.summary, self.detail, self.path = summary, detail, path


def validate(block: dict, config: dict, rules: dict) -> list[Problem]:
    """Return all problems of a configuration."""
    return list(_attributes(block, config, ())) + list(_rules(block, config, rules, (), ""))


def _attributes(block: dict, value: dict, path: tuple):
    for name, attribute in block["attributes"].items():
        given = value.get(name)
        if given is None:
            continue
        # Every resource has an "id", which only the provider sets.
        if (name == "id" and not path) or not (attribute.get("optional") or attribute.get("required")):
            yield Problem(f'"{name}" cannot be set: the provider decides its value', path=(*path, name))
        allowed = attribute.get("enum", [])
        for item in given if isinstance(given, list) else [given]:
            if allowed and isinstance(item, str) and item not in (*allowed, ""):
                yield Problem(
                    f"expected {name} to be one of {json.dumps(allowed)}, got {item}", path=(*path, name)
                )
    for name, nested in block["blocks"].items():
        for step, item in instances(nested, value.get(name)):
            yield from _attributes(nested["block"], item, (*path, name, *step))


def _rules(block: dict, value: dict, rules: dict, path: tuple, prefix: str):
    """Yield violations of the rules for arguments of this block and of its nested blocks.

    `prefix` is the dotted path of this block in rules.json.
    """

    def own_name(dotted: str) -> str | None:
        """Return the name of an argument directly in this block, or None for any other argument."""
        name = dotted[len(prefix) :]
        return name if dotted.startswith(prefix) and "." not in name else None

    def set_ones(names):
        return [name for name in names if is_set(value.get(name))]

    for kind, wording in (("exactly_one_of", "exactly"), ("at_least_one_of", "at least")):
        for group in rules.get(kind, []):
            names = [own_name(dotted) for dotted in group]
            if None in names:
                continue
            present = set_ones(names)
            known = [n for n in present if value[n] is not UNKNOWN]
            if not present or (kind == "exactly_one_of" and len(known) > 1):
                found = ", ".join(present) or "none"
                yield Problem(f"{wording} one of {', '.join(names)} must be set, got {found}", path=path)
    for dotted, others in rules.get("conflicts_with", {}).items():
        name = own_name(dotted)
        if name and is_set(value.get(name)):
            for other in set_ones(n for n in map(own_name, others) if n):
                if UNKNOWN in (value[name], value[other]):  # An unknown value may become null.
                    continue
                yield Problem(f'"{name}" conflicts with "{other}"', path=(*path, name))
    for dotted, others in rules.get("required_with", {}).items():
        name = own_name(dotted)
        if name and is_set(value.get(name)):
            for other in map(own_name, others):
                if other and not is_set(value.get(other)):
                    yield Problem(f'"{name}" requires "{other}" to be set as well', path=(*path, name))
    for dotted, form in rules.get("format", {}).items():
        name = own_name(dotted)
        if name and isinstance(value.get(name), str) and not well_formed(form, value[name]):
            wanted = f"valid {form}" if form in ("json", "base64") else f"of the form {form}"
            yield Problem(f'"{name}" is not {wanted}: {value[name][:80]!r}', path=(*path, name))
    for name, nested in block["blocks"].items():
        for step, item in instances(nested, value.get(name)):
            yield from _rules(nested["block"], item, rules, (*path, name, *step), f"{prefix}{name}.")


def well_formed(form: str, text: str) -> bool:
    """Return whether a text is valid JSON, valid base64, or matches the regular expression `form`."""
    try:
        if form == "json":
            json.loads(text)
        elif form == "base64":
            base64.b64decode(text, validate=True)
        else:
            return re.match(form, text) is not None
    except (ValueError, binascii.Error):
        return False
    return True
