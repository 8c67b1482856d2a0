"""The complaint about a text that cannot be read as its field's type. Pure."""


class ConversionError(ValueError):
    """The text cannot be read as the field's type; the message says why."""


def shown(text: str) -> str:
    """Return a text as a complaint shows it: on one line, cut to a readable length."""
    text = " ".join(text[:1000].split())
    return repr(text if len(text) <= 80 else text[:80] + "…")
