"""Ledger rows as the three topics would give them."""

import json
from datetime import UTC, datetime, timedelta

from console.warehouse import Row
from contract.topology import DEAD_TOPIC, JOBS_TOPIC, OUTCOMES_TOPIC

START = datetime.now(UTC) - timedelta(hours=1)


def at(second: float) -> str:
    """Return a publish time within the last hour, as the collector writes it."""
    return f"{START + timedelta(seconds=second):%Y-%m-%dT%H:%M:%S.%fZ}"


def job_row(job: str, second: float = 0, *, run: str = "run-1", message: str = "") -> Row:
    """Return a job as it was published."""
    return _row(
        JOBS_TOPIC, message or f"j-{job}-{second}", second, _job(job, run), {"job_id": job, "run_id": run}
    )


def outcome_row(
    job: str,
    second: float,
    *,
    run: str = "run-1",
    attempt: int = 1,
    reason: str = "ok",
    items: list[dict[str, object]] | None = None,
    detail: str = "",
) -> Row:
    """Return the outcome of an attempt; whatever is not ok is a retry."""
    document = _job(job, run) | {
        "attempt": attempt,
        "outcome": "succeeded" if reason == "ok" else "retry",
        "reason": reason,
        "items": json.dumps(items or []),
        "item_count": len(items or []),
        "detail": detail,
    }
    return _row(
        OUTCOMES_TOPIC, f"o-{job}-{second}-{reason}", second, document, {"job_id": job, "run_id": run}
    )


def dead_row(job: str, second: float, *, run: str = "run-1", deliveries: int = 5) -> Row:
    """Return a dead letter."""
    attributes = {
        "job_id": job,
        "run_id": run,
        "CloudPubSubDeadLetterSourceDeliveryCount": str(deliveries),
    }
    return _row(DEAD_TOPIC, f"d-{job}-{second}", second, _job(job, run), attributes)


def _job(job: str, run: str) -> dict[str, object]:
    return {
        "version": 1,
        "job_id": job,
        "run_id": run,
        "crawl": "books",
        "url": f"https://shop.example/{job}",
    }


def _row(
    topic: str, message_id: str, second: float, document: dict[str, object], attributes: dict[str, str]
) -> Row:
    data = json.dumps(document).encode()
    return Row(topic, f"projects/p/subscriptions/{topic}-ledger", message_id, at(second), attributes, data)
