"""The dispatcher's entry point, which functions-framework loads.

functions-framework loads this file by its path, as a module named `main`. So its imports must be absolute,
and no other module may import this one.
"""

import gc
import os
import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, partial

import flask
import functions_framework

from contract.crawl import MAX_CRAWL_BYTES
from contract.outcome import OUTCOME_MEANINGS
from contract.quoting import quote, shorten
from contract.reason_meanings import REASON_MEANINGS, status_of
from contract.trace import Trace
from dispatcher.body_slots import BodySlot, BodySlots
from dispatcher.dispatch import Dispatcher, DispatchResponse
from dispatcher.replay import Replay, Replayer
from dispatcher.schedule import SCHEDULE_TIME
from dispatcher.settings import RESERVED_THREADS, DispatcherSettings
from dispatcher.shard_push import ShardReceiver
from dispatcher.shards import NoShards, Shards
from push_endpoint.authentication import Authenticate
from push_endpoint.request_body import (
    MAX_REQUEST_BYTES,
    READ_BYTES,
    BodyTooLarge,
    IncompleteBody,
    leave_unread,
    read_body,
    read_push_body,
)
from push_endpoint.request_origin import request_refusal
from runtime import log
from runtime.settings import load_or_exit, log_allowed_networks

#: Seconds to wait for the confirmation of a replayed job. They are less than 10 s, the shortest ack deadline
#: of a subscription, so that a dead letter is not redelivered during the wait.
REPLAY_PUBLISH_SECONDS = 8.0
MAX_CONTENT_TYPE_CHARACTERS = 80  #: maximum number of characters of a rejected Content-Type in the response
#: What is posted to each path.
POSTED = {"/": "a crawl", "/replay": "the push of a dead letter", "/shards": "the push of a shard"}
PUSHES_DISABLED = (
    "this dispatcher takes no pushes: set PUSH_AUDIENCE and PUSH_SERVICE_ACCOUNT to the audience and the"
    " account of the pushes, or set PUSH_AUTH=none if only Pub/Sub can reach the port"
)

SETTINGS = load_or_exit(DispatcherSettings)
# functions-framework reads the whole body of every request into memory, even of one that reaches no function.
# It loads this module in the context of its application.
flask.current_app.config["MAX_CONTENT_LENGTH"] = MAX_REQUEST_BYTES + READ_BYTES
# functions-framework reads this variable after it has loaded this module. Its own default would be four
# threads for each processor.
os.environ["THREADS"] = str(SETTINGS.threads)
_EGRESS = SETTINGS.egress()
_BODY_SLOTS = BodySlots(SETTINGS.threads - RESERVED_THREADS)
log.configure(on_cloud_run=bool(SETTINGS.k_service), project=SETTINGS.google_cloud_project)


@cache
def _dispatcher() -> Dispatcher:
    """Make the dispatcher at the first request, because gRPC must not be started before gunicorn forks."""
    from dispatcher.sources.cloud_storage import (  # noqa: PLC0415 - only dispatches need this import
        CloudStorage,
    )
    from dispatcher.sources.opening import SourceOpener  # noqa: PLC0415 - only dispatches need this import
    from guarded_http.client import make_client  # noqa: PLC0415 - only dispatches need this import
    from guarded_http.robots import product_token  # noqa: PLC0415 - only dispatches need this import
    from publishing.open_publisher import open_publisher  # noqa: PLC0415 - health checks do not need it

    log_allowed_networks(SETTINGS)
    open_sources = SourceOpener(
        make_client(
            SETTINGS.user_agent,
            SETTINGS.fetch_allow_networks,
            SETTINGS.fetch_refuse_ports,
            dns_servers=SETTINGS.dns_servers,
        ),
        product_token(SETTINGS.user_agent),
        SETTINGS.sitemap_budget_seconds,
        sitemap_max_bytes=SETTINGS.sitemap_max_bytes,
        file_max_bytes=SETTINGS.urls_file_max_bytes,
        open_object=CloudStorage(SETTINGS.storage_emulator_host).open,
    )
    publisher = open_publisher(
        SETTINGS.broker_url,
        SETTINGS.google_cloud_project,
        SETTINGS.jobs_topic,
        timeout_seconds=SETTINGS.publish_timeout_seconds,
        batch_seconds=0.05,
    )
    shards: Shards | NoShards = NoShards()
    if SETTINGS.dispatch_topic:
        shards = Shards(
            publisher.for_topic(SETTINGS.dispatch_topic), SETTINGS.shard_urls, SETTINGS.shard_seconds
        )
    dispatcher = Dispatcher(publisher, open_sources, lambda: datetime.now(UTC), shards)
    gc.collect()
    gc.freeze()  # Collections need not look at the libraries, which are most of the objects and stay.
    return dispatcher


