"""Tests that the table in docs/reference/settings.md lists exactly the settings that the services read."""

import re
from collections.abc import Iterator
from typing import NamedTuple

import pytest
from pydantic import AliasChoices
from pydantic.fields import FieldInfo

from dispatcher.settings import DispatcherSettings
from runtime.settings import ServiceSettings
from tests.repository.tree import ROOT
from worker.settings import WorkerSettings

PAGE = ROOT / "docs" / "reference" / "settings.md"
SERVICES: dict[str, type[ServiceSettings]] = {"dispatcher": DispatcherSettings, "worker": WorkerSettings}
BEGIN, END = "<!-- settings -->", "<!-- /settings -->"


class Setting(NamedTuple):
    """An environment variable of one service, with its default or `required`."""

    service: str
    name: str
    default: str


def read_by_services() -> set[Setting]:
    """Return the settings that the code reads."""
    return {
        Setting(service, variable(name, field), default(field))
        for service, settings in SERVICES.items()
        for name, field in settings.model_fields.items()
    }


def variable(name: str, field: FieldInfo) -> str:
    """Return the environment variable of a field: its alias, or its name in capitals."""
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        alias = str(alias.choices[0])
    return alias.upper() if isinstance(alias, str) else name.upper()


def default(field: FieldInfo) -> str:
    """Return a default as the value of an environment variable."""
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def between_markers(text: str) -> list[str]:
    """Return the lines of the table."""
    match = re.search(f"{BEGIN}(.*?){END}", text, re.DOTALL)
    assert match, f"{PAGE.name} has no table between {BEGIN} and {END}"
    return match[1].splitlines()


def documented(text: str) -> Iterator[Setting]:
    """Yield the rows `| NAME | service | default | meaning |`; the service may be `both`."""
    for line in between_markers(text):
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        name = cells[0].strip("`")
        if len(cells) < 4 or not re.fullmatch(r"[A-Z][A-Z0-9_]*", name) or cells[1] == "service":
            continue
        services = SERVICES if cells[1] == "both" else re.findall(r"[a-z]+", cells[1])
        for service in services:
            yield Setting(service, name, cells[2].strip("`"))


@pytest.fixture(scope="module")
def table() -> set[Setting]:
    """The rows of the table in settings.md."""
    return set(documented(PAGE.read_text(encoding="utf-8")))


def test_every_setting_is_in_the_table(table: set[Setting]) -> None:
    """Every setting of a service is documented with its default."""
    assert sorted(read_by_services() - table) == []


def test_every_row_is_a_setting(table: set[Setting]) -> None:
    """Every documented setting exists in the code."""
    assert sorted(table - read_by_services()) == []


def test_every_row_has_a_meaning() -> None:
    """Each row of the table has a meaning in its last cell."""
    text = PAGE.read_text(encoding="utf-8")
    rows = [line.strip().strip("|").split("|") for line in between_markers(text) if line.strip()]
    assert len(rows) > 2
    assert [row for row in rows if len(row) < 4 or not row[3].strip()] == []


def test_a_row_for_both_services_is_read_as_two_settings() -> None:
    """A row for `both` is read as one setting of each service, and an empty cell as an empty default."""
    text = f"""{BEGIN}
| variable | service | default | meaning |
|---|---|---|---|
| `PORT` | both | `8080` | where to listen |
| `USER_AGENT` | worker | | what sites see |
{END}"""
    assert set(documented(text)) == {
        Setting("dispatcher", "PORT", "8080"),
        Setting("worker", "PORT", "8080"),
        Setting("worker", "USER_AGENT", ""),
    }
