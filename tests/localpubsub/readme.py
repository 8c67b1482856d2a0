"""Reads the code blocks of localpubsub's README, which the tests execute."""

import re

from tests.repository.tree import ROOT

README = (ROOT / "localpubsub" / "README.md").read_text(encoding="utf-8")
#: The language and the content of each code block.
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


def block(language: str, having: str) -> str:
    """Return the content of the only code block in this language that contains the text ``having``."""
    (found,) = (content for kind, content in BLOCKS if kind == language and having in content)
    return str(found)
