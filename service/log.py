"""Logs: one event a line. JSON that Cloud Logging reads on Cloud Run, readable text elsewhere."""

import json
import logging
import sys
from collections.abc import Mapping

LOGGER = logging.getLogger("scrapeq")
INFO, WARNING, ERROR = logging.INFO, logging.WARNING, logging.ERROR


def configure(*, on_cloud_run: bool) -> None:
    """Send the root logger's records to standard output, once per process."""
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    root.addHandler(_cloud_handler() if on_cloud_run else _text_handler())


def event(level: int, name: str, fields: Mapping[str, object], *, error: BaseException | None = None) -> None:
    """Log one event: what happened, with its identifiers.

    Args:
        level: one of `logging`'s.
        name: what happened, the same words every time (`delivery ended`).
        fields: identifiers and measures; empty ones are left out.
        error: an exception nobody foresaw, for its stack trace.
    """
    told = {key: value for key, value in fields.items() if value not in ("", None)}
    LOGGER.log(level, name, extra={"json_fields": told}, exc_info=error)


def _cloud_handler() -> logging.Handler:
    # Half a second of imports, so only where it is used.
    from google.cloud.logging.handlers import StructuredLogHandler  # noqa: PLC0415 - see above

    handler: logging.Handler = StructuredLogHandler(stream=sys.stdout)  # type: ignore[no-untyped-call] # no types
    return handler


def _text_handler() -> logging.Handler:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Text("%(asctime)s %(levelname)-7s %(message)s"))
    return handler


class _Text(logging.Formatter):
    """`time LEVEL event key=value key="value with spaces"`."""

    def format(self, record: logging.LogRecord) -> str:
        fields = getattr(record, "json_fields", {})
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
