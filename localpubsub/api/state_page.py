"""Serves the state of topics and subscriptions as an HTML page or, on request, as JSON."""

import json
from html import escape
from typing import Final

from aiohttp import web

from localpubsub.broker.state import ServerState, SubscriptionState

_STYLE: Final = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { margin: 2rem auto; max-width: 90rem; padding: 0 1.5rem }
h1 { font-size: 1.3rem } h2 { font-size: 1.05rem; margin: 2rem 0 .4rem }
table { border-collapse: collapse; width: 100% }
th, td { padding: .35rem 1rem .35rem 0; vertical-align: top; text-align: left }
th { font-weight: 600; opacity: .7; vertical-align: bottom }
tr { border-bottom: 1px solid #8884 }
.name { overflow-wrap: anywhere; min-width: 8rem }
.number { text-align: right; font-variant-numeric: tabular-nums } td.number { white-space: nowrap }
.warning { color: #c60 } .none, small { opacity: .6 }
"""
_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="2"><title>localpubsub</title><style>{style}</style></head>
<body><h1>localpubsub</h1>
<h2>Subscriptions</h2>{subscriptions}
<h2>Topics</h2>{topics}
<p><a href="state.json">state.json</a></p></body></html>
"""


def routes(state: ServerState) -> list[web.RouteDef]:
    """Return the routes ``GET /`` and ``GET /state.json``."""

    async def as_json(_: web.Request) -> web.Response:
        return web.json_response(state.as_json(), dumps=lambda value: json.dumps(value, indent=2))

    async def page(request: web.Request) -> web.Response:
        accepted = request.headers.get("Accept", "")
        if "application/json" in accepted and "text/html" not in accepted:
            return await as_json(request)
        return web.Response(text=html(state), content_type="text/html")

    return [web.get("/", page), web.get("/state.json", as_json)]


def html(state: ServerState) -> str:
    """Return the page; all names from clients are escaped."""
    subscriptions = [
        {
            "name": _name(row.name),
            "topic": _name(row.topic),
            "delivery": _delivery(row),
            "backlog": _number(f"{row.backlog:,}"),
            "outstanding": _number(f"{row.outstanding:,}"),
            "oldest unacked": _number(_seconds(row.oldest_unacked_seconds)),
            "window": _number("" if row.window is None else f"{row.window:,}"),
            # Only the time of day, because a pause lasts at most a minute.
            "paused until": _number((row.backoff_until or "")[11:-1], "warning"),
        }
        for row in state.subscriptions()
    ]
    topics = [
        {"name": _name(row.name), "subscriptions": _number(f"{row.subscriptions:,}")}
        for row in state.topics()
    ]
    return _PAGE.format(style=_STYLE, subscriptions=_table(subscriptions), topics=_table(topics))


#: The text of a cell, which is escaped, and its CSS class.
Cell = tuple[str, str]


def _table(rows: list[dict[str, Cell]]) -> str:
    if not rows:
        return '<p class="none">none</p>'
    titles = "".join(f'<th class="{css}">{title}</th>' for title, (_, css) in rows[0].items())
    lines = "".join(
        "<tr>" + "".join(f'<td class="{css}">{text}</td>' for text, css in row.values()) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{titles}</tr>{lines}</table>"


def _number(text: str, css: str = "") -> Cell:
    return (escape(text), f"number {css}".strip()) if text else ("–", "number")


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:,.1f} s"


def _name(name: str) -> Cell:
    """Show ``projects/P/topics/T`` as project and name, with the full name as tooltip."""
    parts = name.split("/")
    project = f"<small>{escape(parts[1])} /</small> " if len(parts) == 4 else ""
    return f'<span title="{escape(name)}">{project}{escape(parts[-1])}</span>', "name"


def _delivery(row: SubscriptionState) -> Cell:
    """Show how messages are delivered, and where to: for example ``push`` and the endpoint."""
    where = escape(row.endpoint or row.destination or "")
    faulty = row.export_state not in {None, "ACTIVE"}
    state = f' <span class="warning">{escape(str(row.export_state))}</span>' if faulty else ""
    return f"{escape(row.kind)} <small>{where}</small>{state}", "name"
