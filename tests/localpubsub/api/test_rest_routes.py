"""The routes of the REST API, compared with those of the official client."""

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


def routes_of_the_client() -> set[tuple[str, str, str, str]]:
    """Return the routes of the official client, as rows of the table."""
    rows = set()
    for service, name in SERVICES.items():
        module = importlib.import_module(f"google.pubsub_v1.services.{service}.transports.rest_base")
        for class_name, base in vars(getattr(module, name)).items():
            if class_name.startswith("_Base") and class_name != "_BaseStreamingPull":
                for option in base._get_http_options():  # noqa: SLF001 - the client has no public list
                    body = option.get("body", "")
                    rows.add(
                        (class_name.removeprefix("_Base"), option["method"].upper(), option["uri"], body)
                    )
    return rows


def test_routes_are_those_of_the_official_client() -> None:
    """The table has exactly these routes; a method that Google adds to its client fails this test."""
    table = set(rest_routes.TABLE)
    assert len(table) == len(rest_routes.TABLE)
    # The client sends two methods without the body that the annotations allow.
    assert {row[:3] for row in table} == {row[:3] for row in routes_of_the_client()}
    assert table - routes_of_the_client() == set()


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
def test_path_is_found(method: str, path: str, route: Route | None) -> None:
    """A colon in the last segment begins a verb; in a project id it is part of the id."""
    assert find(method, path) == route


def test_path_matches_one_route_only() -> None:
    """The order of the table has no effect."""
    for name, method, template, _ in rest_routes.TABLE:
        path = re.sub(r"\{[\w.]+=([^}]+)\}", r"\1", template).replace("*", "x1y")
        found = [row[0] for row in rest_routes._ROUTES if row[1] == method and row[-1].fullmatch(path)]  # noqa: SLF001 - find() would return the first match only
        assert found == [name]
