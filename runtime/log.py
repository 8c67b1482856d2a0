"""Logs: one event a line. JSON that Cloud Logging reads on Cloud Run, readable text elsewhere."""

import json
import logging
import sys
from collections.abc import Mapping

from contract.trace import Trace

LOGGER = logging.getLogger("scrapeq")
INFO, WARNING, ERROR = logging.INFO, logging.WARNING, logging.ERROR
MAX_FIELDS_BYTES = 700  #: with severity, event and trace a line stays under 1 KB: volume is paid for
MAX_STACK_CHARACTERS = 8000  #: its end; a line with a stack trace is a bug's, and longer than others


def configure(*, on_cloud_run: bool, project: str = "") -> None:
    """Send the root logger's records to standard output, once per process.

    Args:
        on_cloud_run: whether Cloud Logging reads them.
        project: the one that holds the traces.
    """
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    root.addHandler(_cloud_handler(project) if on_cloud_run else _text_handler())


def event(
    level: int,
    name: str,
    fields: Mapping[str, object],
    *,
    trace: Trace | None = None,
    error: BaseException | None = None,
) -> None:
    """Log one event: what happened, with its identifiers.

    Args:
        level: one of `logging`'s.
        name: what happened, the same words every time (`delivery_finished`).
        fields: identifiers and measures; empty ones are left out, and the longest texts are cut to fit.
        trace: what it belongs to.
        error: an exception nobody foresaw, for its stack trace.
    """
    told = {key: value for key, value in fields.items() if value not in ("", None)}
    LOGGER.log(level, name, extra={"json_fields": shortened(told), "trace_context": trace}, exc_info=error)


def shortened(fields: dict[str, object]) -> dict[str, object]:
    """Return the fields, their longest texts cut until all of them fit in `MAX_FIELDS_BYTES`."""
    while (excess := _size(fields) - MAX_FIELDS_BYTES) > 0:
        texts = {key: str(value) for key, value in fields.items() if isinstance(value, str)}
        longest = max(texts, key=lambda key: _size(texts[key]), default="")
        if len(texts.get(longest, "")) < 2:
            break
        text = texts[longest]
        cut = max(len(text) // 2, len(text) - excess) - 1
        fields = fields | {longest: text[:cut].removesuffix("…") + "…"}
    return fields


def _size(value: object) -> int:
    return len(json.dumps(value, default=str))


def _cloud_handler(project: str) -> logging.Handler:
    # A fifth of a second of imports, so only where it is used.
    from google.cloud.logging.handlers import StructuredLogHandler  # noqa: PLC0415 - see above

    class CloudHandler(StructuredLogHandler):
        """Without what says nothing: a line's volume is paid for, and no line tells of the library itself."""

        emit = logging.StreamHandler.emit

        def format(self, record: logging.LogRecord) -> str:
            entry: dict[str, object] = json.loads(super().format(record))  # type: ignore[no-untyped-call] # publishes no types
            event, newline, stack = str(entry["message"]).partition("\n")
            entry["message"] = event + newline + stack[-MAX_STACK_CHARACTERS:]
            for name in _UNTOLD:
                entry.pop(name, None)
            return json.dumps(entry | _trace_fields(record, project), separators=(",", ":"))

    handler: logging.Handler = CloudHandler(stream=sys.stdout)  # type: ignore[no-untyped-call] # idem
    return handler


#: The same in every line, or in Cloud Run's own log of requests; and a trace is the job's, not the request's.
_UNTOLD = (
    "httpRequest",
    "logging.googleapis.com/labels",
    "logging.googleapis.com/sourceLocation",
    "logging.googleapis.com/spanId",
    "logging.googleapis.com/trace",
    "logging.googleapis.com/trace_sampled",
)


def _trace_fields(record: logging.LogRecord, project: str) -> dict[str, object]:
    """See https://cloud.google.com/logging/docs/structured-logging#structured_logging_special_fields."""
    trace: Trace | None = getattr(record, "trace_context", None)
    if trace is None:
        return {}
    span = {"logging.googleapis.com/spanId": trace.span_id} if trace.span_id else {}
    return {
        "logging.googleapis.com/trace": f"projects/{project}/traces/{trace.trace_id}",
        "logging.googleapis.com/trace_sampled": trace.sampled,
        **span,
    }


def _text_handler() -> logging.Handler:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Text("%(asctime)s %(levelname)-7s %(message)s"))
    return handler


class _Text(logging.Formatter):
    """`time LEVEL event key=value key="value with spaces"`."""

    def format(self, record: logging.LogRecord) -> str:
        fields = dict(getattr(record, "json_fields", {}))
        if trace := getattr(record, "trace_context", None):
            fields["trace"] = trace.trace_id
        line = super().format(record)
        told = " ".join(f"{key}={_shown(value)}" for key, value in fields.items())
        first, newline, trace = line.partition("\n")
        return f"{first} {told}".rstrip() + newline + trace


def _shown(value: object) -> str:
    text = str(value)
    plain = text and all(character.isprintable() and character not in ' "=' for character in text)
    if plain:
        return text
    # What no terminal or UTF-8 stream takes is escaped: line separators, control codes, half surrogate pairs.
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in quoted)
