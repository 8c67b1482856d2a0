"""Tests of posting a crawl to a dispatcher: responses, errors and repeated requests."""

import json
import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from console.dispatch import RETRY_DELAYS_SECONDS, dispatch
from console.dispatch_response import DispatchResponse
from console.errors import DispatchError
from console.stack.addresses import Addresses
from console.stack.ports import free_port
from console.stack.services import AckPolicy
from console.stack.stack_file import StackRecord, lock_data_directory, write_stack
from contract.crawl import Crawl
from extraction.selectors import CHECKS
from tests.console.command import Scrapeq

CRAWL = Crawl.from_document(
    {
        "name": "books",
        "run_id": "books-1",
        "sources": {"urls": ["https://shop.example/"]},
        "recipe": {"name": "book", "fields": {"title": {"css": "h1"}}},
    },
    CHECKS,
)
RESPONSE = {
    "run_id": "books-1",
    "continues": False,
    "dispatch_id": "0123456789abcdef",
    "published": 3,
    "duplicates": 1,
    "over_limit": 2,
    "rejected": [{"url": "ftp://old/", "why": "the scheme must be http or https"}],
    "rejected_count": 1,
    "filtered": 4,
    "outdated": 5,
    "outdated_sitemaps": 6,
    "unread": [{"url": "http://old/s.xml", "why": "the site answered 404"}],
    "unread_count": 1,
    "sources": [
        {
            "source": f"sources.{name}",
            "found": found,
            "published": 0,
            "duplicates": 0,
            "rejected": 0,
            "filtered": filtered,
            "outdated": 0,
            "over_limit": 0,
            "outdated_sitemaps": 0,
            "unread": 0,
        }
        for name, found, filtered in (("urls", 7, 0), ("sitemap", 8, 4))
    ],
}


@dataclass
class ScriptedDispatcher:
    """Sends prepared responses, one after the other, and records the bodies of the requests.

    Attributes:
        url: URL of the server.
        responses: status and body of each response that is not sent yet.
        received: the bodies of the requests so far.
    """

    url: str
    responses: list[tuple[int, bytes]] = field(default_factory=list)
    received: list[bytes] = field(default_factory=list)

    def respond(self, request: Request) -> Response:
        """Record a request and return the next response."""
        self.received.append(request.get_data())
        status, body = self.responses.pop(0)
        return Response(body, status)


@pytest.fixture
def dispatcher(httpserver: HTTPServer) -> ScriptedDispatcher:
    """Return a dispatcher without prepared responses; a test appends them."""
    scripted = ScriptedDispatcher(httpserver.url_for(""))
    httpserver.expect_request(re.compile(".*")).respond_with_handler(scripted.respond)
    return scripted


def response_of(status: int, document: object) -> tuple[int, bytes]:
    """Return a response for `ScriptedDispatcher`, with `document` as JSON."""
    return status, json.dumps(document).encode()


def post_crawl(url: str) -> tuple[DispatchResponse, list[str], list[float]]:
    """Dispatch the crawl; return the response, the announcements and the delays in seconds."""
    announced, delays = list[str](), list[float]()
    response = dispatch(CRAWL, url, announce=announced.append, sleep=delays.append)
    return response, announced, delays


def test_dispatch_posts_the_crawl_and_returns_the_response(dispatcher: ScriptedDispatcher) -> None:
    """The dispatcher receives the crawl with its run_id; `dispatch` returns the counts of the response."""
    dispatcher.responses.append(response_of(200, RESPONSE))
    response, announced, _ = post_crawl(dispatcher.url)
    assert Crawl.decode(dispatcher.received[0], CHECKS) == CRAWL
    assert response.model_dump() == RESPONSE
    assert announced == []


def test_503_is_retried_with_the_same_run_id(dispatcher: ScriptedDispatcher) -> None:
    """After a 503 the request is repeated with the same bytes, so that the dispatcher makes the same jobs."""
    dispatcher.responses += [response_of(503, {"error": "1 of 3 jobs are not confirmed."})] * 2 + [
        response_of(200, RESPONSE)
    ]
    _, announced, delays = post_crawl(dispatcher.url)
    assert len(set(dispatcher.received)) == 1
    assert len(dispatcher.received) == 3
    assert delays == list(RETRY_DELAYS_SECONDS[:2])
    assert announced[0] == (
        "The dispatcher answered 503: 1 of 3 jobs are not confirmed. Trying again in 2 s."
    )


