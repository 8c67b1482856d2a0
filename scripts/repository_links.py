"""A hook of mkdocs: links from docs/ to other files of the repository lead to them on GitHub.

On GitHub a page may link to `../../benchmarks/README.md`. The site has the files below docs/ only, so there
the link gets the repository's address.
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
    """Return the page's Markdown with links out of docs/ made absolute; mkdocs calls this for each page."""
    del files
    folder = posixpath.join("docs", posixpath.dirname(page.file.src_uri))

    def absolute(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(folder, link[2]))
        if target.startswith("docs/"):
            return link[0]
        return f"{link[1]}{config['repo_url'].rstrip('/')}/blob/main/{target}{link[3]}"

    return LINK.sub(absolute, markdown)
