"""The dispatcher's edge: functions-framework loads this file, which is where the service starts.

It loads it by path, as a module named `main`: hence absolute imports only, and nothing else imports it.
"""

import secrets
import time
from datetime import UTC, datetime
from functools import cache, partial

import flask
import functions_framework

from contract.crawl import MAX_CRAWL_BYTES
from contract.outcome import OUTCOME_MEANINGS, REASON_MEANINGS, status_of
from contract.trace import Trace
from dispatcher.dispatch import Dispatcher, DispatchResponse
from dispatcher.replay import Replay, Replayer
from dispatcher.run_id import SCHEDULE_TIME
from dispatcher.settings import DispatcherSettings
from push_endpoint.request_body import read_push
from runtime import log
from runtime.settings import load_or_exit, log_allowed_networks

REPLAY_SECONDS = 8.0  #: for a confirmation: below the shortest ack deadline there is, which is 10 s
NO_REPLAYS = (
    "this dispatcher takes no replays: set PUSH_AUDIENCE and PUSH_SERVICE_ACCOUNT to the audience and the"
    " account of the pushes, or PUSH_AUTH=none where nobody else reaches the port"
)

SETTINGS = load_or_exit(DispatcherSettings)
log.configure(on_cloud_run=bool(SETTINGS.k_service), project=SETTINGS.google_cloud_project)


@cache
def _dispatcher() -> Dispatcher:
    """Wire the dispatcher, at the first request: gRPC must not be started before gunicorn forks."""
    # Not needed to answer a health check.
    from dispatcher.sitemap_reader import SitemapReader  # noqa: PLC0415 - see above
    from guarded_http.client import make_client  # noqa: PLC0415 - see above
    from publishing.publisher import PubSubPublisher  # noqa: PLC0415 - see above

    log_allowed_networks(SETTINGS)
    reader = SitemapReader(
        make_client(SETTINGS.user_agent, SETTINGS.fetch_allow_networks),
        budget_seconds=SETTINGS.sitemap_budget_seconds,
        max_bytes=SETTINGS.sitemap_max_bytes,
    )
    publisher = PubSubPublisher(
        SETTINGS.google_cloud_project,
        SETTINGS.jobs_topic,
        timeout_seconds=SETTINGS.publish_timeout_seconds,
        batch_seconds=0.05,
    )
    ordered = SETTINGS.politeness == "ordered"
    return Dispatcher(publisher, reader.urls, lambda: datetime.now(UTC), ordered=ordered)


@cache
def _replayer() -> Replayer:
    """Wire what replays, at the first replay."""
    from publishing.publisher import PubSubPublisher  # noqa: PLC0415 - idem
    from push_endpoint.authentication import authentication  # noqa: PLC0415 - not needed to dispatch

    publisher = PubSubPublisher(
        SETTINGS.google_cloud_project,
        SETTINGS.jobs_topic,
        timeout_seconds=REPLAY_SECONDS,
        batch_seconds=0.01,
    )
    return Replayer(authentication(SETTINGS), publisher.publish)


@functions_framework.http
def dispatch(request: flask.Request) -> flask.typing.ResponseReturnValue:
    """Answer `POST /` (a crawl), `POST /replay` (the push of a dead letter) and `GET /healthz`."""
    if request.path == "/healthz" and request.method in {"GET", "HEAD"}:
        return {"status": "ok"}, 200
    if request.path not in {"/", "/replay"}:
        return {"error": f"there is nothing at {request.path}; POST a crawl to /"}, 404
    if request.method != "POST":
        what = "a crawl" if request.path == "/" else "the push of a dead letter"
        return {"error": f"{request.method} is not answered; POST {what}"}, 405, {"Allow": "POST"}
    return _dispatch(request) if request.path == "/" else _replay(request)


def _replay(request: flask.Request) -> flask.typing.ResponseReturnValue:
    if not SETTINGS.takes_replays:
        return {"error": NO_REPLAYS}, 403
    started = time.monotonic()
    ended = _replayer().replay(request.headers.get("Authorization", ""), partial(read_push, request))
    status = status_of(ended.reason)
    _tell_replay(ended, status, time.monotonic() - started)
    return ("", 204) if status == 204 else ({"reason": ended.reason, "detail": ended.detail}, status)


def _dispatch(request: flask.Request) -> flask.typing.ResponseReturnValue:
    started = time.monotonic()
    trace = _trace(request)
    answer = _answer(request, trace)
    _tell(answer, time.monotonic() - started, trace)
    return answer.body, answer.status


def _answer(request: flask.Request, trace: Trace) -> DispatchResponse:
    if (request.content_length or 0) > MAX_CRAWL_BYTES:
        why = f"the crawl has {request.content_length} bytes; at most {MAX_CRAWL_BYTES} are read"
        return DispatchResponse(400, {"error": why, "faults": [{"path": "", "why": why}]})
    try:
        return _dispatcher().dispatch(
            request.get_data(cache=False),
            schedule_time=request.headers.get(SCHEDULE_TIME, ""),
            traceparent=trace.traceparent(trace.span_id),
        )
    except Exception as bug:  # noqa: BLE001 - the caller gets a sentence, the log the trace
        log.event(log.ERROR, "dispatch_crashed", {}, trace=trace, error=bug)
        return DispatchResponse(
            500, {"error": "the dispatcher crashed: a bug of ours; its log has the trace"}
        )


def _trace(request: flask.Request) -> Trace:
    """Return the request's trace, which its jobs carry on; a new one where it has none."""
    headers = request.headers
    begun = Trace.from_headers(headers.get("traceparent", ""), headers.get("X-Cloud-Trace-Context", ""))
    trace = begun or Trace(secrets.token_hex(16), "", sampled=True)
    return trace if trace.span_id else trace._replace(span_id=secrets.token_hex(8))


def _tell(answer: DispatchResponse, seconds: float, trace: Trace) -> None:
    told = {key: value for key, value in answer.body.items() if isinstance(value, str | int)}
    level = log.INFO if answer.status == 200 else log.ERROR
    log.event(
        level,
        "dispatch_finished",
        {"status": answer.status, **told, "seconds": round(seconds, 3)},
        trace=trace,
    )


def _tell_replay(ended: Replay, status: int, seconds: float) -> None:
    fields: dict[str, object] = {
        "reason": ended.reason,
        "status": status,
        "job_id": ended.attributes.job_id,
        "run_id": ended.attributes.run_id,
        "crawl": ended.attributes.crawl,
        "letter_id": ended.letter_id,
        "message_id": ended.message_id,
        "seconds": round(seconds, 3),
        "detail": ended.detail,
    }
    level = OUTCOME_MEANINGS[REASON_MEANINGS[ended.reason].outcome].level
    trace = Trace.parse(ended.attributes.traceparent)
    log.event(level, "replay_finished", fields, trace=trace, error=ended.error)
