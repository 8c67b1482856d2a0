"""Tests of what the operator's page refuses, on a real server process."""

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from console.ledger.ledger import Ledger
from console.web import server
from console.web.app import create_app
from console.web.options import ConsoleOptions
from tests.console.command import run_scrapeq
from tests.console.web.console_process import TOKEN, ConsoleProcess, running_console
from tests.console.web.hostile_ledger import ACT, BIDI, DEAD_JOB, JOB, MARKUP, RUN, write_hostile_ledger
from tests.servers.waiting import MAX_WAIT_SECONDS

SCREENS = (
    "/",
    "/runs",
    f"/runs/{RUN}",
    f"/jobs?run={RUN}",
    f"/job/{JOB}?run={RUN}",
    f"/job/{DEAD_JOB}?run={RUN}",
    f"/charts/{RUN}",
    f"/dead-letters?run={RUN}",
    "/acts",
    f"/acts/{ACT}",
    f"/items?run={RUN}",
    "/lab",
    f"/lab?run={RUN}&job={JOB}",
    "/queue",
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory whose ledger has hostile texts."""
    directory = tmp_path_factory.mktemp("data")
    write_hostile_ledger(Ledger(directory))
    return directory


@pytest.fixture(scope="module")
def console(data: Path) -> Iterator[ConsoleProcess]:
    """A console on the loopback interface."""
    with running_console(data) as process:
        yield process


@pytest.fixture(scope="module")
def guarded(data: Path) -> Iterator[ConsoleProcess]:
    """A console that other machines can reach, and that therefore needs a token."""
    with running_console(data, "--host", "0.0.0.0", token=TOKEN) as process:
        yield process


@pytest.mark.parametrize("path", [*SCREENS, "/nothing", "/static/console.css", "/healthz"])
def test_every_response_has_the_security_headers(console: ConsoleProcess, path: str) -> None:
    """Each response forbids inline scripts, frames, content sniffing and referrers to other sites."""
    headers = console.get(path).headers
    policy = dict(part.strip().partition(" ")[::2] for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["form-action"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["X-Frame-Options"] == "DENY"
    assert "no-" in headers["Cache-Control"]


@pytest.mark.parametrize("path", SCREENS)
def test_a_screen_has_no_inline_script_or_style(console: ConsoleProcess, path: str) -> None:
    """All scripts and styles are files, so the policy needs no exception."""
    page = console.get(path).text
    assert " style=" not in page
    assert " onclick=" not in page
    assert "<style" not in page
    assert page.count("<script") == page.count("<script src=") == 2


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "", "a b", "[::1"]
)
def test_a_request_for_another_host_is_rejected_with_403(console: ConsoleProcess, host: str) -> None:
    """A name that an attacker lets resolve to 127.0.0.1 (DNS rebinding) shows nothing."""
    response = console.get("/", Host=host)
    assert response.status_code in {400, 403}
    assert RUN not in response.text


def test_an_allowed_host_is_served(data: Path) -> None:
    """With --allow-host the page can be addressed by a name of the operator's."""
    with running_console(data, "--allow-host", "desk.example") as process:
        assert process.get("/", Host="desk.example").status_code == 200
        assert process.get("/", Host="evil.example").status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_request_of_another_page_is_rejected_with_403(
    console: ConsoleProcess, headers: dict[str, str]
) -> None:
    """A page of another origin cannot use the console, even with the cookies and the token of a session."""
    assert console.get("/", **headers).status_code == 403
    session = console.session()
    assert session.post("/runs", {"crawl": "x"}, headers).status_code == 403


@pytest.mark.parametrize("token", ["", "x", "another"])
def test_a_form_without_the_token_of_its_session_is_rejected_with_403(
    console: ConsoleProcess, token: str
) -> None:
    """A form without a token, or with that of another session, does nothing; the own token is accepted."""
    session = console.session()
    other = console.session()
    given = other.token if token == "another" else token
    response = session.post("/runs", {"csrf_token": given, "crawl": "name: x"})
    assert response.status_code == 403
    assert "token" in response.text
    assert session.post("/runs", {"crawl": "name: x"}).status_code == 422


def test_a_read_only_console_has_no_acts_and_rejects_every_post_with_403(data: Path) -> None:
    """With --read-only no screen has a form that acts, and each address that acts refuses."""
    with running_console(data, "--read-only") as process:
        session = process.session()
        for path in SCREENS:
            page = session.get(path).text
            assert "Read-only" in page
            assert "<button class" not in page
        session.token = session.read_token("/lab")
        assert session.token
        acts = [
            rule
            for rule in create_app(ConsoleOptions(data)).url_map.iter_rules()
            if "POST" in (rule.methods or ())
        ]
        paths = {rule.rule for rule in acts} - {"/sign-in"}
        assert {"/runs", "/lab", "/dead-letters/replay", "/controls/cancel"} <= paths
        for path in paths:
            response = session.post(path, {"crawl": "name: x", "recipe": "name: x"})
            assert response.status_code == 403
            assert "read-only" in response.text


@pytest.mark.parametrize("path", [*SCREENS, "/items/download.csv", "/lab/preview/x"])
def test_a_reachable_console_shows_nothing_without_the_token(guarded: ConsoleProcess, path: str) -> None:
    """Each screen leads to the sign-in; no text of the ledger is sent."""
    response = guarded.get(path)
    assert response.status_code == 302
    assert response.headers["Location"] == "/sign-in"
    assert RUN not in response.text


def test_the_token_is_exchanged_for_a_cookie_that_scripts_and_other_sites_cannot_use(
    guarded: ConsoleProcess,
) -> None:
    """A wrong token is refused; with the right one the session's cookie opens the screens."""
    session = guarded.session("/sign-in")
    assert session.post("/sign-in", {"token": TOKEN[:-1]}).status_code == 403
    assert session.post("/runs", {"crawl": "x"}).status_code == 401
    response = session.post("/sign-in", {"token": TOKEN})
    assert response.status_code == 303
    cookie = response.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert TOKEN not in cookie
    assert RUN in session.get("/").text
    assert guarded.get("/", Cookie=f"scrapeq_console_{guarded.port}=forged").status_code == 302


def test_a_short_token_is_a_usage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that could be guessed is refused at the start."""
    monkeypatch.setenv("SCRAPEQ_CONSOLE_TOKEN", "short")
    result = run_scrapeq("console", "--data", tmp_path)
    assert result.exit_code == 2
    assert "at least 16" in result.output


def test_a_body_that_is_too_large_is_rejected_with_413(console: ConsoleProcess) -> None:
    """A crawl of more than 2 MiB is not read, whether its length is announced or not."""
    session = console.session()
    assert session.post("/runs", {"crawl": "x" * 3_000_000}).status_code == 413
    chunks = iter([b"crawl=", *[b"x" * 100_000] * 40])
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    try:
        status = requests.post(
            f"{console.url}/runs", data=chunks, headers=headers, timeout=MAX_WAIT_SECONDS
        ).status_code
    except requests.ConnectionError:
        status = 413  # the server closed the connection while the client was still sending
    assert status in {403, 413}


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static/....//app.py",
        "/static//etc/passwd",
        "/lab/preview/..%2f..%2fetc%2fpasswd",
        "/items/download.csv%00",
        "/job/%2e%2e%2f",
    ],
)
def test_no_path_leads_out_of_the_static_files(console: ConsoleProcess, path: str) -> None:
    """A path with dots, in plain or escaped form, is no file of the console."""
    with socket.create_connection(("127.0.0.1", console.port), timeout=MAX_WAIT_SECONDS) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.split()[1] in {b"400", b"404", b"308"}
    assert b"create_app" not in answer
    assert b"root:" not in answer


@pytest.mark.parametrize("path", SCREENS)
def test_hostile_texts_are_escaped_isolated_and_cut(console: ConsoleProcess, path: str) -> None:
    """No text of a page becomes markup, changes the direction of the screen, or is sent in full length."""
    page = console.get(path).text
    assert MARKUP not in page
    assert "<script>window" not in page
    assert "<img" not in page.replace('<img src="/static/icon.svg"', "")
    assert not set(BIDI) & {"\u202e", "\u2066", "\u200f"} & set(page)
    assert len(page) < 300_000


def test_a_slow_request_ends_at_its_deadline(console: ConsoleProcess) -> None:
    """Clients that send a part of a request and then nothing occupy no thread for ever."""
    connections = [
        socket.create_connection(("127.0.0.1", console.port), timeout=MAX_WAIT_SECONDS)
        for _ in range(server.THREADS)
    ]
    try:
        for connection in connections:
            connection.sendall(b"POST /runs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n")
        assert console.get("/healthz").ok  # after the threads are free again
        assert connections[0].recv(1) in {b"", b"H"}
    finally:
        for connection in connections:
            connection.close()


def test_the_csv_has_no_formula(console: ConsoleProcess) -> None:
    """A text that a program for spreadsheets would run as a formula begins with an apostrophe."""
    response = console.get(f"/items/download.csv?run={RUN}")
    assert response.headers["Content-Disposition"] == 'attachment; filename="run-1.csv"'
    assert "'=cmd" in response.text
    assert response.headers["Content-Type"].startswith("text/csv")


def test_a_page_of_the_lab_is_sandboxed_by_its_own_headers(console: ConsoleProcess) -> None:
    """Opened by itself, outside of its frame, the page has no origin, no scripts, and may load nothing."""
    session = console.session("/lab")
    recipe = "name: x\nfields: {title: {css: h1}}"
    tried = session.post("/lab", {"recipe": recipe, "page": "<h1>Title</h1>"}).text
    [address] = re.findall(r'src="(/lab/preview/[0-9a-f]+)"', tried)
    response = session.get(address)
    assert ">Title</h1>" in response.text
    policy = response.headers["Content-Security-Policy"].split("; ")
    assert {"default-src 'none'", "sandbox", "frame-ancestors 'self'"} <= set(policy)
    assert not any(part.startswith("script-src") for part in policy)
