"""Serves the state of topics and subscriptions as an HTML page or, on request, as JSON."""

import json
from dataclasses import fields
from html import escape
from typing import Final

from aiohttp import web

from localpubsub.broker.state import ServerState, SubscriptionState, TopicState

_STYLE: Final = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif }
body { margin: 2rem auto; max-width: 90rem; padding: 0 1.5rem }
h1 { font-size: 1.3rem } h2 { font-size: 1.05rem; margin: 2rem 0 .4rem }
.scroll { overflow-x: auto }
table { border-collapse: collapse }
th, td { padding: .35rem 1.4rem .35rem 0; vertical-align: top; text-align: left; white-space: nowrap }
tr { border-bottom: 1px solid #8884 }
th { font-weight: 600; opacity: .7 } .number { text-align: right; font-variant-numeric: tabular-nums }
.endpoint { white-space: normal; overflow-wrap: anywhere; min-width: 14rem }
td.paused { color: #c60 } .none, small { opacity: .6 }
"""
_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<meta http-equiv="refresh" content="2"><title>localpubsub</title><style>{style}</style></head>
<body><h1>localpubsub</h1>
<h2>Subscriptions</h2>{subscriptions}
<h2>Topics</h2>{topics}
<p><a href="state.json">state.json</a></p></body></html>
"""
_TITLES: Final = {
    "oldest_unacked_seconds": "oldest unacked",
    "backoff_until": "paused until",
    "endpoint": "push endpoint",
}
_CLASSES: Final = {"backoff_until": "paused", "endpoint": "endpoint"}
_NUMBERS: Final = {"subscriptions", "backlog", "outstanding", "oldest_unacked_seconds", "window"}


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
    return _PAGE.format(
        style=_STYLE,
        subscriptions=_table(
            [field.name for field in fields(SubscriptionState)], list(state.subscriptions())
        ),
        topics=_table([field.name for field in fields(TopicState)], list(state.topics())),
    )


def _table(names: list[str], rows: list[SubscriptionState] | list[TopicState]) -> str:
    if not rows:
        return '<p class="none">none</p>'
    titles = "".join(f"<th{_class(name)}>{_TITLES.get(name, name)}</th>" for name in names)
    lines = "".join(
        "<tr>"
        + "".join(f"<td{_class(name)}>{_cell(name, getattr(row, name))}</td>" for name in names)
        + "</tr>"
        for row in rows
    )
    return f'<div class="scroll"><table><tr>{titles}</tr>{lines}</table></div>'


def _class(name: str) -> str:
    if name in _CLASSES:
        return f' class="{_CLASSES[name]}"'
    return ' class="number"' if name in _NUMBERS else ""


def _cell(name: str, value: object) -> str:
    if value is None:
        return "pull" if name == "endpoint" else "–"
    if name == "oldest_unacked_seconds" and isinstance(value, float):
        return f"{value:,.1f} s"
    if name == "backoff_until":
        return escape(str(value)[11:])  # Only the time of day, because a pause lasts at most a minute.
    if name in {"name", "topic"}:
        return _short_name(str(value))
    return escape(f"{value:,}" if isinstance(value, int) else str(value))


def _short_name(name: str) -> str:
    """Show ``projects/P/topics/T`` as project and name, with the full name as tooltip."""
    parts = name.split("/")
    project = f"<small>{escape(parts[1])} /</small> " if len(parts) == 4 else ""
    return f'<span title="{escape(name)}">{project}{escape(parts[-1])}</span>'
