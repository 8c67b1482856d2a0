"""Compares the words of a command with the commands and flags that the installed gcloud has."""

import runpy
from functools import cache
from pathlib import Path
from typing import Any

from tests.rollout.sdk import sdk_root


def installation() -> Path:
    """Return the directory of the completion files; skip the test if gcloud is not installed."""
    return sdk_root() / "data" / "cli"


@cache
def gcloud_tree() -> dict[str, Any]:
    """Return gcloud's commands as a tree; each node has `commands`, by name, and `flags`."""
    tree: dict[str, Any] = runpy.run_path(str(installation() / "gcloud_completions.py"))[
        "STATIC_COMPLETION_CLI_TREE"
    ]
    return tree


def unknown_words(arguments: list[str], tree: dict[str, Any]) -> list[str]:
    """Return the words that gcloud rejects: unknown commands, and flags that the command does not have."""
    node, flags, given = tree, set(tree["flags"]), []
    for word in arguments:
        if word.startswith("--"):
            given.append(word)
        elif node["commands"]:
            if word not in node["commands"]:
                return [word]
            node = node["commands"][word]
            flags |= set(node["flags"])
    known = flags | {flag.replace("--", "--no-", 1) for flag in flags}
    unfinished = ["no command"] if node["commands"] else []
    return unfinished + [word for word in given if word.split("=")[0] not in known]
