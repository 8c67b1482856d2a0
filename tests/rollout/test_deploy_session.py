"""Follows docs/how-to/deploy.md from an empty account to the teardown, in one session."""

import json
import os
import re
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.repository.tree import ROOT
from tests.rollout import fake_gcloud
from tests.rollout.deploy import DEPLOY
from tests.rollout.documented_commands import (
    Extent,
    Finished,
    commands_of,
    rejected_by_gcloud,
    run_session,
)
from tests.terraform.lifecycle import CopyStack
from tests.terraform.stack import Stack

BLOCK = re.compile(r"^```(sh|hcl)\n(.*?)^```", re.MULTILINE | re.DOTALL)
#: A stand-in for bq: it answers queries, and deletes a dataset of the stand-in's cloud with its tables.
BQ = f"""#!{sys.executable}
import os, pathlib, sys
if "rm" in sys.argv:
    path = "projects%2F{{}}%2Fdatasets%2F{{}}".format(*sys.argv[-1].split(":"))
    for file in pathlib.Path(os.environ["STAND_IN_CLOUD"]).glob(f"google_bigquery_*.{{path}}*"):
        file.unlink()
"""


def session() -> Iterator[str]:
    """Yield what a reader enters, in the order of the guide; the examples of variables go to prod.tfvars."""
    text = DEPLOY.page.read_text(encoding="utf-8")
    alternatives = text.index("\n## Upgrade\n"), text.index("\n## Teardown\n")
    for block in BLOCK.finditer(text):
        if block[1] == "sh":
            for command in commands_of(f"# {block[1]}\n\n{block[0]}\n"):
                if DEPLOY.rule(command).extent in {Extent.RUN, Extent.PARSED}:
                    yield DEPLOY.filled_in(command)
        elif not alternatives[0] < block.start() < alternatives[1]:
            yield f"printf %s {shlex.quote(block[2])} >> terraform/prod.tfvars"


def prepare(stack: Stack, folder: Path) -> dict[str, str]:
    """Make a clone with a crawl file out of the stack's directory; return the environment of the reader."""
    root = stack.directory.parent
    (root / "scripts").symlink_to(ROOT / "scripts")
    canary = (root / "crawls" / "canary.yaml").read_text(encoding="utf-8")
    books = canary.replace("name: canary", "name: books")
    (root / "crawls" / "books.yaml").write_text(books, encoding="utf-8")
    state = fake_gcloud.install(folder)
    google = json.loads(state.read_text(encoding="utf-8"))
    state.write_text(json.dumps(google | {"github_allowed": True}), encoding="utf-8")
    bq = folder / "bin" / "bq"
    bq.write_text(BQ, encoding="utf-8")
    bq.chmod(0o755)
    home = folder / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[user]\nname = Reader\nemail = reader@example.com\n", encoding="utf-8")
    programs = (str(folder / "bin"), str(stack.directory / ".programs"), os.environ["PATH"])
    return {
        "PATH": os.pathsep.join(programs),
        "HOME": str(home),
        "BOOTSTRAP_PAUSE": "0",
        "TF_CLI_CONFIG_FILE": str(stack.configuration),
        "TF_CLI_ARGS_apply": "-auto-approve -no-color",
        "TF_CLI_ARGS_destroy": "-auto-approve -no-color",
        "STAND_IN_CLOUD": str(stack.cloud),
    }


def test_guide_is_followed_from_an_empty_account_to_the_teardown(
    copy_stack: CopyStack, tmp_path: Path
) -> None:
    """Every command that stand-ins can run succeeds in the order of the guide, and nothing is left."""
    stack = copy_stack()
    environment = prepare(stack, tmp_path)
    scratch = tmp_path / "session"
    scratch.mkdir()
    repository = ["git init --quiet", "git add .", "git commit --quiet --message=Start"]
    finished = run_session([*repository, *session()], environment, stack.directory.parent, scratch)
    assert [each for each in finished if each.status] == []
    assert applies(finished) == 4
    # The stand-in's cloud is empty, and of the project only its APIs and agents are left.
    assert stack.in_cloud() == []
    project = json.loads((tmp_path / "google.json").read_text(encoding="utf-8"))["projects"]["my-scraper"]
    kinds = ("accounts", "buckets", "connections", "repositories", "secrets")
    assert [kind for kind in kinds if project[kind]] == []


def applies(finished: list[Finished]) -> int:
    """Return how many commands have applied the stack."""
    return sum("Apply complete!" in each.output for each in finished)


def test_every_gcloud_command_of_the_guide_is_valid(gcloud: str, tmp_path: Path) -> None:
    """The parser of gcloud accepts every gcloud command of the guide."""
    assert rejected_by_gcloud(gcloud, DEPLOY, tmp_path) == []
