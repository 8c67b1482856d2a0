"""Defines how many examples a property test of values draws."""

import os

from hypothesis import settings

#: The settings of the property tests that no text is converted to another value than the page's. They draw
#: 2,000 examples in CI.
many_examples = settings(max_examples=2_000 if "CI" in os.environ else 100, deadline=None)