def test_repeated_503_raises_dispatch_error(dispatcher: ScriptedDispatcher) -> None:
    """If every attempt gets a 503, an error with the text of the last response is raised."""
    dispatcher.responses += [response_of(503, {"error": "not confirmed"})] * 4
    with pytest.raises(DispatchError, match="answered 503: not confirmed"):
        post_crawl(dispatcher.url)
    assert len(dispatcher.received) == 1 + len(RETRY_DELAYS_SECONDS)


def test_400_is_not_retried(dispatcher: ScriptedDispatcher) -> None:
    """After a 400 the request is not repeated, because the crawl would be rejected again."""
    dispatcher.responses.append(response_of(400, {"error": "the crawl was not dispatched: name: missing"}))
    with pytest.raises(DispatchError, match="answered 400: the crawl was not dispatched"):
        post_crawl(dispatcher.url)
    assert len(dispatcher.received) == 1


@pytest.mark.parametrize("body", [b"<h1>It works!</h1>", b"[]", b"{}"])
def test_200_of_another_server_raises_dispatch_error(dispatcher: ScriptedDispatcher, body: bytes) -> None:
    """If the body of a 200 is not a dispatcher's response, an error is raised."""
    dispatcher.responses.append((200, body))
    with pytest.raises(DispatchError, match="is not a dispatcher"):
        post_crawl(dispatcher.url)


def test_refused_connection_raises_dispatch_error() -> None:
    """If the connection is refused, the error's message shows the command that starts a dispatcher."""
    port = free_port()
    with pytest.raises(DispatchError, match=r"`scrapeq up` starts one"):
        post_crawl(f"http://127.0.0.1:{port}")


def test_dispatch_wait_without_a_ledger_sends_nothing(
    scrapeq: Scrapeq, dispatcher: ScriptedDispatcher, tmp_path: Path
) -> None:
    """With --wait and without a ledger the command fails before it sends the crawl."""
    crawl = tmp_path / "crawl.yaml"
    crawl.write_text(json.dumps(CRAWL.model_dump(mode="json", exclude_defaults=True)))
    result = scrapeq("dispatch", crawl, "--dispatcher", dispatcher.url, "--wait", "--data", tmp_path)
    assert result.exit_code == 1
    assert "There is no ledger in" in result.stderr
    assert dispatcher.received == []


def test_plan_sends_nothing_and_dispatch_shows_its_warnings(
    scrapeq: Scrapeq, dispatcher: ScriptedDispatcher, tmp_path: Path
) -> None:
    """`scrapeq plan` prints hosts and warnings without a request; `dispatch` prints the warnings first."""
    dispatcher.responses.append(response_of(200, RESPONSE))
    crawl = tmp_path / "crawl.yaml"
    document = CRAWL.model_dump(mode="json", exclude_defaults=True) | {"politeness": {"delay_seconds": 1}}
    crawl.write_text(json.dumps(document))
    planned = scrapeq("plan", crawl, "--data", tmp_path)
    assert planned.exit_code == 0
    assert re.search(r"^ shop.example +1 +1 *$", planned.stdout, re.MULTILINE)
    warning = "warning: A page that keeps failing blocks its host for about 41 min (10 attempts)"
    assert warning in planned.stdout
    assert dispatcher.received == []
    done = scrapeq("dispatch", crawl, "--dispatcher", dispatcher.url, "--data", tmp_path)
    assert done.stdout.startswith(warning)
    # With the policy of the last `scrapeq up` in the data directory, or of the option, there is no warning
    assert "warning" not in scrapeq("plan", crawl, "--data", tmp_path, "--ack-policy", "settled").stdout
    write_stack(tmp_path, StackRecord(1, Addresses("", "", "", ""), ack_policy=AckPolicy.SETTLED))
    assert "warning" not in scrapeq("plan", crawl, "--data", tmp_path).stdout


