"""The worker's Flask application, which takes pushes and logs those that did not succeed."""

import json
import time
from collections.abc import Callable, Container
from functools import partial
from typing import Final

import flask
from werkzeug.exceptions import HTTPException

from contract.outcome import OUTCOME_MEANINGS, Reason
from contract.trace import Trace
from push_endpoint.plain_push import PushResponse
from push_endpoint.request_body import read_push_body
from push_endpoint.request_origin import Headers, request_refusal
from runtime import log
from worker.push_delivery import Delivery, PushConsumer

_ALLOWED_HOSTS: Final = "ALLOWED_HOSTS"  # the setting that allows a further host name


class WorkerApp(flask.Flask):
    """The worker's WSGI application: `POST /` takes a push; `GET /startup` and `GET /healthz` are for probes.

    Args:
        consumer: takes the pushes.
        allowed_hosts: the host names by which the worker may be addressed; see `request_refusal`.
        waiting_for: returns the hosts that were not reached since the start; see `Egress`.
    """

    def __init__(
        self,
        consumer: PushConsumer,
        allowed_hosts: Container[str] = (),
        waiting_for: Callable[[], list[str]] = list,
    ) -> None:
        super().__init__("worker", static_folder=None)
        self._consumer = consumer
        self._allowed_hosts = allowed_hosts
        self._waiting_for = waiting_for
        self.before_request(self._refuse_foreign_request)
        self.post("/")(self._push)
        self.get("/healthz")(_healthz)
        self.get("/startup")(self._startup)
        self.register_error_handler(HTTPException, _http_error)

    def take_push(self, headers: Headers, body: bytes) -> PushResponse | None:
        """Return the response to a push that was received without WSGI; None if the push is refused.

        A refused push needs WSGI, and so does any other request. A push needs none of WSGI's environment,
        and of Flask's contexts, signals, hooks and routing, which would take a tenth of the processor time of
        the worker's main thread (benchmarks/README.md).
        """
        if request_refusal(headers, self._allowed_hosts, _ALLOWED_HOSTS):
            return None
        return _deliver(self._consumer, headers, lambda: body)

    def _refuse_foreign_request(self) -> None:
        request = flask.request
        if why := request_refusal(request.headers, self._allowed_hosts, _ALLOWED_HOSTS):
            log.event(log.WARNING, "request_refused", {"path": request.path, "detail": why})
            flask.abort(403, description=f"the request was refused: {why}")

    def _push(self) -> flask.typing.ResponseReturnValue:
        request = flask.request
        status, document = _deliver(self._consumer, request.headers, partial(read_push_body, request))
        return flask.Response(document, status, content_type="application/json" if document else None)

    def _startup(self) -> flask.typing.ResponseReturnValue:
        hosts = self._waiting_for()
        return ({"status": "waiting", "hosts": hosts}, 503) if hosts else {"status": "ok"}


def _healthz() -> flask.typing.ResponseReturnValue:
    return {"status": "ok"}


def _http_error(error: HTTPException) -> flask.typing.ResponseReturnValue:
    response = flask.jsonify(reason=error.name, detail=error.description)
    # A 405 must list the allowed methods (RFC 9110 section 15.5.6).
    response.headers.extend([(name, value) for name, value in error.get_headers() if name == "Allow"])
    return response, error.code or 500


def _deliver(consumer: PushConsumer, headers: Headers, read_body: Callable[[], bytes]) -> PushResponse:
    # A push waits in the kernel before this process reads it. That wait is not counted in the logged seconds;
    # QUEUE_SECONDS leaves time for it. Measured once on two cores at a load of 12: 80 simultaneous pushes
    # waited 0.1 s (median) or 1.2 s (maximum), and 400 pushes 3.9 s or 9.3 s.
    received_at = time.monotonic()
    trace = Trace.from_headers(
        headers.get("traceparent", "") or "", headers.get("x-cloud-trace-context", "") or ""
    )
    authorization = headers.get("authorization", "") or ""
    delivery = consumer.deliver(authorization, read_body, received_at=received_at, trace=trace)
    # Pub/Sub has confirmed the outcome of a success, so the ledger has all that a line would say. A line for
    # each would cost as much as the worker itself (docs/how-to/cost.md).
    if delivery.reason is not Reason.OK:
        _log_delivery(delivery, time.monotonic() - received_at)
    if delivery.status == 204:
        return PushResponse(204, "")
    fault = json.dumps({"reason": delivery.reason, "detail": delivery.detail}, separators=(",", ":"))
    return PushResponse(delivery.status, fault + "\n")


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
