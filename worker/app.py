"""Makes the worker's Flask application, which takes pushes and logs those that did not succeed."""

import json
import time
from collections.abc import Callable, Container, Iterable
from functools import partial
from typing import Final
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import flask
from werkzeug.exceptions import HTTPException

from contract.outcome import OUTCOME_MEANINGS, Reason
from contract.trace import Trace
from push_endpoint.request_body import read_push_body
from push_endpoint.request_origin import request_refusal
from runtime import log
from worker.push_delivery import Delivery, PushConsumer

_ALLOWED_HOSTS: Final = "ALLOWED_HOSTS"  # the setting that allows a further host name


def make_app(
    consumer: PushConsumer, allowed_hosts: Container[str] = (), waiting_for: Callable[[], list[str]] = list
) -> flask.Flask:
    """Return the WSGI application: `POST /` takes a push; `GET /startup` and `GET /healthz` are for probes.

    Args:
        consumer: takes the pushes.
        allowed_hosts: the host names by which the worker may be addressed; see `request_refusal`.
        waiting_for: returns the hosts that were not reached since the start; see `Egress`.
    """
    app = flask.Flask("worker", static_folder=None)
    app.wsgi_app = _without_dispatch(  # type: ignore[method-assign, assignment] # as Flask documents
        app.wsgi_app, lambda request: _push(consumer, request), allowed_hosts
    )

    @app.before_request
    def refuse_foreign_request() -> None:
        request = flask.request
        if why := request_refusal(request.headers, allowed_hosts, _ALLOWED_HOSTS):
            log.event(log.WARNING, "request_refused", {"path": request.path, "detail": why})
            flask.abort(403, description=f"the request was refused: {why}")

    @app.post("/")
    def push() -> flask.Response:
        return _push(consumer, flask.request)

    @app.get("/healthz")
    def healthz() -> flask.typing.ResponseReturnValue:
        return {"status": "ok"}

    @app.get("/startup")
    def startup() -> flask.typing.ResponseReturnValue:
        hosts = waiting_for()
        return ({"status": "waiting", "hosts": hosts}, 503) if hosts else {"status": "ok"}

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> flask.typing.ResponseReturnValue:
        response = flask.jsonify(reason=error.name, detail=error.description)
        # A 405 must list the allowed methods (RFC 9110 section 15.5.6).
        response.headers.extend([(name, value) for name, value in error.get_headers() if name == "Allow"])
        return response, error.code or 500

    return app


def _without_dispatch(
    wsgi_app: WSGIApplication,
    push: Callable[[flask.Request], flask.Response],
    allowed_hosts: Container[str],
) -> WSGIApplication:
    """Return an application that gives pushes to `push`, and all other requests to `wsgi_app`.

    A push needs none of Flask's contexts, signals, hooks and routing, which would take 7 % of the processor
    time of the worker's main thread (benchmarks/README.md). A push that is refused needs them.
    """

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] != "POST" or environ["PATH_INFO"] != "/":
            return wsgi_app(environ, start_response)
        request = flask.Request(environ)
        if request_refusal(request.headers, allowed_hosts, _ALLOWED_HOSTS):
            return wsgi_app(environ, start_response)
        return push(request)(environ, start_response)

    return application


def _push(consumer: PushConsumer, request: flask.Request) -> flask.Response:
    # A push waits in the kernel before this process reads it. That wait is not counted in the logged seconds;
    # QUEUE_SECONDS leaves time for it. Measured once on two cores at a load of 12: 80 simultaneous pushes
    # waited 0.1 s (median) or 1.2 s (maximum), and 400 pushes 3.9 s or 9.3 s.
    received_at = time.monotonic()
    headers = request.headers
    trace = Trace.from_headers(headers.get("traceparent", ""), headers.get("X-Cloud-Trace-Context", ""))
    authorization = headers.get("Authorization", "")
    read_body = partial(read_push_body, request)
    delivery = consumer.deliver(authorization, read_body, received_at=received_at, trace=trace)
    # Pub/Sub has confirmed the outcome of a success, so the ledger has all that a line would say. A line for
    # each would cost as much as the worker itself (docs/how-to/cost.md).
    if delivery.reason is not Reason.OK:
        _log_delivery(delivery, time.monotonic() - received_at)
    if delivery.status == 204:
        return flask.Response(status=204)
    fault = json.dumps({"reason": delivery.reason, "detail": delivery.detail}, separators=(",", ":"))
    return flask.Response(fault + "\n", delivery.status, content_type="application/json")


def _log_delivery(delivery: Delivery, seconds: float) -> None:
    record, attributes = delivery.record, delivery.attributes
    fields: dict[str, object] = {
        "outcome": delivery.outcome,
        "reason": delivery.reason,
        "status": delivery.status,
        "job_id": record.job_id if record else attributes.job_id,
        "run_id": record.run_id if record else attributes.run_id,
        "crawl": record.crawl if record else attributes.crawl,
        "url": record.url if record else "",
        "message_id": delivery.message_id,
        "attempt": delivery.attempt,
        "cause": delivery.cause,
        "last_attempt": delivery.is_last_attempt,
        "http_status": record.http_status if record else None,
        "seconds": round(seconds, 3),
        "detail": delivery.detail,
    }
    level = OUTCOME_MEANINGS[delivery.outcome].level
    log.event(level, "delivery_finished", fields, trace=delivery.trace, error=delivery.error)
