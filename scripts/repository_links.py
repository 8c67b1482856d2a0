"""A hook of mkdocs that changes links from docs/ to other files of the repository into links to GitHub.

On GitHub a page may link to `../../benchmarks/README.md`. The documentation's site contains only the files
below docs/, so there the link must have the file's address on GitHub.
"""

import posixpath
import re
from typing import Protocol

LINK = re.compile(r"(\]\()((?:\.\./)+[^)\s]*)(\))")


class SourceFile(Protocol):
    """The part of `mkdocs.structure.files.File` that the hook reads."""

    src_uri: str  #: the page's path below docs/, for example `how-to/deploy.md`


class Page(Protocol):
    """The part of `mkdocs.structure.pages.Page` that the hook reads."""

    file: SourceFile


def on_page_markdown(markdown: str, *, page: Page, config: dict[str, str], files: object) -> str:
    """Return a page's Markdown in which links to files outside of docs/ are absolute; called by mkdocs."""
    del files
    folder = posixpath.join("docs", posixpath.dirname(page.file.src_uri))

    def absolute(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link[2]))
        if target.startswith("docs/"):
            return link[0]
        return f"{link[1]}{config['repo_url'].rstrip('/')}/blob/main/{target}{link[3]}"

    return LINK.sub(absolute, markdown)
