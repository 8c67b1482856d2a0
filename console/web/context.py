"""Returns what the current request's application was built with."""

from contextlib import ExitStack, suppress
from typing import cast

import flask

from console.controls.acts import operator_name
from console.errors import ConsoleError
from console.web.acts import Acts
from console.web.options import ConsoleOptions


def console_options() -> ConsoleOptions:
    """Return the options of the application."""
    return cast("ConsoleOptions", flask.current_app.extensions["console"])


def use_snapshots(app: flask.Flask) -> None:
    """Let all queries of a page see the ledger at one moment, so that the numbers of the page agree.

    A page that needs no ledger is shown even if there is none. A download is read after the request has
    ended, by one query. An act reads what was recorded meanwhile.
    """

    def begin() -> None:
        flask.g.snapshot = ExitStack()
        if flask.request.method == "GET" and flask.request.blueprint:
            with suppress(ConsoleError):
                flask.g.snapshot.enter_context(console_options().ledger.snapshot())

    def end(_: BaseException | None) -> None:
        if "snapshot" in flask.g:
            flask.g.pop("snapshot").close()

    app.before_request(begin)
    app.teardown_request(end)


def acts() -> Acts:
    """Return the acts that were started on the page."""
    return cast("Acts", flask.current_app.extensions["acts"])


def operator() -> str:
    """Return who gives the command of the current request: the user that a proxy has proved, or this user."""
    return str(flask.g.get("operator") or operator_name())


def page_number() -> int:
    """Return the number of the page of a list, from 1, that the request's URL has."""
    given = flask.request.args.get("page", "1")
    return (
        min(int(given), 1_000_000)
        if given.isascii() and given.isdigit() and len(given) < 8 and int(given)
        else 1
    )


def argument(name: str, length: int = 300) -> str:
    """Return a parameter of the request's URL, at most `length` characters; `""` if it is missing."""
    return flask.request.args.get(name, "").strip()[:length]
