"""The worker's HTTP side: Flask in, a `Delivery` through, a status out, one log line each."""

import time

import flask
from werkzeug.exceptions import HTTPException

from contract.envelope import MAX_ENVELOPE_BYTES
from contract.outcome import ANSWERS, MEANINGS, Reason, status_of
from contract.trace import Trace
from service import log
from worker.arrival import seconds_waited
from worker.deliver import Delivery, Worker

# Pub/Sub's largest push: 10,000,000 B of data in base64, attributes and field names.
MAX_REQUEST_BYTES = 16 * 1024 * 1024


def make_app(worker: Worker) -> flask.Flask:
    """Return the WSGI application: `POST /` takes a push, `GET /healthz` says ok."""
    app = flask.Flask("worker", static_folder=None)

    @app.post("/")
    def push() -> flask.typing.ResponseReturnValue:
        waited = seconds_waited(flask.request.environ.get("gunicorn.socket"))
        arrived = time.monotonic() - waited
        delivery = _deliver(worker, flask.request, arrived)
        status = status_of(delivery.reason)
        _tell(delivery, status, time.monotonic() - arrived, waited)
        if status == 204:
            return "", 204
        return {"reason": delivery.reason, "detail": delivery.detail}, status

    @app.get("/healthz")
    def healthz() -> flask.typing.ResponseReturnValue:
        return {"status": "ok"}

    @app.errorhandler(HTTPException)
    def say(wrong: HTTPException) -> flask.typing.ResponseReturnValue:
        answer = flask.jsonify(reason=wrong.name, detail=wrong.description)
        allow = [(name, value) for name, value in wrong.get_headers() if name == "Allow"]
        answer.headers.extend(allow)  # RFC 9110 section 15.5.6
        return answer, wrong.code or 500

    return app


def _deliver(worker: Worker, request: flask.Request, arrived: float) -> Delivery:
    """Read the request's body, up to a bound, and deliver it."""
    length, headers = request.content_length, request.headers
    trace = Trace.of_request(headers.get("traceparent", ""), headers.get("X-Cloud-Trace-Context", ""))
    if length is None or length > MAX_REQUEST_BYTES:
        size = "unknown size" if length is None else f"{length} bytes"
        return Delivery(
            Reason.BAD_ENVELOPE, f"a push of {size}; at most {MAX_ENVELOPE_BYTES} bytes are read", trace=trace
        )
    # A body over the envelope's bound but within Pub/Sub's is read, so that the answer reaches the sender.
    body = request.get_data(cache=False)
    return worker.deliver(headers.get("Authorization", ""), body, arrived=arrived, trace=trace)


def _tell(delivery: Delivery, status: int, seconds: float, waited: float) -> None:
    outcome = MEANINGS[delivery.reason].outcome
    record, attributes = delivery.record, delivery.attributes
    fields: dict[str, object] = {
        "outcome": outcome,
        "reason": delivery.reason,
        "status": status,
        "job_id": record.job_id if record else attributes.job_id,
        "run_id": record.run_id if record else attributes.run_id,
        "crawl": record.crawl if record else attributes.crawl,
        "url": record.url if record else "",
        "message_id": delivery.message_id,
        "attempt": delivery.attempt,
        "http_status": record.http_status if record else None,
        "seconds": round(seconds, 3),
        "waited_seconds": round(waited, 1) or None,
        "detail": delivery.detail,
    }
    log.event(ANSWERS[outcome].level, "delivery ended", fields, trace=delivery.trace, error=delivery.error)
