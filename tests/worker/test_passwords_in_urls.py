"""No password of a URL that a page, a response or a message contains is logged, published or responded."""

from dataclasses import replace

import pytest

from contract.attempt import AttemptFailed
from contract.outcome import Reason
from tests.servers.pushes import job, push
from tests.servers.site import Site, http, redirect
from tests.worker.fetching import RESPECT_ROBOTS, fetch_failure, make_fetcher
from tests.worker.worker_under_test import PAGE, SETTLED, LogEvents, WorkerUnderTest

#: References with a password, as a page may write them.
REFERENCES = [
    "http://bob:secret@127.0.0.1/",
    "HTTP://bob:secret@127.0.0.1/",
    "http://secret@127.0.0.1/",
    "//bob:secret@127.0.0.1/",
    "\\\\bob:secret@127.0.0.1\\",
    "http://bob:%73ecret%40secret@127.0.0.1/",
    "http://bob:secret@secret@127.0.0.1/",
    "http://bob:my secret@127.0.0.1/",
    "http://bob:secret/secret@127.0.0.1/",
    "http://" + "secret" * 300 + "@127.0.0.1/",
]
RECIPE = {
    "name": "r",
    "items": "li",
    "fields": {"name": {"xpath": ".", "required": True}},
    "next": "a[rel=next]",
}


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("response", ["redirect", "Refresh", "meta", "robots.txt"])
def test_redirect_to_a_url_with_a_password_does_not_repeat_it(
    site: Site, reference: str, response: str
) -> None:
    """The detail of the refused redirect or refresh, of a page or of robots.txt, has no password."""
    # Given a page or a robots.txt that redirects to a URL with a password
    meta = f'<meta http-equiv=refresh content="0; url={reference}">'
    responses = {
        "redirect": redirect(reference),
        "robots.txt": redirect(reference),
        "Refresh": http(200, b"<p>", f"Refresh: 0; url={reference}"),
        "meta": http(200, meta.encode()),
    }
    path = "/robots.txt" if response == "robots.txt" else "/"
    site.add(path, responses[response])
    # When the page is fetched
    failure = fetch_failure(make_fetcher(), site.url("/"), politeness=RESPECT_ROBOTS)
    # Then the attempt fails, and neither its detail nor its URL has the password
    assert failure.reason is (Reason.ROBOTS_UNAVAILABLE if path == "/robots.txt" else Reason.BAD_URL)
    assert "redirect" in failure.detail or "refresh" in failure.detail
    assert not any(part in f"{failure.detail}{failure}{failure.final_url}" for part in ("secret", "bob"))
    assert len(site.requests_for(path)) == 1


@pytest.mark.parametrize("reference", REFERENCES)
@pytest.mark.parametrize("base", [False, True], ids=["in the link", "in the base"])
def test_next_link_with_a_password_is_not_stored(
    worker: WorkerUnderTest, log_events: LogEvents, reference: str, *, base: bool
) -> None:
    """A listing whose next link has a password ends there; the outcome and the log lack the password."""
    # Given a listing whose next link, or whose base URL, has a password
    link = "<a rel=next href=2>" if base else f'<a rel=next href="{reference}">'
    body = (f'<base href="{reference}">' if base else "") + f"<ul><li>One</ul>{link}"
    worker.site.page = replace(PAGE, body=body.encode())
    # When its job is delivered
    response = worker.post(push(job(recipe=RECIPE)))
    # Then neither the outcome nor the job of a next page nor the log has the password
    assert response.status_code == 204
    [outcome] = worker.outcomes()
    assert outcome.item_count == 1
    published = b"".join(message.data for message in (*worker.publisher.published, *worker.jobs.published))
    assert b"secret" not in published
    assert "secret" not in str(log_events())


@pytest.mark.parametrize("reference", REFERENCES)
def test_detail_with_a_password_is_hidden_in_every_copy(log_events: LogEvents, reference: str) -> None:
    """Whatever failed, its detail is stored, responded and attached to the dead letter without a password."""
    worker = WorkerUnderTest(policy=SETTLED)
    detail = f"could not read {reference}, which {'x' * 900} redirected to {reference}"
    for error in (AttemptFailed(Reason.HTTP_404, detail), ValueError(detail)):
        worker.site.error = error
        response = worker.post(push(job(), message_id=type(error).__name__))
        assert "secret" not in response.text
    [dead_letter] = worker.dead_letters.published
    assert dead_letter.attributes["detail"].startswith("could not read ")
    outcomes = b"".join(message.data for message in worker.publisher.published)
    assert "secret" not in f"{dead_letter.attributes}{outcomes!r}"
    fields = [{**event, "error": None} for event in log_events()]
    assert "secret" not in str(fields)


@pytest.mark.parametrize("reference", [*REFERENCES, "http://bob:se\ncret@127.0.0.1/"])
def test_job_with_a_password_in_its_url_is_rejected_without_repeating_it(
    log_events: LogEvents, reference: str
) -> None:
    """A job whose URL has a password is rejected; response, log and attributes do not repeat it."""
    worker = WorkerUnderTest(policy=SETTLED, unreadable_after=1)
    response = worker.post(push(job(url=reference)))
    [dead_letter] = worker.dead_letters.published
    assert dead_letter.attributes["reason"] == "bad_job"
    assert "cret" not in f"{response.text}{dead_letter.attributes}{log_events()}"
