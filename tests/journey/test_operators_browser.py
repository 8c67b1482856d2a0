"""Tests that a web page in the operator's browser cannot use the local stack, and that programs can."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
import requests

from console.stack.services import StackOptions
from console.stack.stack import Stack
from tests.journey.dispatching import TITLE_RECIPE
from tests.servers.chromium import chromium_command
from tests.servers.hostile_page import Attempt, HostilePage
from tests.servers.http_server import serving
from tests.servers.pushes import job, push
from tests.servers.waiting import MAX_WAIT_SECONDS, wait_for, wait_until

TOPIC, SUBSCRIPTION = "projects/victim/topics/orders", "projects/victim/subscriptions/orders-pull"
PUBLISH = '{"messages":[{"data":"ZXZpbA=="}]}'
#: Names of the page's server: another port of this machine, and a name that resolves to 127.0.0.1.
HOSTS = ("127.0.0.1", "evil.localhost", "evil.example")


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[Stack]:
    """A stack without authentication of pushes, and with a topic and a subscription with one message."""
    options = StackOptions(data=tmp_path / "data", environment={"PUSH_AUTH": "none"})
    with Stack(options) as stack:
        api = f"{stack.addresses.pubsub_http_url}/v1/"
        for resource, document in ((TOPIC, {}), (SUBSCRIPTION, {"topic": TOPIC})):
            assert requests.put(api + resource, json=document, timeout=MAX_WAIT_SECONDS).ok
        assert requests.post(f"{api}{TOPIC}:publish", PUBLISH, timeout=MAX_WAIT_SECONDS).ok
        yield stack


def attempts_on_pubsub(page_url: str, base: str = "") -> list[Attempt]:
    """Return requests that read or change what localpubsub has."""
    redirected = json.dumps({"pushConfig": {"pushEndpoint": f"{page_url}/stolen"}})
    changed = {"subscription": {"ackDeadlineSeconds": 599}, "updateMask": "ackDeadlineSeconds"}
    api = f"{base}/v1"
    return [
        Attempt("GET", f"{base}/"),
        Attempt("GET", f"{base}/state.json"),
        Attempt("GET", f"{api}/{SUBSCRIPTION}"),
        Attempt("POST", f"{api}/{TOPIC}:publish", PUBLISH),
        Attempt("POST", f"{api}/{SUBSCRIPTION}:pull", '{"maxMessages":1}'),
        Attempt("POST", f"{api}/{SUBSCRIPTION}:acknowledge", '{"ackIds":["x"]}'),
        Attempt("POST", f"{api}/{SUBSCRIPTION}:modifyPushConfig", redirected),
        Attempt("POST", f"{api}/{SUBSCRIPTION}:seek", '{"time":"2100-01-01T00:00:00Z"}'),
        Attempt("PUT", f"{api}/projects/victim/topics/created", "{}", "application/json"),
        Attempt("PATCH", f"{api}/{SUBSCRIPTION}", json.dumps(changed), "application/json"),
        Attempt("DELETE", f"{api}/{SUBSCRIPTION}"),
    ]


def attempts_on_services(page_url: str, base: str, service: str) -> list[Attempt]:
    """Return requests that make the dispatcher or the worker scrape a page of `page_url`."""
    if service == "worker":
        data = job(url=f"{page_url}/scraped", recipe=TITLE_RECIPE)
        return [Attempt("POST", f"{base}/", push(data).decode())]
    crawl = {"name": "evil", "sources": {"urls": [f"{page_url}/scraped"]}, "recipe": TITLE_RECIPE}
    return [
        Attempt("POST", f"{base}/", json.dumps(crawl)),
        Attempt("POST", f"{base}/", json.dumps(crawl), "application/json"),
        Attempt("POST", f"{base}/replay", push().decode()),
    ]


def targets(stack: Stack) -> dict[str, str]:
    """Return the URL of each HTTP server of the stack, by name."""
    urls = {"pubsub": stack.addresses.pubsub_http_url, "dispatcher": stack.dispatcher_url}
    return {**urls, "worker": stack.worker_url}


def attempts_on(service: str, page_url: str, base: str = "") -> list[Attempt]:
    """Return the attempts on one server, which is at `base`; `""` for the page's own origin."""
    if service == "pubsub":
        return attempts_on_pubsub(page_url, base)
    return attempts_on_services(page_url, base, service)


