"""Defines the exceptions of extraction. Pure."""

from contract import quoting
from contract.attempt import AttemptFailed

MAX_QUOTED_CHARACTERS = 80


class ExtractionError(AttemptFailed):
    """The recipe finds no complete item on the page.

    The reason is `missing_field`, `bad_value`, `charset`, `bad_recipe` or `too_large`.
    """


class BadRecipe(ValueError):
    """A selector, pattern or transform of the recipe is invalid, or fails on this page."""


class ConversionError(ValueError):
    """A text cannot be converted to its field's type; the message is the reason."""


def quote(text: str) -> str:
    """Return a text for an error message: on one line, quoted, of at most 80 characters."""
    return quoting.quote(" ".join(quoting.shorten(text, 1000).split()), MAX_QUOTED_CHARACTERS)
