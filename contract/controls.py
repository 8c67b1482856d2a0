"""Defines the operator's controls, which the labels of the jobs topic carry to the workers. Pure.

A label names a run or a host by its digest, since a label's key has at most 63 lower-case letters, digits,
hyphens and underscores (https://cloud.google.com/pubsub/docs/labels#requirements):

    cancel-DIGEST = the Unix second of the act
    pause-run-DIGEST, pause-host-DIGEST, pause-all = the Unix second at which the pause ends, or `none`

docs/decisions/labels-carry-controls.md explains why the controls are labels.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from math import ceil, inf
from typing import Final

#: Maximum number of labels of one topic: https://cloud.google.com/pubsub/docs/labels#requirements
MAX_LABELS: Final = 64
#: Seconds for which a cancelled run stays cancelled: the message retention of the jobs subscription, 7 days,
#: after which no job of the run is left, and a day for jobs that were published after the act.
CANCELLED_SECONDS: Final = 8 * 24 * 3600.0
TIME_LIMIT: Final = 1e12  #: a label's time is less than this, in seconds since the epoch
_KEY = re.compile(r"(cancel|pause-run|pause-host)-([0-9a-f]{40})")
_PAUSE_ALL = "pause-all"
_ENDLESS = "none"
_SECONDS = re.compile(r"[0-9]{1,12}")

#: By the digest of a run or a host, a time in seconds since the epoch.
Times = Mapping[str, float]


class TooManyControls(ValueError):
    """The labels would be more than a topic may have."""


def digest_of(name: str) -> str:
    """Return the digest by which a label names a run or a host: 40 hex digits."""
    return sha256(name.encode(errors="surrogatepass")).hexdigest()[:40]


@dataclass(frozen=True)
class Controls:
    """Which runs are cancelled, and what is paused. Times are seconds since the epoch.

    Attributes:
        cancelled_runs: when each run was cancelled.
        paused_runs: when the pause of each run ends; infinity for a pause without an end.
        paused_hosts: when the pause of each host ends.
        all_paused_until: when the pause of all jobs ends; None if there is none.
    """

    cancelled_runs: Times = field(default_factory=dict)
    paused_runs: Times = field(default_factory=dict)
    paused_hosts: Times = field(default_factory=dict)
    all_paused_until: float | None = None

    @classmethod
    def from_labels(cls, labels: Mapping[str, str]) -> "Controls":
        """Return the controls among the labels of a topic; other and invalid labels are ignored."""
        times: dict[str, dict[str, float]] = {"cancel": {}, "pause-run": {}, "pause-host": {}}
        for name, value in labels.items():
            match, time = _KEY.fullmatch(name), _read_time(value)
            if match and time is not None and not (match[1] == "cancel" and time == inf):
                times[match[1]][match[2]] = time
        all_paused_until = _read_time(labels.get(_PAUSE_ALL, ""))
        return cls(times["cancel"], times["pause-run"], times["pause-host"], all_paused_until)

    def to_labels(self) -> dict[str, str]:
        """Return the labels that carry these controls."""
        kinds = (
            ("cancel", self.cancelled_runs),
            ("pause-run", self.paused_runs),
            ("pause-host", self.paused_hosts),
        )
        labels = {
            f"{kind}-{digest}": _write_time(time) for kind, times in kinds for digest, time in times.items()
        }
        if self.all_paused_until is not None:
            labels[_PAUSE_ALL] = _write_time(self.all_paused_until)
        return labels

    def replaced_in(self, labels: Mapping[str, str], now: float) -> dict[str, str]:
        """Return all labels of a topic, with these controls in the place of those that it has.

        Labels that are not controls are kept. Controls that have ended at `now` are left out.

        Raises:
            TooManyControls: if these are more labels than a topic may have.
        """
        others = {name: value for name, value in labels.items() if not _is_control(name)}
        result = others | self.without_ended(now).to_labels()
        if len(result) > MAX_LABELS:
            raise TooManyControls(
                f"the jobs topic would have {len(result)} labels, and a topic has at most {MAX_LABELS}"
            )
        return result

    def without_ended(self, now: float) -> "Controls":
        """Return the controls that are in force at `now`."""
        until = self.all_paused_until
        return Controls(
            {run: at for run, at in self.cancelled_runs.items() if at > now - CANCELLED_SECONDS},
            {run: end for run, end in self.paused_runs.items() if end > now},
            {host: end for host, end in self.paused_hosts.items() if end > now},
            until if until is not None and until > now else None,
        )

    @property
    def is_empty(self) -> bool:
        """Whether nothing is cancelled or paused, as most of the time."""
        return not (self.cancelled_runs or self.paused_runs or self.paused_hosts or self.all_paused_until)

    def is_cancelled(self, run_id: str) -> bool:
        """Return whether a run is cancelled; it is for good, until its label is removed."""
        return bool(self.cancelled_runs) and digest_of(run_id) in self.cancelled_runs

    def paused_until(self, run_id: str, host: str, now: float) -> float | None:
        """Return when a job may go on that is paused at `now`; None if it is not paused.

        Args:
            run_id: the run of the job.
            host: the host that is about to be requested, as `contract.urls.host_of` returns it.
            now: the current time.
        """
        if not (self.paused_runs or self.paused_hosts or self.all_paused_until):
            return None  # most of the time, so that no digest is computed
        ends = (
            self.all_paused_until or 0.0,
            self.paused_runs.get(digest_of(run_id), 0.0),
            self.paused_hosts.get(digest_of(host), 0.0),
        )
        return end if (end := max(ends)) > now else None

    def cancel(self, run_id: str, at: float) -> "Controls":
        """Return the controls with a run cancelled at `at`; the first cancellation of a run counts."""
        digest = digest_of(run_id)
        first = min(at, self.cancelled_runs.get(digest, at))
        return replace(self, cancelled_runs={**self.cancelled_runs, digest: first})

    def pause_run(self, run_id: str, until: float) -> "Controls":
        """Return the controls with a run paused until `until`."""
        return replace(self, paused_runs={**self.paused_runs, digest_of(run_id): until})

    def pause_host(self, host: str, until: float) -> "Controls":
        """Return the controls with a host paused until `until`."""
        return replace(self, paused_hosts={**self.paused_hosts, digest_of(host): until})

    def pause_all(self, until: float) -> "Controls":
        """Return the controls with all jobs paused until `until`."""
        return replace(self, all_paused_until=until)

    def resume_run(self, run_id: str) -> "Controls":
        """Return the controls without the pause of a run."""
        return replace(self, paused_runs=_without(self.paused_runs, run_id))

    def resume_host(self, host: str) -> "Controls":
        """Return the controls without the pause of a host."""
        return replace(self, paused_hosts=_without(self.paused_hosts, host))

    def resume_all(self) -> "Controls":
        """Return the controls without the pause of all jobs; paused runs and hosts stay paused."""
        return replace(self, all_paused_until=None)


def _without(times: Times, name: str) -> Times:
    return {digest: time for digest, time in times.items() if digest != digest_of(name)}


def _is_control(name: str) -> bool:
    return name == _PAUSE_ALL or _KEY.fullmatch(name) is not None


def _read_time(value: str) -> float | None:
    if value == _ENDLESS:
        return inf
    return float(value) if _SECONDS.fullmatch(value) else None


def _write_time(time: float) -> str:
    return _ENDLESS if time == inf else str(ceil(time))