def state_of(stack: Stack) -> Any:  # noqa: ANN401 - the state is only compared
    """Return all that a page might change: the resources, their messages, and the jobs of the ledger."""
    url = stack.addresses.pubsub_http_url
    state = requests.get(f"{url}/state.json", timeout=MAX_WAIT_SECONDS).json()
    for subscription in state["subscriptions"]:
        del subscription["oldest_unacked_seconds"]
    resource = requests.get(f"{url}/v1/{SUBSCRIPTION}", timeout=MAX_WAIT_SECONDS).json()
    return state, resource, stack.ledger.accounting()


@contextmanager
def running_chromium(url: str, profile: Path) -> Iterator[None]:
    """Show a page in Chromium, in which `evil.example` resolves to 127.0.0.1, until the block ends."""
    command = [*chromium_command(profile), "--host-resolver-rules=MAP evil.example 127.0.0.1", url]
    with subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def test_web_page_reaches_nothing_of_the_local_stack(stack: Stack, tmp_path: Path) -> None:
    """Under no name can a page read or change the queue, dispatch a crawl, or push a job."""
    # Given a page that attacks every server from other origins, and as each server's own origin
    page = HostilePage()
    with ExitStack() as servers:
        own = servers.enter_context(serving(page.respond))
        page.report_url, port = f"{own}/report", urlsplit(own).port
        page.attempts = [
            attempt
            for service, url in targets(stack).items()
            for base in (url, url.replace("127.0.0.1", "localhost"))
            for attempt in attempts_on(service, own, base)
        ]
        origins = [f"http://{host}:{port}" for host in HOSTS]
        rebound = dict[str, str]()
        for service, url in targets(stack).items():
            attacked = int(urlsplit(url).port or 0)
            forwarding = page.rebound_to(attacked, attempts_on(service, own))
            server = servers.enter_context(serving(forwarding))
            rebound[service] = server.replace("127.0.0.1", "evil.example")
        before = state_of(stack)
        # When a browser shows it under all its names
        opened = [f"{origin}/attack" for origin in (*origins, *rebound.values())]
        frames = f"{own}/frames?{urlencode({'url': opened}, doseq=True)}"
        with running_chromium(frames, tmp_path / "profile"):
            wait_until(lambda: page.reports.keys() >= {*origins, *rebound.values()}, "all reports")
    # Then the page has read nothing
    for origin in origins:
        assert len(page.reports[origin]) == 2 * len(page.attempts)
        texts = {result[-1] for result in page.reports[origin]}
        assert all(not text or text.startswith("TypeError: Failed to ") for text in texts), texts
    for service, origin in rebound.items():
        assert len(page.reports[origin]) == len(attempts_on(service, own))
        assert {result[4] for result in page.reports[origin]} == {403}
    # And nothing has happened
    assert state_of(stack) == before
    assert page.requested == []
    # And the requests have arrived
    logs = {name: stack.process(name).launch.log.read_text(encoding="utf-8") for name in targets(stack)}
    assert "request_refused" in logs["pubsub"]
    for name in ("dispatcher", "worker"):
        for why in ("a web page of another origin", "no name of this server"):
            assert why in logs[name]


def test_program_reaches_the_local_stack(stack: Stack) -> None:
    """The same requests have their effect if a program such as curl sends them, without Origin."""
    page = HostilePage()
    with serving(page.respond) as own:

        def statuses(service: str) -> list[int]:
            """Send all attempts on a server, as a program does; return the statuses of the responses."""
            return [
                requests.request(
                    attempt.method,
                    attempt.url,
                    data=attempt.body,
                    headers={"Content-Type": attempt.content_type},
                    timeout=MAX_WAIT_SECONDS,
                ).status_code
                for attempt in attempts_on(service, own, targets(stack)[service])
            ]

        assert statuses("pubsub") == [200] * 5 + [400] + [200] * 5  # "x" is not an ack id
        assert statuses("dispatcher")[:2] == [415, 200]
        assert statuses("worker") == [204]
        wait_for(stack.ledger.accounting, lambda all_runs: all_runs.succeeded == 2)
    assert page.requested.count("/scraped") == 2
    subscriptions = requests.get(
        f"{targets(stack)['pubsub']}/v1/projects/victim/subscriptions", timeout=MAX_WAIT_SECONDS
    )
    assert subscriptions.json() == {}