@pytest.fixture
def crawl_file(tmp_path: Path) -> Path:
    """Return a file that has the crawl."""
    file = tmp_path / "crawl.yaml"
    file.write_text(json.dumps(CRAWL.model_dump(mode="json", exclude_defaults=True)))  # JSON is YAML
    return file


def test_dispatcher_of_the_running_stack_is_found_from_the_data_directory(
    scrapeq: Scrapeq,
    dispatcher: ScriptedDispatcher,
    tmp_path: Path,
    crawl_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without --dispatcher, the URL is that of the stack in --data, or in SCRAPEQ_DATA."""
    dispatcher.responses += [response_of(200, RESPONSE)] * 2
    write_stack(tmp_path, StackRecord(1, Addresses("", "", dispatcher.url, "")))
    with lock_data_directory(tmp_path):
        assert scrapeq("dispatch", crawl_file, "--data", tmp_path).exit_code == 0
        monkeypatch.setenv("SCRAPEQ_DATA", str(tmp_path))
        assert scrapeq("dispatch", crawl_file).exit_code == 0
    assert len(dispatcher.received) == 2


@pytest.mark.parametrize("command", ["dispatch", "resume"])
def test_stack_that_does_not_run_is_reported_with_the_command_that_starts_it(
    scrapeq: Scrapeq, tmp_path: Path, crawl_file: Path, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that needs a stack says that none runs in the data directory, and what to do."""
    monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)
    write_stack(tmp_path, StackRecord(1, Addresses("127.0.0.1:9", "", "http://127.0.0.1:9", "")))
    done = scrapeq(command, crawl_file if command == "dispatch" else "--all", "--data", tmp_path)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == (
        f"No `scrapeq up` runs in {tmp_path}. Start it with `scrapeq up --data {tmp_path}`, or name the data "
        f"directory of another with --data or SCRAPEQ_DATA.\n"
    )


def test_dispatch_command_shows_counts_and_rejected_urls(
    scrapeq: Scrapeq, dispatcher: ScriptedDispatcher, tmp_path: Path
) -> None:
    """The command prints the run_id, the counts, also by source, and what was rejected or not read."""
    dispatcher.responses.append(response_of(200, RESPONSE))
    crawl = tmp_path / "crawl.yaml"
    crawl.write_text(json.dumps(CRAWL.model_dump(mode="json", exclude_defaults=True)))  # JSON is YAML
    result = scrapeq("dispatch", crawl, "--dispatcher", dispatcher.url)
    assert result.exit_code == 0
    words = " ".join(result.stdout.split())
    assert words.startswith("run books-1 ")
    assert (
        "published as jobs 3 duplicates 1 over the limit 2 rejected 1 left out by include or exclude 4 "
        "older than since 5 listed sitemaps older than since 6 not read completely 1" in words
    )
    assert "source found filtered" in words
    assert "sources.urls 7 0 sources.sitemap 8 4" in words
    assert "http://old/s.xml the site answered 404" in words
    assert "ftp://old/ the scheme must be http or https" in words


def test_dispatch_command_sends_a_file_of_this_machine(
    scrapeq: Scrapeq, dispatcher: ScriptedDispatcher, tmp_path: Path
) -> None:
    """The command names the run, sends the URLs of the file without its path, and shows the counts."""
    dispatcher.responses.append(response_of(200, {"run_id": "books-1", "published": 2}))
    urls, crawl = tmp_path / "urls.txt", tmp_path / "crawl.yaml"
    urls.write_text("https://shop.example/1\nhttps://shop.example/2\nshop\n")
    document = CRAWL.model_dump(mode="json", exclude_defaults=True)
    crawl.write_text(json.dumps(document | {"sources": {"urls_file": {"url": str(urls)}}}))
    result = scrapeq("dispatch", crawl, "--dispatcher", dispatcher.url)
    assert result.exit_code == 0
    words = " ".join(result.stdout.split())
    assert "as run books-1." in words
    assert "published as jobs 2 duplicates 0 over the limit 0 rejected 1" in words
    [received] = dispatcher.received
    assert Crawl.decode(received, CHECKS).sources.urls == ("https://shop.example/1", "https://shop.example/2")
