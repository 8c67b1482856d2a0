"""Defines the exceptions of extraction. Pure."""

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
    """Return a text for an error message: quoted, on one line, and cut to 80 characters."""
    text = " ".join(text[:1000].split())
    return repr(text if len(text) <= MAX_QUOTED_CHARACTERS else text[:MAX_QUOTED_CHARACTERS] + "…")
