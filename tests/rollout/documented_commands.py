"""Finds every shell command of a guide, runs those that stand-ins can answer, and says how far each is run.

A guide has a list of rules. The first rule whose pattern matches the beginning of a command says how far the
tests run it. The tests take what they run from the same rules as the table of
docs/reference/tested-commands.md, so the table cannot promise more than the tests do.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

FENCED = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
SESSION_SECONDS = 560.0  #: limit for all commands of one session; gcloud needs seconds for each command
MAX_SHOWN_CHARACTERS = 90  #: length of a command in the table


class Extent(StrEnum):
    """How far the tests run a command; the values are the words of the table."""

    RUN = "run"
    ANSWERED = "sent"
    PARSED = "parsed"
    NOT_RUN = "not run"


#: What each word of the table means.
MEANINGS = {
    Extent.RUN: (
        "The command runs to its end, and has its effect on a local stand-in that behaves as the cloud does."
    ),
    Extent.ANSWERED: (
        "The real program runs, and sends its requests to a stand-in of the API. The stand-in knows these "
        "requests, and its answers are fixed."
    ),
    Extent.PARSED: "The parser of gcloud itself accepts the command and its flags.",
    Extent.NOT_RUN: "It is not run as it stands; the last column says why.",
}


@dataclass(frozen=True)
class DocumentedCommand:
    """A command of a guide.

    Attributes:
        section: the heading above it.
        block: number of the page's block that contains it, from 0.
        text: the command as a shell reads it: one line, or several that belong together, such as a loop.
    """

    section: str
    block: int
    text: str


@dataclass(frozen=True)
class Rule:
    """How far the tests run some commands.

    Attributes:
        pattern: regular expression that matches the beginning of the commands.
        extent: how far they are run.
        how: the stand-in that answers, or the reason why the command is not run further.
    """

    pattern: str
    extent: Extent
    how: str


@dataclass(frozen=True)
class Guide:
    """A page with commands.

    Attributes:
        page: path of the Markdown file.
        rules: the rules, of which the first that matches applies.
        placeholders: what stands in the tests for each word in capitals that a reader replaces.
    """

    page: Path
    rules: Sequence[Rule]
    placeholders: Mapping[str, str] = field(default_factory=dict)

    @property
    def commands(self) -> list[DocumentedCommand]:
        """All commands, in the order of the page."""
        return list(commands_of(self.page.read_text(encoding="utf-8")))

    def sections(self) -> dict[str, list[DocumentedCommand]]:
        """Return the commands by their section."""
        found: dict[str, list[DocumentedCommand]] = {}
        for command in self.commands:
            found.setdefault(command.section, []).append(command)
        return found

    def rule(self, command: DocumentedCommand) -> Rule:
        """Return the rule of a command.

        Raises:
            LookupError: if no rule matches.
        """
        for rule in self.rules:
            if re.match(rule.pattern, command.text):
                return rule
        raise LookupError(f"no rule says how far this command of {self.page.name} is run: {command.text}")

    def blocks(self, section: str) -> list[list[DocumentedCommand]]:
        """Return the commands of a section, block by block."""
        commands = self.sections()[section]
        numbers = dict.fromkeys(command.block for command in commands)
        return [[command for command in commands if command.block == number] for number in numbers]

    def with_extent(self, *extents: Extent) -> list[DocumentedCommand]:
        """Return the commands that are run so far."""
        return [command for command in self.commands if self.rule(command).extent in extents]

    def filled_in(self, command: DocumentedCommand) -> str:
        """Return the text of a command with values instead of the placeholders."""
        return re.sub(r"\b[A-Z]+\b", lambda found: self.placeholders.get(found[0], found[0]), command.text)

    def table(self) -> str:
        """Return the Markdown table of the commands."""
        rows = ["| section | command | how far | stand-in, or reason |", "|---|---|---|---|"]
        for command in self.commands:
            rule = self.rule(command)
            rows.append(f"| {command.section} | {_shown(command.text)} | {rule.extent} | {rule.how} |")
        return "\n".join(rows)


def _shown(text: str) -> str:
    line = " ".join(text.replace("\\\n", " ").split())
    shown = line if len(line) <= MAX_SHOWN_CHARACTERS else line[: MAX_SHOWN_CHARACTERS - 1] + "…"
    return f"`{shown.replace('|', chr(92) + '|')}`"


def commands_of(text: str) -> Iterator[DocumentedCommand]:
    """Yield the commands in a Markdown text's `sh` blocks.

    Raises:
        ValueError: if bash cannot read the end of a block.
    """
    for number, block in enumerate(FENCED.finditer(text)):
        headings = re.findall(r"^#+ (.+)$", text[: block.start()], re.MULTILINE)
        pending = ""
        for line in block[1].splitlines():
            pending += line + "\n"
            if line.endswith("\\") or not _is_complete(pending):
                continue
            if any(not each.lstrip().startswith("#") for each in pending.split("\n") if each.strip()):
                yield DocumentedCommand(headings[-1], number, pending.strip())
            pending = ""
        if pending.strip():
            raise ValueError(f"bash cannot read this: {pending}")


def _is_complete(script: str) -> bool:
    """Return whether bash can read the text as whole commands, not as half of a loop or of a quoted text."""
    done = subprocess.run(
        ["bash", "-n"], input=script, capture_output=True, text=True, check=False, timeout=60
    )
    return done.returncode == 0


@dataclass(frozen=True)
class Finished:
    """A command that was run.

    Attributes:
        text: the command, with values instead of placeholders.
        status: its exit status.
        output, errors: what it printed.
    """

    text: str
    status: int
    output: str
    errors: str


def run_session(
    commands: Sequence[str], environment: Mapping[str, str], folder: Path, scratch: Path
) -> list[Finished]:
    """Run commands one after the other in one bash, as a reader does who copies them into a terminal.

    Variables and functions of a command exist for the next ones. A command that fails does not end the
    session.

    Args:
        commands: the commands, with values instead of placeholders.
        environment: the environment variables.
        folder: the working directory.
        scratch: an empty folder for the output of the commands.
    """
    script = ["set -uo pipefail"]
    for number, command in enumerate(commands):
        name = scratch / str(number)
        script.append(
            f"{{ {command}\n}} > '{name}.out' 2> '{name}.err' < /dev/null; echo $? > '{name}.status'"
        )
    subprocess.run(
        ["bash", "-c", "\n".join(script)],
        env=dict(environment),
        cwd=folder,
        check=True,
        timeout=SESSION_SECONDS,
    )

    def read(number: int, kind: str) -> str:
        return (scratch / f"{number}.{kind}").read_text(encoding="utf-8")

    return [
        Finished(command, int(read(number, "status")), read(number, "out"), read(number, "err"))
        for number, command in enumerate(commands)
    ]


def gcloud_environment(config: Path, project: str) -> dict[str, str]:
    """Return the environment of this process without settings of gcloud, and with those of a test.

    Args:
        config: the folder for gcloud's configuration.
        project: the project's id.
    """
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CLOUDSDK_")}
    return inherited | {
        "CLOUDSDK_CONFIG": str(config),
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_CORE_PROJECT": project,
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "true",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
    }


def rejected_by_gcloud(gcloud: str, guide: Guide, scratch: Path) -> list[tuple[str, str]]:
    """Return the gcloud commands of a guide that gcloud's own parser rejects, each with the reason.

    gcloud checks nothing but the words and the flags, and sends nothing. Commands with a redirection or a
    substitution are left out, because gcloud would take them for arguments.

    Args:
        gcloud: path of gcloud.
        guide: the guide.
        scratch: a folder for the commands and gcloud's configuration.
    """
    texts = [
        guide.filled_in(command)
        for command in guide.commands
        if command.text.startswith("gcloud ") and not re.search(r" > |\$\(", command.text)
    ]
    page = scratch / "gcloud-commands.md"
    # gcloud checks only the first command of a block.
    page.write_text("".join(f"```sh\n{text}\n```\n\n" for text in texts), encoding="utf-8")
    done = subprocess.run(
        [gcloud, "meta", "lint-gcloud-commands", f"--commands-text-file={page}"],
        env=gcloud_environment(scratch / "gcloud", "linted"),
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    checked = json.loads(done.stdout)
    if len(checked) != len(texts):
        raise ValueError(f"gcloud checked {len(checked)} of {len(texts)} commands of {guide.page.name}")
    return [(each["command_string"], each["error_message"]) for each in checked if not each["success"]]
