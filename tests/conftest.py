"""How hypothesis is used here: few examples, for a quick answer, and no clock that decides what is right."""

from hypothesis import settings

settings.register_profile("scrapeq", max_examples=50, deadline=None)
settings.load_profile("scrapeq")
