"""Posting a crawl: what the dispatcher says is passed on, and a repeat makes the same jobs."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from console.dispatch import PAUSES_SECONDS, DispatchResponse, dispatch
from console.errors import DispatchError
from console.stack.ports import allocate_ports
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
ANSWER = {
    "run_id": "books-1",
    "published": 3,
    "duplicates": 1,
    "over_limit": 2,
    "rejected": [{"url": "ftp://old/", "why": "the scheme must be http or https"}],
    "rejected_count": 1,
}


class ScriptedDispatcher(HTTPServer):
    """A small real server that gives prepared answers and keeps what it was sent."""

    def __init__(self, *answers: tuple[int, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = list(answers)
        self.received: list[bytes] = []

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: ScriptedDispatcher

    def do_POST(self) -> None:
        self.server.received.append(self.rfile.read(int(self.headers["Content-Length"])))
        status, body = self.server.answers.pop(0)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def dispatcher() -> Iterator[ScriptedDispatcher]:
    """Yield a dispatcher without answers; a test appends them."""
    with ScriptedDispatcher() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def say(status: int, document: object) -> tuple[int, bytes]:
    """Return a prepared answer."""
    return status, json.dumps(document).encode()


def posted(url: str) -> tuple[DispatchResponse, list[str], list[float]]:
    """Dispatch, and return the answer, what was announced, and the pauses that were asked for."""
    announced, pauses = list[str](), list[float]()
    answer = dispatch(CRAWL, url, announce=announced.append, pause=pauses.append)
    return answer, announced, pauses


def test_the_crawl_arrives_whole_and_the_answer_is_read(dispatcher: ScriptedDispatcher) -> None:
    """What the dispatcher receives is the crawl with its run_id; what it counts is what we show."""
    dispatcher.answers.append(say(200, ANSWER))
    answer, announced, _ = posted(dispatcher.url)
    assert Crawl.decode(dispatcher.received[0], CHECKS) == CRAWL
    assert answer.model_dump() == ANSWER
    assert announced == []


def test_a_503_is_repeated_with_the_same_run_id(dispatcher: ScriptedDispatcher) -> None:
    """A repeat after a 503 makes the same jobs, because it is the same bytes."""
    dispatcher.answers += [say(503, {"error": "1 of 3 jobs are not confirmed."})] * 2 + [say(200, ANSWER)]
    _, announced, pauses = posted(dispatcher.url)
    assert len(set(dispatcher.received)) == 1
    assert len(dispatcher.received) == 3
    assert pauses == list(PAUSES_SECONDS[:2])
    assert announced[0] == (
        "The dispatcher answered 503: 1 of 3 jobs are not confirmed. Trying again in 2 s."
    )


def test_it_gives_up_in_the_end(dispatcher: ScriptedDispatcher) -> None:
    """A dispatcher that stays unavailable is left alone after a few attempts, with its last word."""
    dispatcher.answers += [say(503, {"error": "not confirmed"})] * 4
    with pytest.raises(DispatchError, match="answered 503: not confirmed"):
        posted(dispatcher.url)
    assert len(dispatcher.received) == 1 + len(PAUSES_SECONDS)


def test_a_refusal_is_not_repeated(dispatcher: ScriptedDispatcher) -> None:
    """What is wrong with a crawl stays wrong."""
    dispatcher.answers.append(say(400, {"error": "the crawl was not dispatched: name: missing"}))
    with pytest.raises(DispatchError, match="answered 400: the crawl was not dispatched"):
        posted(dispatcher.url)
    assert len(dispatcher.received) == 1


@pytest.mark.parametrize("body", [b"<h1>It works!</h1>", b"[]", b"{}"])
def test_another_server_is_recognised(dispatcher: ScriptedDispatcher, body: bytes) -> None:
    """A 200 of some other program is no dispatch."""
    dispatcher.answers.append((200, body))
    with pytest.raises(DispatchError, match="is no dispatcher"):
        posted(dispatcher.url)


def test_nobody_there_is_one_sentence() -> None:
    """Where nobody listens, the sentence says what starts a dispatcher."""
    port = allocate_ports({"nobody": (0, "")})["nobody"]
    with pytest.raises(DispatchError, match=r"`scrapeq up` starts one"):
        posted(f"http://127.0.0.1:{port}")


def test_waiting_without_a_ledger_is_refused_before_anything_is_sent(
    scrapeq: Scrapeq, dispatcher: ScriptedDispatcher, tmp_path: Path
) -> None:
    """--wait needs the ledger of the running stack; a wrong --data must not cost a run."""
    crawl = tmp_path / "crawl.yaml"
    crawl.write_text(json.dumps(CRAWL.model_dump(mode="json", exclude_defaults=True)))
    answer = scrapeq("dispatch", crawl, "--dispatcher", dispatcher.url, "--wait", "--data", tmp_path)
    assert answer.exit_code == 1
    assert "There is no ledger in" in answer.stderr
    assert dispatcher.received == []


def test_the_command_shows_what_became_of_every_url(
    scrapeq: Scrapeq, dispatcher: ScriptedDispatcher, tmp_path: Path
) -> None:
    """run_id, published, duplicates, over the limit, and each rejected URL with its reason."""
    dispatcher.answers.append(say(200, ANSWER))
    crawl = tmp_path / "crawl.yaml"
    crawl.write_text(json.dumps(CRAWL.model_dump(mode="json", exclude_defaults=True)))  # JSON is YAML
    answer = scrapeq("dispatch", crawl, "--dispatcher", dispatcher.url)
    assert answer.exit_code == 0
    words = " ".join(answer.stdout.split())
    assert words.startswith("run books-1 ")
    assert "published as jobs 3 duplicates 1 over the limit 2 rejected 1" in words
    assert "ftp://old/ the scheme must be http or https" in words
