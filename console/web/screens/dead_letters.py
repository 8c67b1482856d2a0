"""The screen of the dead letters: by reason and host, one by one, and what can be done with them."""

from collections.abc import Callable
from typing import NamedTuple

import flask
from flask import Blueprint, abort, flash, redirect, render_template, request, url_for

from console.dead_letters.choice import Choice, choose, needs_new_job
from console.dead_letters.filter import MAX_FILTER_CHARACTERS, read_filter
from console.errors import UsageError
from console.ledger.dead_letter_rows import DeadLetter
from console.ledger.operator_rows import operator_acts
from console.report.dead_letters import explained, grouped
from console.report.tables import meaning_of
from console.web.acts import Show
from console.web.context import acts, argument, console_options
from console.web.dead_letter_acts import Replay

SCREEN = Blueprint("dead_letters", __name__)
MAX_LISTED = 200
MAX_RUNS = 200
ALL_RUNS = "*"
FIRST = 10  #: number of dead letters of a canary, if the form says nothing else


class Selected(NamedTuple):
    """What a form or an address selects.

    Attributes:
        run: id of the run, or `*` for all runs.
        where: the filter as it was written.
        choice: the dead letters.
        fault: why the filter cannot be read; `""` if it can be.
    """

    run: str
    where: str
    choice: Choice
    fault: str = ""

    @property
    def letters(self) -> list[DeadLetter]:
        """The selected dead letters."""
        return self.choice.letters

    @property
    def title(self) -> str:
        """What was selected, in words."""
        of = "all runs" if self.run == ALL_RUNS else f"run {self.run}"
        return f"{of}, {self.where}" if self.where else of


@SCREEN.get("/dead-letters")
def dead_letters() -> str:
    """Show the dead letters of a run, or of all runs, grouped by reason and host."""
    ledger = console_options().ledger
    runs = ledger.runs()
    run = argument("run") or (runs[0] if runs else ALL_RUNS)
    where = argument("where", MAX_FILTER_CHARACTERS)
    if job_id := argument("job", 64):
        where = f"job={job_id}"
    selected = _select(run, where)
    return render_template(
        "dead_letters.html",
        runs=runs[:MAX_RUNS],
        selected=selected,
        groups=grouped(selected.letters)[:100],
        explained=explained,
        letters=selected.letters[:MAX_LISTED],
        meaning_of=meaning_of,
        trail=operator_acts(ledger, count=20),
    )


@SCREEN.post("/dead-letters/preview")
def preview() -> flask.typing.ResponseReturnValue:
    """Show what would be done with the selected dead letters, and ask for the decision."""
    selected = _selected_by_form()
    if not selected.letters:
        flash("No dead letter is selected.", "warn")
        return redirect(url_for("dead_letters.dead_letters", run=selected.run), 303)
    return render_template(
        "dead_letters_preview.html",
        selected=selected,
        groups=grouped(selected.letters),
        permanent=[letter for letter in selected.letters if needs_new_job(letter)],
        first=FIRST,
    )


@SCREEN.post("/dead-letters/replay")
def replay() -> flask.typing.ResponseReturnValue:
    """Start a replay of the selected dead letters, which goes on after the response."""
    selected = _selected_by_form()
    letters = selected.letters
    if request.form.get("count") != str(len(letters)):
        flash(f"The selection has changed: it has {len(letters):,} dead letters now.", "warn")
        return redirect(url_for("dead_letters.dead_letters", run=selected.run, where=selected.where), 303)
    if "force" not in request.form:
        letters = [letter for letter in letters if not needs_new_job(letter)]
    choice = Choice(letters, selected.choice.outdated)
    first = _number(request.form.get("first", "")) if "canary" in request.form else None
    act = Replay(console_options(), choice, first)
    return _start(f"replay {len(letters):,} dead letters of {selected.title}", act.run, selected)


def _start(title: str, act: Callable[[Show], str], selected: Selected) -> flask.typing.ResponseReturnValue:
    if acts().start(title, act):
        flash(f"Started: {title}.", "done")
    else:
        flash("Another act is running; wait until it has ended.", "warn")
    return redirect(url_for("dead_letters.dead_letters", run=selected.run), 303)


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 8 and int(text)):
        abort(422, "The size of the canary must be a number from 1 on.")
    return int(text)


def _selected_by_form() -> Selected:
    run, where = request.form.get("run", ""), request.form.get("where", "")
    if request.form.get("scope") == "checked":
        where = f"message={','.join(request.form.getlist('message'))}"
        if where == "message=":
            return Selected(run, where, Choice([], set()))
    selected = _select(run, where)
    if selected.fault:
        abort(422, selected.fault)
    return selected


def _select(run: str, where: str) -> Selected:
    ledger = console_options().ledger
    run_id = None if run == ALL_RUNS else ledger.resolve_run(run)
    try:
        terms = read_filter(where)
    except UsageError as error:
        return Selected(run, where, Choice([], set()), str(error))
    return Selected(run, str(terms), choose(ledger, run_id, terms))
