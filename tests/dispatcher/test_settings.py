"""The settings of the dispatcher must fit together."""

import pytest

from dispatcher.settings import DispatcherSettings
from runtime.settings import BadSettings, load


def test_a_request_stops_reading_before_the_time_for_its_confirmations_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With shards, slow publishing must end with a shard; without, there is nothing that could continue."""
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    monkeypatch.setenv("PUSH_AUTH", "none")
    monkeypatch.setenv("SHARD_SECONDS", "180")
    load(DispatcherSettings)
    monkeypatch.setenv("DISPATCH_TOPIC", "scrape-dispatch")
    with pytest.raises(BadSettings, match="PUBLISH_TIMEOUT_SECONDS: must be greater than SHARD_SECONDS"):
        load(DispatcherSettings)
    monkeypatch.setenv("PUBLISH_TIMEOUT_SECONDS", "181")
    load(DispatcherSettings)
