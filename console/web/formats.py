"""Formats values for the page: numbers, sizes, times, and long texts from pages, which are hostile.

Every text from a page, a message or a file goes through `text`, which escapes it, isolates its direction
(`<bdi>`), makes invisible control characters visible, and cuts it with a way to see all of it.
"""

import json
from datetime import UTC, datetime

import flask
from markupsafe import Markup, escape

from console.report.durations import duration
from contract.quoting import escape_unprintable, hide_userinfo

MAX_SHOWN = 300  #: number of characters that are shown before a text is cut
MAX_FULL = 20_000  #: number of characters that are sent at all


def text(value: object, shown: int = MAX_SHOWN) -> Markup:
    """Return a hostile text as HTML: escaped, isolated, and cut after `shown` characters.

    A `<details>` shows the rest. A text of more than 20,000 characters is not sent whole.
    """
    full = _plain(value)
    if len(full) <= shown:
        return Markup("<bdi>{}</bdi>").format(full)
    rest = full[shown:MAX_FULL]
    more = f"{len(full):,} characters"
    cut = Markup("<p class=muted>The rest is not shown.</p>") if len(full) > MAX_FULL else Markup("")
    return Markup(
        "<details class=long><summary><bdi>{}…</bdi> <span class=muted>({})</span></summary>"
        "<div class=rest><bdi>…{}</bdi>{}</div></details>"
    ).format(full[:shown], more, rest, cut)


def short(value: object, shown: int = 80) -> Markup:
    """Return a hostile text on one line, cut in its middle, for links and titles."""
    full = _plain(value)
    if len(full) > shown:
        half = (shown - 1) // 2
        full = f"{full[:half]}…{full[-half:]}"
    return Markup("<bdi>{}</bdi>").format(full)


def plain(value: object, shown: int = 200) -> str:
    """Return a hostile text for an attribute, cut."""
    return str(escape(_plain(value)[:shown]))


def _plain(value: object) -> str:
    if value is None:
        return "–"
    written = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return escape_unprintable(" ".join(hide_userinfo(written).split()))


def number(value: float | None) -> str:
    """Return a number with separators of thousands; a fraction only if it is below 100."""
    if value is None:
        return "–"
    if isinstance(value, float) and not value.is_integer():
        return f"{value:,.1f}" if abs(value) < 100 else f"{value:,.0f}"
    return f"{int(value):,}"


def percent(part: float, whole: float) -> str:
    """Return a share in percent. It is 100 % or 0 % only if it is exactly so."""
    if not whole:
        return "–"
    share = 100 * part / whole
    if share in {0, 100}:
        return f"{share:.0f} %"
    return f"{min(99.9, max(0.1, share)):.1f} %" if share > 99 or share < 1 else f"{share:.0f} %"


def size(value: float | None) -> str:
    """Return a number of bytes with a unit."""
    if not value:
        return "0 B"
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return ""


def when(value: str | datetime | None) -> Markup:
    """Return a time of the ledger as a `<time>`: how long ago, with the exact time in UTC as its title."""
    if not value:
        return Markup("–")
    at = _time(value)
    seconds = (datetime.now(UTC) - at).total_seconds()
    shown = (
        f"{duration(seconds)} ago" if seconds >= 1 else f"in {duration(-seconds)}" if seconds <= -1 else "now"
    )
    exact = at.strftime("%Y-%m-%d %H:%M:%S UTC")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(at.isoformat(), exact, shown)


def exact(value: str | datetime | None) -> Markup:
    """Return a time of the ledger as a `<time>` with the date and the second, in UTC."""
    if not value:
        return Markup("–")
    at = _time(value)
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), at.strftime("%Y-%m-%d %H:%M:%S"))


def _time(value: str | datetime) -> datetime:
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)


def from_json(value: str) -> object:
    """Return the value of a text in JSON; the text itself if it is cut, and therefore no JSON."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def pretty_json(value: object) -> str:
    """Return a value as indented JSON, cut at 20,000 characters; Jinja escapes it."""
    written = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    lines = map(escape_unprintable, written.split("\n"))
    whole = "\n".join(lines)
    return whole if len(whole) <= MAX_FULL else whole[:MAX_FULL] + "\n… cut"


def register(app: flask.Flask) -> None:
    """Make the functions of this module filters of the application's templates."""
    app.jinja_env.filters.update(
        text=text,
        short=short,
        plain=plain,
        number=number,
        size=size,
        when=when,
        exact=exact,
        duration=duration,
        from_json=from_json,
        pretty_json=pretty_json,
    )
    app.jinja_env.globals["percent"] = percent
