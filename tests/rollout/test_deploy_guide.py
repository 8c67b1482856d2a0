"""Tests that gcloud, bq and Terraform accept the commands of docs/how-to/deploy.md and of the scripts.

The tests do not run the commands of gcloud and bq. They compare them with the files for completion in shells,
in which gcloud and bq list all commands and flags.
"""

import json
import re
import shlex
from collections.abc import Iterator

import pytest

from tests.repository.documented_commands import split
from tests.repository.tree import ROOT
from tests.rollout.cloudbuild import scripts
from tests.rollout.gcloud_words import gcloud_tree, installation, unknown_words

GUIDE = (ROOT / "docs" / "how-to" / "deploy.md").read_text(encoding="utf-8")
INLINE_COMMAND = re.compile(r"`((?:gcloud|bq|terraform) [^`]+)`")
#: A command of gcloud or bq in a shell script: what may precede it, and its words up to a shell operator.
SCRIPT_COMMAND = re.compile(
    r"(?:^\s*|[$<]\(|[|;&]\s*|\bdo |\bthen )((?:gcloud|bq) (?:[^|;&>()\n]|\$\([^)]*\)|\([^)]*\))+)",
    re.MULTILINE,
)
# Flags of individual bq commands (see `bq help query`), as the completion file has only the global flags.
BQ_FLAGS = {
    "query": {"max_rows", "maximum_bytes_billed", "nouse_legacy_sql", "parameter", "quiet"},
    "rm": {"recursive", "force", "dataset"},
}


def commands_of(guide: str) -> Iterator[list[str]]:
    """Yield the words of each command of gcloud, bq and Terraform in a document."""
    text = guide.replace("\\\n", " ")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    for line in [*lines, *(command.replace("\n", " ") for command in INLINE_COMMAND.findall(text))]:
        for words in split(shlex.split(line, comments=True)):
            command = words[words.index("do") + 1 :] if "do" in words else words
            if command and command[0] in {"gcloud", "bq", "terraform"}:
                yield command


def commands_of_scripts() -> Iterator[list[str]]:
    """Yield the words of each command of gcloud and bq in the scripts."""
    for text in scripts().values():
        code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
        for found in SCRIPT_COMMAND.findall(code.replace("\\\n", " ")):
            yield re.sub(r"[\"'`]", "", found).split()


def uses_of(program: str) -> list[list[str]]:
    """Return the arguments of each use of a program, in the guide and in the scripts."""
    return [words[1:] for words in [*commands_of(GUIDE), *commands_of_scripts()] if words[0] == program]


@pytest.mark.parametrize("arguments", uses_of("gcloud"), ids=" ".join)
def test_gcloud_command_and_its_flags_exist(arguments: list[str]) -> None:
    """All commands of the guide and of the scripts, and all flags that they use, exist in gcloud."""
    assert unknown_words(arguments, gcloud_tree()) == []


@pytest.mark.parametrize(
    ("line", "unknown"),
    [
        ("storage buckets create gs://b --location=x --quiet", []),
        ("storage buckets create gs://b --locations=x", ["--locations=x"]),
        ("storage bucket create gs://b", ["bucket"]),
        ("storage buckets", ["no command"]),
        ("run services update s --no-traffic", []),
    ],
)
def test_misspelt_gcloud_words_are_found(line: str, unknown: list[str]) -> None:
    """The check reports misspelt gcloud commands and flags, and accepts correct ones."""
    assert unknown_words(line.split(), gcloud_tree()) == unknown


@pytest.mark.parametrize("arguments", uses_of("bq"), ids=" ".join)
def test_bq_command_and_its_flags_exist(arguments: list[str]) -> None:
    """All commands of the guide and of the scripts, and all flags that they use, exist in bq."""
    tree = json.loads((installation() / "bq.json").read_text(encoding="utf-8"))
    command = next(word for word in arguments if not word.startswith("--"))
    flags = {word.split("=")[0] for word in arguments if word.startswith("--")}
    assert command in tree["commands"]
    assert {flag.removeprefix("--") for flag in flags - set(tree["flags"])} <= BQ_FLAGS[command]


