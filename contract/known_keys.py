"""Finds what an author probably meant by an unknown key or value of a crawl or recipe."""

import re
from difflib import get_close_matches
from typing import get_args, get_origin

from pydantic import BaseModel

MAX_VALUE_CHARACTERS = 80  #: the comparison of a longer value would only take time


def suggest_key(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """Return the known key of the same object that is nearest to an unknown key; `""` if none is near.

    Args:
        model: the class of the document.
        location: the path of the unknown key, as pydantic reports it.
    """
    *parents, key = location
    annotations: list[object] = [model]
    for part in parents:
        annotations = [inner for each in annotations for inner in _inside(each, part)]
    known = [name for each in annotations for found in _models(each) for name in found.model_fields]
    return next(iter(get_close_matches(str(key).lower(), known, n=1)), "")


def suggest_value(expected: str, given: object) -> str:
    """Return the expected value that is nearest to an unknown one; `""` if none is near.

    Args:
        expected: the values, as pydantic lists them: `'text', 'number' or 'url'`.
        given: the unknown value.
    """
    known = re.findall(r"'([^']+)'", expected)
    return next(iter(get_close_matches(str(given)[:MAX_VALUE_CHARACTERS].lower(), known, n=1)), "")


def _inside(annotation: object, part: int | str) -> list[object]:
    """Return the annotations of a part of a value; a part that only names an alternative changes nothing."""
    found = list[object]()
    for model in _models(annotation):
        if part in model.model_fields:
            found.append(model.model_fields[str(part)].annotation)
    for container in _containers(annotation):
        found.append(get_args(container)[-1 if get_origin(container) is dict else 0])
    return found or [annotation]


def _models(annotation: object) -> list[type[BaseModel]]:
    """Return the models among the alternatives of an annotation."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) in {dict, tuple, list}:
        return []
    return [model for inner in get_args(annotation) for model in _models(inner)]


def _containers(annotation: object) -> list[object]:
    """Return the dictionaries, tuples and lists among the alternatives of an annotation."""
    if get_origin(annotation) in {dict, tuple, list}:
        return [annotation]
    return [found for inner in get_args(annotation) for found in _containers(inner)]
