"""Finds what is valid in a recipe or a crawl, but probably not what its author meant. Pure."""

from collections.abc import Iterator
from datetime import date, datetime

from contract.faults import Fault
from contract.fields import FieldType
from contract.quoting import quote, shorten
from contract.recipe import Recipe, RecipeField
from contract.request import SECRET, PageRequest
from contract.urls import check_url

#: Header fields whose values are passwords: with such a value in it, each job and the ledger have it, too.
_CREDENTIALS = frozenset(
    {"authorization", "x-api-key", "api-key", "apikey", "x-auth-token", "x-access-token"}
)
_DESCRIPTIONS = {
    FieldType.TEXT: "a text",
    FieldType.NUMBER: "a number",
    FieldType.INTEGER: "an integer",
    FieldType.BOOLEAN: "true or false",
    FieldType.URL: "an absolute http(s) URL",
    FieldType.HTML: "a text",
    FieldType.DATE: "a date such as 2026-11-22, in quotes",
    FieldType.DATETIME: "a date and time such as 2026-11-22T06:00:00+01:00, in quotes",
}


def recipe_warnings(recipe: Recipe) -> list[Fault]:
    """Return a warning for each `default` that is not of its field's type."""
    return list(_default_warnings(recipe.fields, "fields"))


def _default_warnings(fields: dict[str, RecipeField], path: str) -> Iterator[Fault]:
    for name, field in fields.items():
        where = f"{path}.{name}"
        yield from _default_warnings(field.fields, f"{where}.fields")
        if field.default is not None and not _is_of_field(field, field.default):
            given = (
                quote(field.default) if isinstance(field.default, str) else shorten(repr(field.default), 200)
            )
            message = f"{given} is not {_describe(field)}, as the field's values are"
            yield Fault(f"{where}.default", message)


def _describe(field: RecipeField) -> str:
    if field.fields:
        return "a list of objects" if field.items is not None else "an object"
    one = _DESCRIPTIONS[field.type]
    return f"a list, each of its values {one}" if field.many else one


def _is_of_field(field: RecipeField, value: object) -> bool:
    if field.fields:
        return isinstance(value, list if field.items is not None else dict)
    if field.many:
        return isinstance(value, list) and all(_is_of_type(field.type, each) for each in value)
    return _is_of_type(field.type, value)


def _is_of_type(kind: FieldType, value: object) -> bool:
    if kind is FieldType.BOOLEAN or isinstance(value, bool):
        return kind is FieldType.BOOLEAN and isinstance(value, bool)
    if kind in {FieldType.NUMBER, FieldType.INTEGER}:
        return isinstance(value, int) or (kind is FieldType.NUMBER and isinstance(value, float))
    if not isinstance(value, str):
        return False
    read = {FieldType.URL: check_url, FieldType.DATE: date.fromisoformat, FieldType.DATETIME: _read_time}
    try:
        read.get(kind, str)(value)
    except ValueError:
        return False
    return True


def _read_time(text: str) -> datetime:
    if "T" not in text:
        raise ValueError(text)
    return datetime.fromisoformat(text)


def request_warnings(request: PageRequest) -> list[Fault]:
    """Return a warning for each header field with a password that is not a secret."""
    return [
        Fault(
            f"request.headers.{name}",
            "its value is stored in each job and in the ledger; write {secret:NAME} instead of a password",
        )
        for name, value in request.headers.items()
        if name.lower() in _CREDENTIALS and not SECRET.search(value)
    ]
