"""Tests the links of Markdown pages, and the files and tests that they name: each target must exist.

The tests need neither the built site nor a network. Links to the web are not followed.
"""

import ast
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.repository.tree import ROOT, parsed, shown, tracked_files

FENCE = re.compile(r"^ *(```|~~~).*?^ *\1 *$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+)(.+?)\1", re.DOTALL)
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
NAMED_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
FOLDERS = (
    "contract|extraction|guarded_http|process_pool|runtime|push_endpoint|publishing|dispatcher|worker|localpubsub|console"
    "|scripts|simulation|terraform|tests|benchmarks|docs|crawls|locks"
)
NAMED_FILE = re.compile(rf"`((?:{FOLDERS})/[\w./-]*)`")
#: Files that a reader of the documentation creates, and names with a placeholder.
EXAMPLES = {"crawls/NAME.yaml", "crawls/books.yaml", "terraform/prod.tfvars"}
#: Pages about the past, which name files that no longer exist.
HISTORY = {"CHANGELOG.md"}


def markdown_files() -> list[Path]:
    """Return every Markdown file of the repository."""
    return [path for path in tracked_files() if path.suffix == ".md"]


def prose(text: str) -> str:
    """Return the text of a page without its code blocks."""
    return FENCE.sub("", text)


def links_of(text: str) -> list[str]:
    """Return the targets of a page's links; links within code are ignored."""
    return LINK.findall(CODE.sub("", prose(text)))


def slug(heading: str) -> str:
    """Return the anchor that GitHub gives a heading; mkdocs.yml configures the same for the site."""
    plain = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
    return re.sub(r"[^\w\- ]", "", plain.strip().lower()).replace(" ", "-")


@cache
def anchors_of(path: Path) -> frozenset[str]:
    """Return the anchors of a page; as on GitHub, a number is appended for a repeated heading."""
    anchors, counts = set[str](), dict[str, int]()
    for heading in HEADING.findall(prose(path.read_text(encoding="utf-8"))):
        name = slug(heading)
        number = counts.get(name, 0)
        anchors.add(f"{name}-{number}" if number else name)
        counts[name] = number + 1
    return frozenset(anchors)


class Broken(NamedTuple):
    """A link whose target does not exist."""

    page: str
    target: str
    why: str


def broken_links(path: Path, text: str) -> list[Broken]:
    """Return the relative links of a page whose file or anchor does not exist."""
    broken = []
    for target in links_of(text):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        file, _, anchor = target.partition("#")
        place = (path.parent / file).resolve() if file else path
        if not place.is_relative_to(ROOT) or not place.exists():
            broken.append(Broken(shown(path), target, "no such file"))
        elif anchor and (place.suffix != ".md" or anchor not in anchors_of(place)):
            broken.append(Broken(shown(path), target, "no such heading"))
    return broken


def test_every_relative_link_leads_to_a_file_and_a_heading() -> None:
    """Each relative link of each Markdown page leads to an existing file and an existing heading."""
    pages = markdown_files()
    assert len(pages) > 30
    assert [fault for path in pages for fault in broken_links(path, path.read_text(encoding="utf-8"))] == []


def test_every_test_that_a_page_names_exists() -> None:
    """Each test that a Markdown page names as `file::test` exists."""
    named = {
        (shown(page), file, test)
        for page in markdown_files()
        if shown(page) not in HISTORY
        for file, test in NAMED_TEST.findall(page.read_text(encoding="utf-8"))
    }
    assert named
    assert sorted(each for each in named if each[2] not in functions_of(each[1])) == []


@cache
def functions_of(file: str) -> frozenset[str]:
    """Return the names of a file's functions and methods; an empty set if the file does not exist."""
    path = ROOT / file
    if not path.is_file():
        return frozenset()
    return frozenset(
        node.name
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_every_file_that_a_page_names_exists() -> None:
    """Each path in code font that begins with a folder of the repository is a file or a folder."""
    missing = {
        (shown(page), name)
        for page in markdown_files()
        if shown(page) not in HISTORY
        for name in set(NAMED_FILE.findall(prose(page.read_text(encoding="utf-8")))) - EXAMPLES
        if not (ROOT / name).exists() and not (page.parent / name).exists()
    }
    assert sorted(missing) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[a](README.md)", []),
        ("[a](README.md#scrapeq)", []),
        ("[a](#here)\n\n# Here", ["no such heading"]),
        ("[a](gone.md)", ["no such file"]),
        ("[a](README.md#gone)", ["no such heading"]),
        ("[a](../outside.md)", ["no such file"]),
        ("[a](https://example.com/gone)", []),
        ("`[a](gone.md)`", []),
        ("```\n[a](gone.md)\n```", []),
        ("[`a`](gone.md)", ["no such file"]),
    ],
)
def test_a_broken_link_is_reported(text: str, why: list[str]) -> None:
    """A link to a missing file or heading is reported; links to the web and links in code are ignored."""
    assert [fault.why for fault in broken_links(ROOT / "README.md", text)] == why


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Capacity, and Pub/Sub's 3,000 pushes", "capacity-and-pubsubs-3000-pushes"),
        ("Use it from …", "use-it-from-"),
        ("The `settled` policy", "the-settled-policy"),
        ("A [link](x.md) in it", "a-link-in-it"),
        ("under_score", "under_score"),
    ],
)
def test_an_anchor_has_the_form_that_github_uses(heading: str, anchor: str) -> None:
    """In an anchor letters are small, punctuation is removed, and each space becomes a hyphen."""
    assert slug(heading) == anchor
