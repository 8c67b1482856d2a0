"""Tests with real processes that the value of a secret reaches its site, and no file of the system."""

import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from console.stack.services import AckPolicy, StackOptions
from console.stack.stack import Stack
from tests.journey.dispatching import await_accounting, await_dead_jobs, dispatch
from tests.servers.site import Site, http, redirect, running_site

VALUE = "s3cr3t-Value/that+nobody=may&find"
REQUEST = {
    "method": "POST",
    "headers": {"Authorization": "Bearer {secret:TOKEN}"},
    "cookies": {"session": "{secret:TOKEN}"},
    "body": {"key": "{secret:TOKEN}"},
}
RECIPE = {
    "name": "page",
    "fields": {"title": {"css": "h1", "transforms": ["upper"], "required": True}, "text": {"css": "p"}},
    "next": "a.next",
}


@pytest.fixture
def hostile_site() -> Iterator[Site]:
    """Run a site that repeats the value wherever a response can contain it."""
    with running_site() as site:
        escaped = quote(VALUE, safe="")
        page = f"<h1>{VALUE}</h1><p>{escaped}</p><a class=next href='/next?key={escaped}'>on</a>"
        site.add("/page", http(200, page.encode()))
        site.add("/json", http(200, json.dumps({"a": VALUE}).encode(), content_type="application/json"))
        site.add("/redirect", redirect(f"/gone?key={escaped}"))
        site.add("/gone", http(404, VALUE.encode(), f"X-Key: {VALUE}"))
        site.add("/location", redirect(f"ftp://files.example/{'x' * 150}/{VALUE}"))
        site.add("/type", http(200, b"", content_type=f"application/zip; key={VALUE}"))
        yield site


def forms(value: str) -> list[bytes]:
    """Return the value as it is, percent-encoded, and within base64 at each of the three positions."""
    inside = [b64encode(b"\0" * shift + value.encode())[4:-4] for shift in range(3)]
    return [value.encode(), quote(value, safe="").encode(), value.upper().encode(), *inside]


def test_value_of_a_secret_is_nowhere_but_at_its_site(tmp_path: Path, hostile_site: Site) -> None:
    """The site gets the value, and repeats it in every way; no file of the whole system contains it."""
    origin = hostile_site.url("").removesuffix("/")
    options = StackOptions(
        data=tmp_path / "data",
        ack_policy=AckPolicy.SETTLED,
        environment={"FETCH_SECRETS": f"TOKEN={origin}", "SECRET_TOKEN": VALUE, "MAX_ATTEMPTS": "2"},
    )
    paths = ("/page", "/json", "/redirect", "/location", "/type")
    with running_site() as other_site, Stack(options) as stack:
        # When crawls with the secret are dispatched, also to a site that must not have it
        urls = [*(hostile_site.url(path) for path in paths), other_site.url("/page")]
        run_id = dispatch(stack.dispatcher_url, urls, recipe=RECIPE, request=REQUEST)
        await_accounting(stack, run_id, lambda now: now.succeeded + now.dead == len(urls))
        # Then the site has got it, and the other site no request
        first = hostile_site.requests_for("/page")[0]
        assert first.headers["authorization"] == f"Bearer {VALUE}"
        assert first.headers["cookie"] == f"session={VALUE}"
        assert json.loads(first.body) == {"key": VALUE}
        assert other_site.requests_for("/page") == []
        # And the ledger has the name instead of the value
        dead_jobs = await_dead_jobs(stack, run_id, len(urls) - 1)
        reasons = {each.url.rpartition("/")[2]: each.reason for each in dead_jobs}
        assert reasons == {
            "json": "missing_field",
            "redirect": "http_404",
            "location": "bad_url",
            "type": "content_type",
            "page": "request_refused",
        }
        [result] = stack.ledger.results(run_id)
        assert result.items == [{"title": "[SECRET TOKEN]", "text": "[secret TOKEN]"}]
    files = [path for path in options.data.rglob("*") if path.is_file()]
    assert {"pubsub", "logs"} <= {path.parent.name for path in files}
    found = [(path.name, form) for path in files for form in forms(VALUE) if form in path.read_bytes()]
    assert found == []
    # And the same search finds what is in those files
    assert any(b"request_refused" in path.read_bytes() for path in files)
