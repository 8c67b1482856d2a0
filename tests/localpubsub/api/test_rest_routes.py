"""The table of paths, held against the annotations that Google's client was generated from."""

import importlib
import re

import pytest

from localpubsub.api import rest_routes
from localpubsub.api.rest_routes import Route, find

SERVICES = {
    "publisher": "_BasePublisherRestTransport",
    "subscriber": "_BaseSubscriberRestTransport",
    "schema_service": "_BaseSchemaServiceRestTransport",
}


def annotated() -> set[tuple[str, str, str, str]]:
    """Every method of the client with its paths: lines as in our table."""
    lines = set()
    for service, name in SERVICES.items():
        module = importlib.import_module(f"google.pubsub_v1.services.{service}.transports.rest_base")
        for called, base in vars(getattr(module, name)).items():
            if called.startswith("_Base") and called != "_BaseStreamingPull":
                for option in base._get_http_options():  # noqa: SLF001 - there is no public list
                    body = option.get("body", "")
                    lines.add((called.removeprefix("_Base"), option["method"].upper(), option["uri"], body))
    return lines


def test_every_method_has_googles_paths() -> None:
    """No line more, none less: what Google adds to its client fails here until the table has it."""
    table = set(rest_routes.TABLE)
    assert len(table) == len(rest_routes.TABLE)
    # The client sends these two without the body which the annotations allow.
    assert {line[:3] for line in table} == {line[:3] for line in annotated()}
    assert table - annotated() == set()


@pytest.mark.parametrize(
    ("method", "path", "route"),
    [
        ("GET", "/v1/projects/p/topics/t", Route("GetTopic", "", "topic", "projects/p/topics/t")),
        ("GET", "/v1/projects/a.com:p/topics", Route("ListTopics", "", "project", "projects/a.com:p")),
        (
            "POST",
            "/v1/projects/p/topics/t%25:publish",
            Route("Publish", "*", "topic", "projects/p/topics/t%"),
        ),
        ("GET", "/v1/projects/p/topics/t:publish", None),
        ("POST", "/v1/projects/p/topics/t", None),
        ("GET", "/v1/projects/p/topics/t/", None),
        ("GET", "/v1/projects/p/topics/a/b", None),
        ("GET", "/v2/projects/p/topics/t", None),
        ("GET", "//v1/projects/p/topics/t", None),
    ],
)
def test_a_path_leads_to_one_method(method: str, path: str, route: Route | None) -> None:
    """A colon begins a verb at the end, and belongs to a project's name before."""
    assert find(method, path) == route


def test_no_path_leads_to_two_methods() -> None:
    """The order of the table decides nothing."""
    for name, method, template, _ in rest_routes.TABLE:
        path = re.sub(r"\{[\w.]+=([^}]+)\}", r"\1", template).replace("*", "x1y")
        found = [line[0] for line in rest_routes._ROUTES if line[1] == method and line[-1].fullmatch(path)]  # noqa: SLF001 - what is private is what is wrong, if it is
        assert found == [name]