def test_terraform_variables_and_resources_in_the_guide_exist() -> None:
    """Terraform declares every variable and resource that the guide's commands and examples name."""
    variables = "".join(path.read_text("utf-8") for path in (ROOT / "terraform").glob("variables-*.tf"))
    declared = set(re.findall(r'^variable "(\w+)"', variables, re.MULTILINE))
    examples = re.findall(r"```hcl\n(.*?)```", GUIDE, re.DOTALL)
    set_in_examples = set(re.findall(r"^(\w+)\s*=", "\n".join(examples), re.MULTILINE))
    set_in_commands = set(re.findall(r"-var '?(\w+)=", GUIDE))
    assert set_in_examples | set_in_commands <= declared
    texts = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "terraform").glob("*.tf"))
    for kind, name in re.findall(r"-replace=(\w+)\.(\w+)", GUIDE):
        assert f'resource "{kind}" "{name}"' in texts


def test_links_of_the_guide_lead_to_files() -> None:
    """Every relative link in the deployment guide leads to an existing file."""
    assert [
        path
        for path in re.findall(r"\]\(([\w./-]+)\)", GUIDE)
        if not (ROOT / "docs" / "how-to" / path).is_file()
    ] == []


def test_guide_and_build_use_the_same_names() -> None:
    """The state bucket and the variables file have the same names in the guide and in cloudbuild.yaml."""
    build = (ROOT / "cloudbuild.yaml").read_text(encoding="utf-8")
    assert "_STATE_BUCKET: ${PROJECT_ID}-terraform" in build
    assert "BUCKET=$PROJECT-terraform" in GUIDE
    assert "_VARIABLES: prod.tfvars" in build
    assert "terraform/prod.tfvars" in GUIDE


def test_guide_names_the_base_image_of_the_dockerfiles() -> None:
    """The image in the guide's `imagetools inspect` command is the base image of all Dockerfiles."""
    dockerfiles = [
        (ROOT / service / "Dockerfile").read_text(encoding="utf-8")
        for service in ("dispatcher", "worker", "console")
    ]
    used = {tag for text in dockerfiles for tag in re.findall(r"^FROM (python:[\w.-]+)@", text, re.MULTILINE)}
    assert used == set(re.findall(r"inspect (python:\S+)", GUIDE))


def test_guide_names_the_processors_that_the_stack_may_ask_for() -> None:
    """The numbers of vCPUs beside Cloud Run's quota follow from the variables and from the large example."""
    variables = "".join(path.read_text("utf-8") for path in (ROOT / "terraform").glob("variables-*.tf"))
    large = (ROOT / "terraform" / "examples" / "large.tfvars").read_text(encoding="utf-8")
    names = ("worker_max_instances", "worker_cpu", "dispatcher_max_instances")
    defaults = [
        int(re.findall(rf'variable "{name}" {{.*?  default += (\d+)\n', variables, re.DOTALL)[0])
        for name in names
    ]
    examples = [int(re.findall(rf"^{name} += (\d+)$", large, re.MULTILINE)[0]) for name in names]
    numbers = [instances * processors + others for instances, processors, others in (defaults, examples)]
    assert f"{numbers[0]} with the defaults, and {numbers[1]} with `large.tfvars`" in GUIDE


@pytest.mark.parametrize(
    "error",
    [
        "has not been used in project",
        "@gcp-sa-pubsub.iam.gserviceaccount.com does not exist",
        "Error 403: The caller does not have permission",
        "cannot run builds in this region",
    ],
)
def test_guide_says_what_to_do_about_errors_of_the_first_day(error: str) -> None:
    """The guide names each error that only Google can show, with what to do."""
    assert error in GUIDE
