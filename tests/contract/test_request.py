"""Tests how a crawl describes its requests: which values are valid, and what tells two requests apart."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.crawl import Crawl
from contract.faults import UnreadableCrawl
from contract.job import Job
from contract.job_id import identify
from contract.recipe import Recipe
from contract.request import MAX_REQUEST_BYTES, PageRequest
from extraction.selectors import CHECKS
from tests.contract.documents import CRAWL, JOB, RECIPE, as_bytes, changed

PAGE = "https://books.example/1"
BOOK = Recipe.model_validate(RECIPE)
COMPLETE: dict[str, Any] = {
    "method": "POST",
    "headers": {"Authorization": "Bearer {secret:API_TOKEN}", "Accept-Language": "de, en;q=0.5"},
    "cookies": {"session": "{secret:SESSION}", "consent": "yes"},
    "user_agent": "examplebot/1.0 (+https://example.com/bot)",
    "body": {"query": ["red", {"key": "{secret:KEY}"}], "page": 1, "all": None},
    "proxy": "http://{secret:LOGIN}@proxy.example:3128",
}


def faults_of(request: object) -> list[str]:
    """Return the faults of a crawl with this section."""
    with pytest.raises(UnreadableCrawl) as caught:
        Crawl.decode(as_bytes(CRAWL | {"request": request}), CHECKS)
    return [str(fault) for fault in caught.value.faults]


def id_of(**request: Any) -> str:  # noqa: ANN401 - the keys of a request
    """Return the id of a job with this request."""
    return identify("run-1", PAGE, BOOK, request=PageRequest(**request))


def test_complete_request_survives_crawl_and_job() -> None:
    """A crawl and a job with all keys are decoded as they were written, and the secrets are found."""
    request = Crawl.decode(as_bytes(CRAWL | {"request": COMPLETE}), CHECKS).request
    assert request.to_json_dict() == COMPLETE
    assert request.secrets() == ("API_TOKEN", "KEY", "LOGIN", "SESSION")
    job = Job.decode(as_bytes(JOB | {"version": 2, "request": COMPLETE}))
    assert job.request == request
    assert Job.decode(job.encode()) == job


def test_job_without_request_is_written_as_before() -> None:
    """A plain GET adds nothing to the message of a job, so workers of version 0.1 can read it."""
    assert b"request" not in Job.decode(as_bytes(JOB)).encode()
    assert Job.decode(as_bytes(JOB | {"request": {}})) == Job.decode(as_bytes(JOB))


@pytest.mark.parametrize(
    ("request_section", "fault"),
    [
        ({"method": "HEAD"}, "request.method: must be 'GET' or 'POST'"),
        ({"body": "a=1"}, "request: a body needs method: POST"),
        (
            {"method": "POST", "body": "a=1"},
            "request: a body that is a text needs the header field Content-Type",
        ),
        ({"method": "POST", "body": 1}, "request.body: must be a text, or the object or array"),
        ({"headers": {"Host": "a.example"}}, "request.headers: the header field Host cannot be set"),
        ({"headers": {"content-length": "1"}}, "the header field content-length cannot be set"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "the header field Transfer-Encoding cannot be set"),
        ({"headers": {"Connection": "close"}}, "the header field Connection cannot be set"),
        ({"headers": {"Accept-Encoding": "gzip"}}, "the header field Accept-Encoding cannot be set"),
        ({"headers": {"Cookie": "a=1"}}, "the header field Cookie cannot be set: use request.cookies"),
        ({"headers": {"User-Agent": "x"}}, "cannot be set: use request.user_agent"),
        ({"headers": {"Range": "bytes=0-1"}}, "the response to it is no whole page"),
        ({"headers": {"A B": "x"}}, "'A B' is not the name of a header field"),
        ({"headers": {"": "x"}}, "'' is not the name of a header field"),
        ({"headers": {"A": "x", "a": "y"}}, "the header field a is set twice"),
        (
            {"headers": {f"A{n}": "x" for n in range(31)}},
            "request.headers: Dictionary should have at most 30",
        ),
        ({"headers": {"A": 1}}, "request.headers.A: Input should be a valid string (got 1)"),
        ({"headers": {"A": "{secret:api}"}}, "{secret: begins a reference to a secret"),
        ({"headers": {"A": "x" * MAX_REQUEST_BYTES}}, "bytes of JSON; the maximum is 16384"),
        ({"cookies": {"a": "b;c"}}, "the value of the cookie a must be visible ASCII"),
        ({"cookies": {"a=": "b"}}, "'a=' is not the name of a cookie"),
        (
            {"cookies": {f"a{n}": "x" for n in range(51)}},
            "request.cookies: Dictionary should have at most 50",
        ),
        ({"user_agent": "1.0"}, "request.user_agent: must be at most 500 ASCII characters"),
        ({"user_agent": "bot/{secret:A}"}, "a User-Agent cannot contain a secret"),
        ({"method": "POST", "body": {"{secret:A}": 1}}, "a secret may be in a value, but not in a key"),
        ({"proxy": "socks5://proxy.example"}, "request.proxy: must be http://host:port"),
        ({"proxy": "http://proxy.example/path"}, "request.proxy: must be http://host:port"),
        ({"proxy": "http://proxy.example:99999"}, "request.proxy: not a URL"),
        ({"header": {}}, "request.header: there is no such field; did you mean headers?"),
    ],
)
def test_invalid_request_is_rejected_with_its_path(request_section: object, fault: str) -> None:
    """A request that cannot be sent is rejected with the path and the reason."""
    assert any(fault in each for each in faults_of(request_section))


@pytest.mark.parametrize("separator", ["\r\n", "\n", "\r", "\0", "\x7f", "é", "\u2028"])
def test_line_breaks_and_controls_are_rejected_everywhere(separator: str) -> None:
    """No value of a header field, a cookie or the User-Agent can begin another header field."""
    text = f"a{separator}X-Other: b"
    for section in ({"headers": {"A": text}}, {"cookies": {"a": text}}, {"user_agent": text}):
        assert len(faults_of(section)) == 1


@pytest.mark.parametrize(
    "section",
    [
        {"headers": {"Authorization": "Bearer hunter2\n"}},
        {"cookies": {"session": "hunter2;"}},
        {"proxy": "http://bob:hunter2@proxy.example"},
        {"body": "password=hunter2"},
        {"method": "POST", "body": "password=hunter2"},
        {"headers": {"A": "{secret:hunter2}"}},
    ],
)
def test_fault_does_not_repeat_what_may_be_a_password(section: object) -> None:
    """The fault of a value that may be a password does not contain the value."""
    assert "hunter2" not in "".join(faults_of(section))


def test_what_changes_the_response_is_part_of_the_id() -> None:
    """Method, body, header fields, cookies and User-Agent tell jobs of one URL apart; the proxy does not."""
    plain = identify("run-1", PAGE, BOOK)
    assert id_of() == id_of(proxy="http://proxy.example") == plain
    ids = {
        plain,
        id_of(method="POST"),
        id_of(method="POST", body={"q": 1}),
        id_of(method="POST", body={"q": 2}),
        id_of(method="POST", body=[]),
        id_of(headers={"A": "1"}),
        id_of(headers={"A": "{secret:B}"}),
        id_of(cookies={"A": "1"}),
        id_of(user_agent="bot"),
    }
    assert len(ids) == 9
    assert id_of(headers={"Accept": "x", "A": "1"}) == id_of(headers={"a": "1", "ACCEPT": "x"})


def test_next_page_is_requested_by_get_with_headers_and_cookies() -> None:
    """The next page of a listing inherits the section, but a POST becomes a GET without a body."""
    job = Job.decode(as_bytes(JOB | {"version": 2, "request": COMPLETE}))
    request = job.next_page("https://books.example/2").request
    assert (request.method, request.body) == ("GET", None)
    assert (request.headers, request.cookies) == (COMPLETE["headers"], COMPLETE["cookies"])
    typed = changed(COMPLETE, "headers.Content-Type", "application/x-ndjson")
    typed_job = Job.decode(as_bytes(JOB | {"version": 2, "request": typed}))
    assert typed_job.next_page("https://books.example/2").request == request


@pytest.mark.parametrize(
    "url", ["http://books.example/2", "https://books.example:8443/2", "https://b.example/"]
)
def test_next_page_at_another_origin_gets_no_headers_and_cookies(url: str) -> None:
    """A link of a page to another scheme, host or port takes only the User-Agent and the proxy along."""
    request = Job.decode(as_bytes(JOB | {"version": 2, "request": COMPLETE})).next_page(url).request
    kept = {name: COMPLETE[name] for name in ("user_agent", "proxy")}
    assert request.to_json_dict() == kept


@given(value=st.text(max_size=20))
def test_every_header_value_is_sent_as_one_line_or_rejected(value: str) -> None:
    """A text is either rejected, or it is printable ASCII without white space at its ends."""
    try:
        PageRequest(headers={"A": value})
    except ValueError:
        return
    assert value.isascii()
    assert value.replace("\t", " ").isprintable()
    assert value == value.strip()
