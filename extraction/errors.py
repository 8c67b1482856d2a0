"""The exception that says that a page gives no items. Pure."""

from contract.attempt import AttemptFailed


class ExtractionError(AttemptFailed):
    """The page and the recipe do not fit.

    The reason is `missing_field`, `bad_value`, `charset`, `bad_recipe` or `too_large`.
    """
