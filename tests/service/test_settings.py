"""Settings of every service: read once, every fault told, none survived."""

from typing import Annotated

import pytest
from pydantic import Field

from service.settings import BadSettings, ServiceSettings, load, load_or_exit


class Kettle(ServiceSettings):
    """A service with a setting of its own."""

    degrees: Annotated[int, Field(ge=0, le=100)] = 100


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GOOGLE_CLOUD_PROJECT", "PORT", "HOST", "K_SERVICE", "K_REVISION", "PUBSUB_EMULATOR_HOST"):
        monkeypatch.delenv(name, raising=False)


def test_every_fault_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever deploys mends all of it in one go: each fault with its variable and what it got."""
    # Given an environment with one variable missing and two that are wrong
    monkeypatch.setenv("PORT", "80x")
    monkeypatch.setenv("DEGREES", "101")
    # When it is read
    with pytest.raises(BadSettings) as wrong:
        load(Kettle)
    # Then all three are named
    faults = str(wrong.value).split("; ")
    assert [fault.split(":")[0] for fault in faults] == ["GOOGLE_CLOUD_PROJECT", "PORT", "DEGREES"]
    assert faults[0] == "GOOGLE_CLOUD_PROJECT: missing"
    assert "'80x'" in faults[1]
    assert "'101'" in faults[2]


@pytest.mark.parametrize(
    ("name", "value"), [("PORT", "0"), ("PORT", "65536"), ("PORT", ""), ("GOOGLE_CLOUD_PROJECT", "")]
)
def test_a_value_outside_its_bounds_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    """A variable that is set to nothing is not taken for one that is not set."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setenv(name, value)
    with pytest.raises(BadSettings, match=f"^{name}: "):
        load(Kettle)


def test_what_is_not_set_has_its_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """A project is all that has to be said; other variables of the environment are not ours."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setenv("SOMETHING_ELSE", "x")
    settings = load(Kettle)
    assert (settings.google_cloud_project, settings.port, settings.degrees) == ("p", 8080, 100)
    assert settings.k_revision == "local"


def test_a_service_that_cannot_run_says_why_and_ends() -> None:
    """One sentence on standard error and status 1: what Python makes of a SystemExit with a text."""
    with pytest.raises(SystemExit) as end:
        load_or_exit(Kettle)
    assert str(end.value).endswith("does not start. GOOGLE_CLOUD_PROJECT: missing")
