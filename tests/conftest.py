"""What holds for every test."""

import signal

from hypothesis import settings

# Few examples, for a quick answer, and no clock that decides what is right.
settings.register_profile("scrapeq", max_examples=50, deadline=None)
settings.load_profile("scrapeq")

# A shell starts its background jobs with SIGINT ignored, and their children inherit that; tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)
