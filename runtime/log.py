"""Writes structured logs, one event per line: as JSON for Cloud Logging on Cloud Run, elsewhere as text.

No line has a user or password of a URL, or a character that could control a terminal, whoever logs it.
"""

import json
import logging
import sys
from collections.abc import Callable, Mapping
from typing import Any

from contract.quoting import escape_unprintable, hide_userinfo
from contract.trace import Trace

LOGGER = logging.getLogger("scrapeq")
INFO, WARNING, ERROR = logging.INFO, logging.WARNING, logging.ERROR
#: Maximum size of an event's fields, in bytes of JSON. With severity, message, trace and labels, a line then
#: has less than 1 KB. Lines are short because Cloud Logging charges for their volume.
MAX_FIELDS_BYTES = 590
#: Maximum length of a stack trace in a line. Only the end of a longer one is kept.
MAX_STACK_CHARACTERS = 8000


#: Returns a text without the secrets that it may contain.
Hide = Callable[[str], str]


def hide_nothing(text: str) -> str:
    """Return the text unchanged."""
    return text


def configure(*, on_cloud_run: bool, project: str = "", hide: Hide = hide_nothing) -> None:
    """Write the root logger's records to standard output; call it once per process.

    Args:
        on_cloud_run: whether Cloud Logging reads the lines.
        project: the project of the traces.
        hide: removes secrets from each line and each stack trace.
    """
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    root.addHandler(_cloud_handler(project, hide) if on_cloud_run else _text_handler(hide))


def event(
    level: int,
    name: str,
    fields: Mapping[str, object],
    *,
    trace: Trace | None = None,
    error: BaseException | None = None,
) -> None:
    """Log one event with its identifiers.

    Args:
        level: a level of `logging`.
        name: the event's name, always the same for the same kind of event (`delivery_finished`).
        fields: identifiers and measured values. Empty fields are left out, and the longest texts are cut so
            that all fields fit into `MAX_FIELDS_BYTES`.
        trace: the trace to which the event belongs.
        error: an unexpected exception, whose stack trace is logged.
    """
    present = {key: _hidden(value) for key, value in fields.items() if value not in ("", None)}
    LOGGER.log(level, name, extra={"json_fields": shorten(present), "trace_context": trace}, exc_info=error)


def shorten(fields: dict[str, object]) -> dict[str, object]:
    """Return the fields, with the longest texts cut until all fields fit into `MAX_FIELDS_BYTES`."""
    while (excess := _json_size(fields) - MAX_FIELDS_BYTES) > 0:
        texts = {key: str(value) for key, value in fields.items() if isinstance(value, str)}
        longest = max(texts, key=lambda key: _json_size(texts[key]), default="")
        if len(texts.get(longest, "")) < 2:
            break
        text = texts[longest]
        length = max(len(text) // 2, len(text) - excess) - 1
        fields = fields | {longest: text[:length].removesuffix("…") + "…"}
    return fields


def _hidden(value: object) -> object:
    return hide_userinfo(value) if isinstance(value, str) else value


def _json_size(value: object) -> int:
    return len(escape_unprintable(json.dumps(value, default=str)))


def _cloud_handler(project: str, hide: Hide) -> logging.Handler:
    """Return google-cloud-logging's handler, which writes the job's trace instead of the request's trace.

    The request and the source location are replaced by empty values, because Cloud Run's own log has the
    request, and the source location is the same for every event. How to replace them is described under
    "manual metadata" on https://cloud.google.com/python/docs/reference/logging/latest/std-lib-integration.
    """
    # The import takes a fifth of a second of a cold start, so it is omitted if the log is text.
    from google.cloud.logging.handlers import StructuredLogHandler  # noqa: PLC0415 - text logs do not need it

    class CloudHandler(StructuredLogHandler):
        # The library's own emit would add a line about the library to the log of each process.
        emit = logging.StreamHandler.emit

        def filter(self, record: logging.LogRecord) -> bool:
            metadata: dict[str, object] = {"http_request": {}, "source_location": {}}
            trace: Trace | None = getattr(record, "trace_context", None)
            if trace is not None:
                metadata["trace"] = f"projects/{project}/traces/{trace.trace_id}"
                metadata["span_id"] = trace.span_id
                metadata["trace_sampled"] = trace.sampled
            vars(record).update(metadata)
            return bool(super().filter(record))

        def format(self, record: logging.LogRecord) -> str:
            line: str = super().format(record)  # type: ignore[no-untyped-call]  # the library has no types
            return escape_unprintable(hide(line))

    handler: logging.Handler = CloudHandler(  # type: ignore[no-untyped-call]  # the library has no types
        stream=sys.stdout, project_id=project, json_encoder_cls=_AsciiEncoder
    )
    handler.setFormatter(_BoundedStackFormatter(hide))
    return handler


class _AsciiEncoder(json.JSONEncoder):
    """Escapes all characters beyond ASCII, since UTF-8 cannot encode a lone surrogate."""

    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - the options are those of json.dumps
        super().__init__(**(options | {"ensure_ascii": True}))

    def default(self, o: object) -> str:
        return str(o)


class _BoundedStackFormatter(logging.Formatter):
    """Keeps the last `MAX_STACK_CHARACTERS` of a stack trace, without the secrets in it."""

    def __init__(self, hide: Hide) -> None:
        super().__init__()
        self._hide = hide

    def format(self, record: logging.LogRecord) -> str:
        text = hide_userinfo(self._hide(super().format(record)))
        message, newline, stack = text.partition("\n")
        return message + newline + stack[-MAX_STACK_CHARACTERS:]


def _text_handler(hide: Hide) -> logging.Handler:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_TextFormatter("%(asctime)s %(levelname)-7s %(message)s", hide))
    return handler


class _TextFormatter(logging.Formatter):
    """Writes `time LEVEL event key=value key="value with spaces"`, and a stack trace below."""

    def __init__(self, layout: str, hide: Hide) -> None:
        super().__init__(layout)
        self._hide = hide

    def format(self, record: logging.LogRecord) -> str:
        fields = dict(getattr(record, "json_fields", {}))
        if trace := getattr(record, "trace_context", None):
            fields["trace"] = trace.trace_id
        first_line, *stack = map(escape_unprintable, hide_userinfo(super().format(record)).split("\n"))
        shown = " ".join(f"{key}={_quoted(value)}" for key, value in fields.items())
        return self._hide("\n".join([f"{first_line} {shown}".rstrip(), *stack]))


def _quoted(value: object) -> str:
    """Return a value as text that is safe in a log line and on a terminal; it is quoted if necessary."""
    text = str(value)
    if text.isprintable() and escape_unprintable(text) == text and not set(text).intersection(' "=') and text:
        return text
    return escape_unprintable(json.dumps(text, ensure_ascii=False))