@cache
def _authenticate() -> Authenticate:
    """Make the authenticator at the first push, because its imports are slow."""
    from push_endpoint.authentication import make_authenticator  # noqa: PLC0415 - only pushes need this import

    return make_authenticator(SETTINGS)


@cache
def _replayer() -> Replayer:
    """Make the replayer at the first replay, because gRPC must not be started before gunicorn forks."""
    from publishing.open_publisher import open_publisher  # noqa: PLC0415 - health checks do not need it

    publisher = open_publisher(
        SETTINGS.broker_url,
        SETTINGS.google_cloud_project,
        SETTINGS.jobs_topic,
        timeout_seconds=REPLAY_PUBLISH_SECONDS,
        batch_seconds=0.01,
    )
    return Replayer(_authenticate(), publisher)


@flask.current_app.before_request
def _leave_other_bodies_unread() -> None:
    """Read no body of a path that takes none. functions-framework answers some of them without our code."""
    if flask.request.path not in POSTED:
        leave_unread(flask.request)


@functions_framework.http
def dispatch(request: flask.Request) -> flask.typing.ResponseReturnValue:
    """Handle `POST /` (a crawl), `POST /replay` and `POST /shards` (pushes), and the probes' requests."""
    response = _respond(request)
    leave_unread(request)
    return response


def _respond(request: flask.Request) -> flask.typing.ResponseReturnValue:
    if why := request_refusal(request.headers, SETTINGS.allowed_host_names, "ALLOWED_HOSTS"):
        log.event(log.WARNING, "request_refused", {"path": request.path, "detail": why})
        return {"error": f"the request was refused: {why}"}, 403
    if request.path in {"/healthz", "/startup"} and request.method in {"GET", "HEAD"}:
        hosts = _EGRESS.waiting_for() if request.path == "/startup" else []
        return ({"status": "waiting", "hosts": hosts}, 503) if hosts else ({"status": "ok"}, 200)
    if request.path not in POSTED:
        return {"error": f"the path {shorten(request.path, 200)} does not exist; POST a crawl to /"}, 404
    if request.method != "POST":
        posted = POSTED[request.path]
        return {"error": f"{request.method} is not allowed; POST {posted}"}, 405, {"Allow": "POST"}
    slot = _BODY_SLOTS.take()
    if slot is None:
        return {"error": "too many bodies are being received; repeat the request"}, 503, {"Retry-After": "1"}
    try:
        return _TAKE[request.path](request, slot)
    finally:
        slot.release()


def _take_replay(request: flask.Request, slot: BodySlot) -> flask.typing.ResponseReturnValue:
    if not SETTINGS.takes_pushes:
        return {"error": PUSHES_DISABLED}, 403
    started = time.monotonic()
    authorization = request.headers.get("Authorization", "")
    replay = _replayer().replay(authorization, _releasing(slot, partial(read_push_body, request)))
    status = status_of(replay.reason)
    _log_replay(replay, status, time.monotonic() - started)
    return ("", 204) if status == 204 else ({"reason": replay.reason, "detail": replay.detail}, status)


def _take_shard(request: flask.Request, slot: BodySlot) -> flask.typing.ResponseReturnValue:
    if not SETTINGS.takes_pushes:
        return {"error": PUSHES_DISABLED}, 403
    started = time.monotonic()
    trace = _trace(request)
    receiver = ShardReceiver(_authenticate(), _dispatcher())
    authorization = request.headers.get("Authorization", "")
    read = _releasing(slot, partial(read_push_body, request))
    response = _guarded(lambda: receiver.receive(authorization, read), trace)
    _log_dispatch(response, time.monotonic() - started, trace)
    return ("", 204) if response.status == 200 else (response.body, response.status)


