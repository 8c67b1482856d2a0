"""Tries a recipe on a page in a process of its own, which is killed if it takes too long.

A page or a recipe of a stranger may keep the extraction busy, use much memory, or find a fault in a parser.
Here it can then end only this process. `run_trial` starts it; `python -m console.web.lab_process` is the
process.
"""

import json
import os
import resource
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from console.errors import ConsoleError, UsageError
from console.recipes.fetch_page import fetch_page
from console.recipes.recipe_file import read_recipe
from console.recipes.yaml_file import FaultyFileError
from extraction.explain import explain
from extraction.mark import marked_html
from extraction.page import PageContent, SavedPage

MAX_SECONDS: Final = 60  #: seconds for fetching the page and for the extraction
MAX_CPU_SECONDS: Final = 20
MAX_MEMORY_BYTES: Final = 2 * 1024**3
MAX_SHOWN_FINDINGS: Final = 500
MAX_SHOWN_ITEMS: Final = 50
MAX_RAW_CHARACTERS: Final = 2_000_000  #: number of characters of a page that are sent back to be shown
#: Style of the marked elements, and of a page that has no style of its own any more.
STYLE: Final = """
:root { color-scheme: light; } body { font: 15px/1.5 system-ui, sans-serif; margin: 16px; }
[data-scrapeq-item] { outline: 2px dashed #9a6700; outline-offset: 3px; }
[data-scrapeq-field]:not(html, body) {
  outline: 2px solid #0b63ce; outline-offset: 2px; background: #fff3b0; color: #1a1a1a; }
[data-scrapeq-field]::after { content: attr(data-scrapeq-field); font: 600 11px/1.4 ui-monospace, monospace;
  background: #0b63ce; color: #fff; padding: 1px 5px; margin-left: 4px; border-radius: 3px; }
"""


@dataclass
class Trial:
    """What a recipe finds on a page.

    Attributes:
        items: the first items.
        item_count: number of items.
        findings: what each source found: objects with the keys of `extraction.explain.Finding`.
        warnings: sentences about the recipe and the page.
        error: why the job would fail; `""` if it would succeed.
        next_url: URL of the next page; `""` if there is none.
        html: the page with the matches marked; `""` if it is not HTML.
        url: URL of the page after redirects.
        source: the text of the page, to be tried again without another request.
        fault: why there is no result at all; `""` if there is one.
    """

    items: list[Any] = field(default_factory=list)
    item_count: int = 0
    findings: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    error: str = ""
    next_url: str = ""
    html: str = ""
    url: str = ""
    source: str = ""
    fault: str = ""


_TRIAL: Final = TypeAdapter(Trial)


def run_trial(recipe: str, url: str, page: str, settings: Mapping[str, str]) -> Trial:
    """Try a recipe in a new process.

    Args:
        recipe: the YAML of a recipe or a crawl.
        url: URL of the page.
        page: the page's text; `""` to fetch it from the URL.
        settings: settings of the worker with which the page is fetched, by the name of their variable.
    """
    question = json.dumps({"recipe": recipe, "url": url, "page": page, "settings": dict(settings)}).encode()
    command = (sys.executable, "-m", "console.web.lab_process")
    try:
        done = subprocess.run(  # noqa: S603 - runs a module of this package
            command, input=question, capture_output=True, timeout=MAX_SECONDS, check=False
        )
        return _TRIAL.validate_json(done.stdout)
    except subprocess.TimeoutExpired:
        return Trial(fault=f"The trial was stopped after {MAX_SECONDS} s.")
    except ValidationError:
        return Trial(fault="The trial's process ended before its result: it needed too much time or memory.")


def _try(recipe_text: str, url: str, page_text: str, settings: Mapping[str, str]) -> Trial:
    try:
        recipe, request, warnings = read_recipe(recipe_text.encode(), "recipe.yaml")
        page: PageContent
        if page_text:
            content_type = (
                "application/json" if page_text.lstrip()[:1] in {"{", "["} else "text/html; charset=utf-8"
            )
            page = SavedPage(url or "http://localhost/", content_type, page_text.encode())
        elif url:
            page = fetch_page(url, request=request, settings=settings)
        else:
            raise UsageError("Give a URL, or paste a page.")
    except (ConsoleError, FaultyFileError) as error:
        return Trial(fault=str(error), source=page_text, url=url)
    explained = explain(recipe, page)
    return Trial(
        items=explained.extracted.items[:MAX_SHOWN_ITEMS],
        item_count=len(explained.extracted.items),
        findings=[finding._asdict() for finding in explained.findings[:MAX_SHOWN_FINDINGS]],
        warnings=[*warnings, *explained.extracted.warnings],
        error=str(explained.error or ""),
        next_url=explained.extracted.next_url,
        html=marked_html(recipe, page, STYLE),
        url=page.url,
        source=page_text or page.body[:MAX_RAW_CHARACTERS].decode(errors="replace"),
    )


def main() -> None:
    """Read a question from standard input, and write the trial to standard output."""
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_SECONDS, MAX_CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    answer, sys.stdout = os.dup(1), sys.stderr  # only the answer may be written to standard output
    os.dup2(2, 1)
    question = json.load(sys.stdin)
    trial = _try(question["recipe"], question["url"], question["page"], question["settings"])
    with os.fdopen(answer, "wb") as output:
        output.write(_TRIAL.dump_json(trial))


if __name__ == "__main__":
    main()
