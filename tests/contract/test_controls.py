"""Tests of the operator's controls, and of the labels that carry them."""

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.controls import CANCELLED_SECONDS, MAX_LABELS, Controls, TooManyControls, digest_of
from localpubsub.resources.limits import check_labels

NOW = 1_795_000_000.0
NAMES = st.text(max_size=80)
SECONDS = st.integers(0, 10**11).map(float)
ENDS = SECONDS | st.just(inf)
CONTROLS = st.builds(
    Controls,
    st.dictionaries(NAMES.map(digest_of), SECONDS, max_size=15),
    st.dictionaries(NAMES.map(digest_of), ENDS, max_size=15),
    st.dictionaries(NAMES.map(digest_of), ENDS, max_size=15),
    st.none() | ENDS,
)
LABELS = st.dictionaries(
    st.text(max_size=30) | st.sampled_from(["cancel-", "pause-all", f"pause-run-{'G' * 40}", "team"]),
    st.text(max_size=20),
    max_size=10,
)


@given(CONTROLS)
def test_controls_survive_a_round_trip_through_labels(controls: Controls) -> None:
    """Controls read from their own labels are the same controls, and Pub/Sub accepts the labels."""
    labels = controls.to_labels()
    check_labels(labels)
    assert Controls.from_labels(labels) == controls


@given(LABELS, CONTROLS)
def test_other_labels_are_ignored_and_kept(labels: dict[str, str], controls: Controls) -> None:
    """Labels of any content are read without an error, and a change of the controls keeps the others."""
    Controls.from_labels(labels)
    others = {name: value for name, value in labels.items() if name != "pause-all"}
    changed = controls.replaced_in(labels, 0.0)
    assert {name: changed[name] for name in others} == others
    assert Controls.from_labels(others | controls.to_labels()) == controls


@pytest.mark.parametrize(
    "labels",
    [
        {f"cancel-{'a' * 40}": "soon"},
        {f"cancel-{'a' * 40}": "none"},
        {f"cancel-{'a' * 40}": "-5"},
        {f"cancel-{'a' * 39}": "5"},
        {f"pause-run-{'A' * 40}": "5"},
        {f"pause-host-{'a' * 40}": "9" * 500},
        {"pause-all": ""},
        {"pause-all": "٣"},
    ],
)
def test_an_invalid_label_is_ignored(labels: dict[str, str]) -> None:
    """A label whose name or value is not that of a control changes nothing."""
    assert Controls.from_labels(labels) == Controls()


def test_the_newest_act_removes_labels_that_have_ended() -> None:
    """A cancelled run is forgotten after its messages have expired, and a pause when it has ended."""
    controls = (
        Controls()
        .cancel("old", NOW - CANCELLED_SECONDS)
        .cancel("new", NOW - CANCELLED_SECONDS + 1)
        .pause_run("ended", NOW)
        .pause_run("endless", inf)
        .pause_host("shop.example", NOW + 1)
        .pause_all(NOW - 1)
    )
    labels = controls.replaced_in(controls.to_labels() | {"team": "data"}, NOW)
    kept = Controls().cancel("new", NOW - CANCELLED_SECONDS + 1).pause_run("endless", inf)
    assert labels == kept.pause_host("shop.example", NOW + 1).to_labels() | {"team": "data"}


def test_more_labels_than_a_topic_may_have_are_refused() -> None:
    """The 65th label raises an error that names the limit."""
    controls = Controls()
    for number in range(MAX_LABELS - 1):
        controls = controls.cancel(f"run-{number}", NOW)
    assert len(controls.replaced_in({"team": "data"}, NOW)) == MAX_LABELS
    with pytest.raises(TooManyControls, match="at most 64"):
        controls.cancel("one-more", NOW).replaced_in({"team": "data"}, NOW)


def test_a_job_is_paused_until_the_last_of_its_pauses_ends() -> None:
    """The pauses of the run, of the host and of all are taken together, and each can be ended."""
    controls = Controls().pause_run("run", NOW + 1).pause_host("shop.example", NOW + 3).pause_all(NOW + 2)
    assert controls.paused_until("run", "shop.example", NOW) == NOW + 3
    assert controls.paused_until("other", "other.example", NOW) == NOW + 2
    assert controls.paused_until("run", "shop.example", NOW + 3) is None
    controls = controls.resume_all().resume_host("shop.example")
    assert controls.paused_until("run", "shop.example", NOW) == NOW + 1
    assert controls.paused_until("other", "shop.example", NOW) is None
    assert controls.resume_run("run") == Controls()


def test_a_run_is_cancelled_once() -> None:
    """A second cancellation keeps the time of the first, and no other run is cancelled."""
    controls = Controls().cancel("run", NOW).cancel("run", NOW + 60)
    assert controls == Controls().cancel("run", NOW)
    assert controls.is_cancelled("run")
    assert not controls.is_cancelled("run2")
