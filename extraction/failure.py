"""How extraction says that a page gives no items. Pure."""

from contract.outcome import Reason


class NotExtracted(Exception):
    """The page and the recipe do not fit.

    Attributes:
        reason: `missing_field`, `bad_value`, `charset`, `bad_recipe` or `too_large`.
        detail: for people.
    """

    def __init__(self, reason: Reason, detail: str) -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(f"{reason}: {detail}")
