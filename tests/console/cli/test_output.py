"""Tests every command with an output that is full, closed or of a small character set, and without a home."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from console.ledger.ledger import Ledger
from tests.console.command import Scrapeq
from tests.console.command_line import leaf_commands
from tests.console.ledger.rows import dead_letter_row, job_row, outcome_row, record
from tests.repository.tree import ROOT

#: Arguments of each command; {folder} has a ledger, a crawl and a page.
COMMANDS: Final = {
    "down": "--data {folder}",
    "logs": "--data {folder}",
    "plan": "{folder}/crawl.yaml --data {folder}",
    "dispatch": "{folder}/crawl.yaml --data {folder}",
    "cancel": "books-1 --data {folder}",
    "pause": "--all --data {folder}",
    "resume": "--host shop.example --data {folder}",
    "wait": "--data {folder} --timeout 0",
    "try": "{folder}/crawl.yaml {folder}/page.html --data {folder}",
    "runs": "--data {folder}",
    "status": "--data {folder}",
    "job": "good --data {folder}",
    "results": "--data {folder} --format jsonl",
    "dead list": "--data {folder}",
    "dead show": "bad --data {folder}",
    "dead export": "--output {folder}/dead.jsonl --data {folder}",
    "dead replay": "--data {folder} --force",
    "report": "--data {folder} --output {folder}/report.html",
    "bill": "--data {folder}",
    "dead drop": "--data {folder} --yes",
    "acts": "--data {folder}",
    "reasons": "",
    "init": "{folder}/page.html --output {folder}/draft.yaml --force --data {folder}",
    "shell": "{folder}/page.html -c css('h1')",
    "recipe check": "{folder}/crawl.yaml",
    "recipe schema": "",
}
#: Commands that start services; they have tests of their own.
SERVERS: Final = {"up", "demo", "console", "ledger"}
#: Commands that print nothing to standard output in the folder, since no stack runs there.
SILENT: Final = {"dispatch", "down", "cancel", "pause", "resume"}
#: Commands that have nothing to print as JSON in the folder: no operator has acted, and no stack runs.
NO_FACTS: Final = {"acts", "dead replay", "dead drop"}
#: Commands without --json, and why.
NO_JSON: Final = {
    "demo": "it shows a run to a person, and its data is deleted at its end",
    "console": "it serves a page; `up --json` prints the address of that of a stack",
    "shell": "its prompt is for a person; with -c it prints the result as JSON",
    "recipe schema": "it prints nothing but JSON",
}
CRAWL: Final = """\
name: books
sources: {urls: ["https://shop.example/good"]}
recipe: {name: book, fields: {title: {css: h1}}}
"""


class Done(NamedTuple):
    """How a command has ended."""

    status: int
    output: str
    errors: str


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a ledger, a crawl and a page, all of which have characters beyond ASCII."""
    made = tmp_path_factory.mktemp("output")
    ledger = Ledger(made)
    ledger.create()
    record(
        ledger,
        [
            *(job_row(name, run="books-1") for name in ("good", "bad")),
            outcome_row("good", 1, run="books-1", items=[{"title": "Wörter … 漢字 \U0001f600"}]),
            outcome_row("bad", 2, run="books-1", reason="missing_field", detail="“h1” – 漢字"),
            dead_letter_row("bad", 3, run="books-1"),
        ],
    )
    (made / "logs").mkdir()
    (made / "logs" / "worker.log").write_text("Wörter … 漢字\n", encoding="utf-8")
    (made / "crawl.yaml").write_text(CRAWL, encoding="utf-8")
    (made / "page.html").write_text("<meta charset=utf-8><h1>Wörter … 漢字 \U0001f600</h1>", encoding="utf-8")
    return made


