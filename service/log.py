"""Logs: one event a line. JSON that Cloud Logging reads on Cloud Run, readable text elsewhere.

google-cloud-logging writes such JSON too, but takes a quarter of a second to import, at every cold start, and
adds empty labels and a source location to every line, whose volume is paid for.
"""

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
    handler = logging.StreamHandler(sys.stdout)
    text = "%(asctime)s %(levelname)-7s %(message)s"
    handler.setFormatter(_CloudLogging(project) if on_cloud_run else _Text(text))
    root.addHandler(handler)


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
        name: what happened, the same words every time (`delivery ended`).
        fields: identifiers and measures; empty ones are left out, and the longest texts are cut to fit.
        trace: what it belongs to.
        error: an exception nobody foresaw, for its stack trace.
    """
    told = {key: value for key, value in fields.items() if value not in ("", None)}
    LOGGER.log(level, name, extra={"json_fields": shortened(told), "trace": trace}, exc_info=error)


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


class _CloudLogging(logging.Formatter):
    """One JSON object: https://cloud.google.com/logging/docs/structured-logging#structured_logging_special_fields."""

    def __init__(self, project: str) -> None:
        super().__init__()
        self._project = project

    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        if record.exc_info:
            message += "\n" + self.formatException(record.exc_info)[-MAX_STACK_CHARACTERS:]
        fields = getattr(record, "json_fields", {})
        told = {"severity": record.levelname, "message": message} | fields | self._trace(record)
        return json.dumps(told, default=str, separators=(",", ":"))

    def _trace(self, record: logging.LogRecord) -> dict[str, object]:
        trace: Trace | None = getattr(record, "trace", None)
        if trace is None:
            return {}
        told: dict[str, object] = {
            "logging.googleapis.com/trace": f"projects/{self._project}/traces/{trace.trace_id}",
            "logging.googleapis.com/spanId": trace.span_id,
            "logging.googleapis.com/trace_sampled": trace.sampled,
        }
        return {key: value for key, value in told.items() if value != ""}


class _Text(logging.Formatter):
    """`time LEVEL event key=value key="value with spaces"`."""

    def format(self, record: logging.LogRecord) -> str:
        fields = dict(getattr(record, "json_fields", {}))
        if trace := getattr(record, "trace", None):
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
