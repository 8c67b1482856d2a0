"""Tests of the routes of the REST API against those of the official client."""

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


#: Methods that have no gRPC service.
REST_ONLY = {"ValidateMessageTransform", "TestMessageTransforms"}


def routes_of_the_client() -> set[tuple[str, str, str, str]]:
    """Return the routes of the official client, as rows of the table."""
    rows = set()
    for service, name in SERVICES.items():
        module = importlib.import_module(f"google.pubsub_v1.services.{service}.transports.rest_base")
        for class_name, base in vars(getattr(module, name)).items():
            if class_name.startswith("_Base") and class_name != "_BaseStreamingPull":
                for option in base._get_http_options():  # noqa: SLF001 - the client has no public list of routes
                    body = option.get("body", "")
                    rows.add(
                        (class_name.removeprefix("_Base"), option["method"].upper(), option["uri"], body)
                    )
    return rows


def test_routes_are_those_of_the_official_client() -> None:
    """The table contains the routes of the installed official client, and those of REST only."""
    table = {row for row in rest_routes.TABLE if row[0] not in REST_ONLY}
    assert len(table) == len(rest_routes.TABLE) - len(REST_ONLY)
    # The client may also have variants of these routes with another body.
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
def test_path_finds_its_route(method: str, path: str, route: Route | None) -> None:
    """A path finds its route or None; a colon begins a verb only in the last segment."""
    assert find(method, path) == route


def test_path_matches_one_route_only() -> None:
    """No path matches two rows of the table, so the order of the rows has no effect."""
    for name, method, template, _ in rest_routes.TABLE:
        path = re.sub(r"\{[\w.]+=([^}]+)\}", r"\1", template).replace("*", "x1y")
        found = [row[0] for row in rest_routes._ROUTES if row[1] == method and row[-1].fullmatch(path)]  # noqa: SLF001 - find() would return the first match only
        assert found == [name]