def run_all(
    folder: Path,
    output: str = "file",
    user: int = -1,
    environment: Mapping[str, str | None] | None = None,
    options: Mapping[str, str] | None = None,
) -> dict[str, Done]:
    """Run every command; a variable of the environment that is None is not set."""
    more = options or {}
    commands = [
        [*name.split(), *arguments.format(folder=folder).split(), *more.get(name, "").split()]
        for name, arguments in COMMANDS.items()
    ]
    variables = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "COLUMNS": "200",
        "PUBSUB_EMULATOR_HOST": "",
        **(environment or {}),
    }
    done = subprocess.run(
        [sys.executable, "-m", "tests.console.cli.forked_commands", output, str(user), json.dumps(commands)],
        env={name: value for name, value in variables.items() if value is not None},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    results = (Done(*each) for each in json.loads(done.stdout))
    return dict(zip(COMMANDS, results, strict=True))


@pytest.fixture(scope="module")
def usual(folder: Path) -> dict[str, Done]:
    """Return how each command ends where nothing is wrong."""
    return run_all(folder)


def assert_no_traceback(done: dict[str, Done]) -> None:
    """Check that no command has printed a stack trace or an error of Python."""
    for name, each in done.items():
        assert not re.search(r"Traceback|Exception ignored|^\w*Error: ", each.errors, re.MULTILINE), (
            f"{name}: {each.errors}"
        )


def test_every_command_is_in_the_table() -> None:
    """Each command is run by the tests of this module, or its output has tests elsewhere."""
    assert {" ".join(path) for path, _ in leaf_commands()} == set(COMMANDS) | SERVERS


def test_a_full_disk_is_reported(folder: Path) -> None:
    """If standard output cannot be written, the exit status is 1, and one line says why."""
    done = run_all(folder, "full")
    assert_no_traceback(done)
    for name, (status, _, errors) in done.items():
        assert status == 1, name
        if name not in SILENT:
            assert errors.splitlines()[-1] == "The output cannot be written: No space left on device.", name


def test_a_closed_pipe_ends_a_command_silently(folder: Path) -> None:
    """If the reader of a pipe has closed it, as `head` does, the exit status is that of SIGPIPE."""
    done = run_all(folder, "closed")
    assert_no_traceback(done)
    assert {name: (each.status, each.errors) for name, each in done.items() if name not in SILENT} == {
        name: (141, "") for name in COMMANDS if name not in SILENT
    }


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_small_character_set_changes_no_exit_status(
    folder: Path, usual: dict[str, Done], encoding: str
) -> None:
    """What the terminal cannot show is printed as an escape; lines of JSON stay what they were."""
    done = run_all(folder, environment={"PYTHONIOENCODING": encoding})
    assert_no_traceback(done)
    assert {name: each.status for name, each in done.items()} == {
        name: each.status for name, each in usual.items()
    }
    assert all(each.output.encode("latin-1").decode(encoding) == each.output for each in done.values())
    assert json.loads(done["results"].output) == json.loads(usual["results"].output.encode("latin-1"))


@pytest.mark.parametrize(
    "environment",
    [{"LANG": "C", "LC_ALL": "C"}, {"HOME": None, "XDG_CACHE_HOME": None}, {"NO_COLOR": "1", "TERM": "dumb"}],
    ids=" ".join,
)
def test_the_environment_changes_no_output(
    folder: Path, usual: dict[str, Done], environment: dict[str, str | None]
) -> None:
    """Without a home directory, in the locale C, and without colours, every command prints what it did."""
    done = run_all(folder, environment=environment)
    changed = [name for name in COMMANDS if name != "runs" and done[name] != usual[name]]
    assert changed == []
    assert "\x1b" not in "".join(each.output for each in done.values())


def test_a_data_directory_that_is_not_writable_is_no_stack_trace(folder: Path) -> None:
    """Where only reading is permitted, each command reads the ledger or says why it cannot."""
    if os.geteuid():
        pytest.skip("only root can run a command as another user")
    with tempfile.TemporaryDirectory() as parent:  # pytest's own folder is closed to other users
        Path(parent).chmod(0o755)
        copy = Path(shutil.copytree(folder, Path(parent) / "data"))
        for path in [*copy.rglob("*"), copy]:
            path.chmod(0o555 if path.is_dir() else 0o444)
        done = run_all(copy, user=65534)
    assert_no_traceback(done)
    assert all(each.status in {0, 1, 2, 3} for each in done.values()), done


@pytest.mark.parametrize(
    ("command", "keys"),
    [
        ("wait --data {folder} --timeout 0", {"run_id", "dispatched", "dead", "adds_up"}),
        ("runs --data {folder}", {"run_id", "adds_up"}),
        ("job good --data {folder}", {"run_id", "events", "items"}),
        ("reasons", {"reason", "outcome", "remedy"}),
        ("recipe check {folder}/crawl.yaml", {"file", "valid", "faults", "warnings"}),
        ("logs --data {folder}", {"service", "text"}),
    ],
)
def test_json_is_one_object_on_each_line(
    scrapeq: Scrapeq, folder: Path, command: str, keys: set[str]
) -> None:
    """With --json, standard output has only lines of JSON, whose keys are those of the ledger."""
    done = scrapeq(*command.format(folder=folder).split(), "--json")
    lines = done.stdout.splitlines()
    assert lines, done.stderr
    assert all(keys <= json.loads(line).keys() for line in lines)


def test_every_command_that_prints_facts_has_json() -> None:
    """Each command of the application has the option --json, or a reason why it has not."""
    without = {
        " ".join(path)
        for path, command in leaf_commands()
        if "--json" not in {name for parameter in command.params for name in parameter.opts}
    }
    assert without == NO_JSON.keys()


def test_json_stands_alone_on_standard_output(folder: Path, usual: dict[str, Done]) -> None:
    """With --json each command ends as without it, and standard output has only objects of JSON."""
    options = {name: "--json" for name in COMMANDS if name not in NO_JSON}
    done = run_all(folder, options=options)
    assert_no_traceback(done)
    for name in options:
        assert done[name].status == usual[name].status, (name, done[name])
        lines = done[name].output.splitlines()
        assert all(isinstance(json.loads(line), dict) for line in lines), name
        assert lines or name in SILENT | NO_FACTS, name