def _releasing(slot: BodySlot, read: Callable[[], bytes]) -> Callable[[], bytes]:
    def read_and_release() -> bytes:
        try:
            return read()
        finally:
            slot.release()

    return read_and_release


def _take_crawl(request: flask.Request, slot: BodySlot) -> flask.typing.ResponseReturnValue:
    started = time.monotonic()
    trace = _trace(request)
    response = _dispatch(_releasing(slot, partial(read_body, request, MAX_CRAWL_BYTES)), request, trace)
    _log_dispatch(response, time.monotonic() - started, trace)
    return response.body, response.status


def _dispatch(read: Callable[[], bytes], request: flask.Request, trace: Trace) -> DispatchResponse:
    # Web pages may send other types to another origin without asking for permission (CORS preflight).
    if request.mimetype != "application/json":
        shown = quote(request.headers.get("Content-Type", ""), MAX_CONTENT_TYPE_CHARACTERS)
        why = f"the Content-Type is {shown}; send the crawl as JSON with Content-Type: application/json"
        return DispatchResponse(415, {"error": why})
    try:
        body = read()
    except BodyTooLarge as error:
        return _rejected(f"the crawl has {error}; the maximum is {MAX_CRAWL_BYTES}")
    except IncompleteBody as error:
        return _rejected(f"the crawl {error}")
    return _guarded(
        lambda: _dispatcher().dispatch(
            body,
            schedule_time=request.headers.get(SCHEDULE_TIME, ""),
            traceparent=trace.traceparent(trace.span_id),
        ),
        trace,
    )


def _guarded(respond: Callable[[], DispatchResponse], trace: Trace) -> DispatchResponse:
    """Return the response, or a 500 for an unexpected exception, which is logged."""
    try:
        return respond()
    except Exception as error:  # noqa: BLE001 - the error is logged, and no crawl or push counts as dispatched
        log.event(log.ERROR, "dispatch_crashed", {}, trace=trace, error=error)
        return DispatchResponse(
            500, {"error": "the dispatcher crashed because of a bug; its log has the stack trace"}
        )


def _rejected(why: str) -> DispatchResponse:
    return DispatchResponse(400, {"error": why, "faults": [{"path": "", "why": why}]})


def _trace(request: flask.Request) -> Trace:
    """Return the trace of the request and its jobs; a new trace if the request has no trace."""
    headers = request.headers
    given = Trace.from_headers(headers.get("traceparent", ""), headers.get("X-Cloud-Trace-Context", ""))
    trace = given or Trace(secrets.token_hex(16), "", sampled=True)
    return trace if trace.span_id else trace._replace(span_id=secrets.token_hex(8))


def _log_dispatch(response: DispatchResponse, seconds: float, trace: Trace) -> None:
    fields = {name: value for name, value in response.body.items() if isinstance(value, str | int)}
    level = log.ERROR
    if response.status == 200:
        level = log.WARNING if response.body.get("unread_count") else log.INFO
    log.event(
        level,
        "dispatch_finished",
        {"status": response.status, **fields, "seconds": round(seconds, 3)},
        trace=trace,
    )


def _log_replay(replay: Replay, status: int, seconds: float) -> None:
    fields: dict[str, object] = {
        "reason": replay.reason,
        "status": status,
        "job_id": replay.attributes.job_id,
        "run_id": replay.attributes.run_id,
        "crawl": replay.attributes.crawl,
        "dead_letter_id": replay.dead_letter_id,
        "message_id": replay.message_id,
        "seconds": round(seconds, 3),
        "detail": replay.detail,
    }
    level = OUTCOME_MEANINGS[REASON_MEANINGS[replay.reason].outcome].level
    trace = Trace.parse(replay.attributes.traceparent)
    log.event(level, "replay_finished", fields, trace=trace, error=replay.error)


_TAKE: dict[str, Callable[[flask.Request, BodySlot], flask.typing.ResponseReturnValue]] = {
    "/": _take_crawl,
    "/replay": _take_replay,
    "/shards": _take_shard,
}
