"""The screen of the dead letters: by reason and host, one by one, and what can be done with them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import NamedTuple

import flask
import yaml
from flask import Blueprint, abort, flash, redirect, render_template, request, url_for

from console.controls.cancel import refuse_cancelled_runs
from console.dead_letters.acts import Command
from console.dead_letters.choice import Choice, choose, needs_new_job
from console.dead_letters.filter import MAX_FILTER_CHARACTERS, read_filter
from console.dead_letters.replacing import plan_replacements
from console.errors import UsageError
from console.ledger.act_rows import act_rows
from console.ledger.dead_letter_rows import DeadLetter
from console.ledger.job_rows import job_message
from console.recipes.recipe_file import read_recipe
from console.recipes.yaml_file import FaultyFileError
from console.report.controls import act_detail
from console.report.dead_letters import explained, grouped
from console.report.tables import meaning_of
from console.web.acts import GIVEN_UP, Work
from console.web.context import acts, argument, console_options
from console.web.dead_letter_acts import CanaryOptions, dropping, new_command, replaying
from contract.operator_act import Act

SCREEN = Blueprint("dead_letters", __name__)
MAX_LISTED = 200
MAX_RUNS = 200
MAX_ACTS = 20
ALL_RUNS = "*"
FIRST = 10  #: number of dead letters of a canary, if the form says nothing else
MINUTES = 30  #: minutes for which a canary is awaited, if the form says nothing else
MAX_MINUTES = 7 * 24 * 60  #: a job ends within the retention of the queue


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
    def run_id(self) -> str | None:
        """The run; None for all runs."""
        return None if self.run == ALL_RUNS else self.run

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
        trail=act_rows(ledger, None, MAX_ACTS),
        act_detail=act_detail,
    )


@SCREEN.post("/dead-letters/preview")
def preview() -> flask.typing.ResponseReturnValue:
    """Show what would be done with the selected dead letters, and ask for the decision."""
    selected = _selected_by_form()
    if not selected.letters:
        flash("No dead letter is selected.", "warn")
        return redirect(url_for("dead_letters.dead_letters", run=selected.run), 303)
    return _preview(selected)


@SCREEN.post("/dead-letters/replay")
def replay() -> flask.typing.ResponseReturnValue:
    """Start a replay of the selected dead letters, which goes on after the response."""
    selected = _decided()
    letters = selected.letters
    if "force" not in request.form:
        letters = [letter for letter in letters if not needs_new_job(letter)]
    choice = Choice(letters, selected.choice.outdated)
    command = new_command(Act.REPLAY, choice, selected.run_id, selected.where)
    work = replaying(console_options(), command, choice, canary=_canary())
    return _start(command, f"replay {len(letters):,} dead letters of {selected.title}", work, selected)


@SCREEN.post("/dead-letters/replace")
def replace() -> flask.typing.ResponseReturnValue:
    """Start a replay of the selected dead letters with a mended recipe, which makes new jobs."""
    selected = _decided()
    recipe = request.form.get("recipe", "")
    try:
        mended = read_recipe(recipe.encode(), "recipe.yaml").recipe
    except FaultyFileError as error:
        return _preview(selected, recipe, str(error)), 422
    now = datetime.now(UTC)
    planned = plan_replacements(console_options().ledger, mended, selected.letters, (), now)
    if not planned.total:
        why = "; ".join(f"{count} {reason}" for reason, count in planned.refused.items())
        return _preview(selected, recipe, f"No job would be replaced: {why}."), 422
    letters = [letter for letter in selected.letters if letter.message_id in planned.by_message]
    choice = Choice(letters, selected.choice.outdated)
    command = new_command(Act.REPLACE, choice, selected.run_id, selected.where)
    work = replaying(console_options(), command, choice, planned, _canary())
    return _start(command, f"replay {len(letters):,} dead letters with a mended recipe", work, selected)


@SCREEN.post("/dead-letters/drop")
def drop() -> flask.typing.ResponseReturnValue:
    """Start to drop the selected dead letters."""
    selected = _decided()
    command = new_command(Act.DROP, selected.choice, selected.run_id, selected.where)
    work = dropping(console_options(), command, selected.choice)
    return _start(command, f"drop {len(selected.letters):,} dead letters of {selected.title}", work, selected)


@SCREEN.post("/dead-letters/give-up")
def give_up() -> flask.typing.ResponseReturnValue:
    """Let an act wait no longer for its canary or its turn; what it has not done stays dead."""
    act = acts().find(request.form.get("act", ""))
    if act is None or not act.can_stop:
        flash("This act does not wait, so it cannot be given up.", "warn")
    else:
        act.stop(GIVEN_UP)
        flash(f"Given up: {act.title}.", "done")
    return redirect(url_for("dead_letters.dead_letters", run=request.form.get("run") or None), 303)


def _preview(selected: Selected, recipe: str = "", fault: str = "") -> str:
    return render_template(
        "dead_letters_preview.html",
        selected=selected,
        groups=grouped(selected.letters),
        permanent=[letter for letter in selected.letters if needs_new_job(letter)],
        first=FIRST,
        minutes=MINUTES,
        max_minutes=MAX_MINUTES,
        recipe=recipe or _recipe_of(selected.letters),
        fault=fault,
    )


def _recipe_of(letters: Sequence[DeadLetter]) -> str:
    """Return the recipe of the first dead letter as YAML; `""` if it cannot be read."""
    message = job_message(console_options().ledger, letters[0].run_id, letters[0].job_id) if letters else {}
    recipe = message.get("recipe")
    if not isinstance(recipe, dict):
        return ""
    return str(yaml.safe_dump(recipe, sort_keys=False, allow_unicode=True))


def _decided() -> Selected:
    """Return what was selected when the operator decided; go back if it has changed since."""
    selected = _selected_by_form()
    if request.form.get("count") != str(len(selected.letters)):
        flash(f"The selection has changed: it has {len(selected.letters):,} dead letters now.", "warn")
        back = url_for("dead_letters.dead_letters", run=selected.run, where=selected.where)
        abort(redirect(back, 303))
    options = console_options()
    refuse_cancelled_runs(options.ledger, selected.choice.runs, options.address)
    return selected


def _canary() -> CanaryOptions | None:
    """Return the canary that the form asks for; None for no canary."""
    if "canary" not in request.form:
        return None
    first = _number("first", FIRST, 9_999_999, "The size of the canary")
    return CanaryOptions(first, 60 * _number("minutes", MINUTES, MAX_MINUTES, "The time limit of the canary"))


def _number(name: str, default: int, maximum: int, what: str) -> int:
    text = request.form.get(name, str(default))
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 8 and 0 < int(text) <= maximum):
        abort(422, f"{what} must be a number from 1 to {maximum:,}.")
    return int(text)


def _start(command: Command, title: str, work: Work, selected: Selected) -> flask.typing.ResponseReturnValue:
    acts().start(command.act_id, title, work)
    return redirect(url_for("dead_letters.dead_letters", run=selected.run), 303)


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
