"""Tests of the results of `make bench-peers`: the file, the tables, the chart, and the documentation."""

import re
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from benchmarks.peers import __main__ as command
from benchmarks.peers.chart import draw
from benchmarks.peers.faults import FAULTS, SECTION, FaultPlan, FaultResult, read_results, table
from benchmarks.peers.faults import RESULTS as FAULT_RESULTS
from benchmarks.peers.measure import Measurement
from benchmarks.peers.publish import CHART, RESULTS, replace_section, section, sections
from benchmarks.peers.report import conditions, cost_table, push_table, rate_table, short_table
from benchmarks.peers.results import Results, ratios
from benchmarks.peers.running import Running, Stored
from benchmarks.peers.systems import BARE, SCRAPEQ, SYSTEMS
from tests.repository.tree import ROOT


def measurement(system: str, number: int, seconds: float, *, delay_ms: int = 0) -> Measurement:
    """Return a measurement of 100 jobs in round `number`."""
    return Measurement(
        system, delay_ms, 1, number, pages=100, done=100, seconds=seconds, cpu_seconds=0.5,
        memory_mib=200, worker_memory_mib=120.4, twice=1, headings=9, links=9, load=0.1,
    )  # fmt: skip


def example() -> Results:
    """Return the results of three rounds of two systems; the second round was slow for both."""
    machine = {"processor": "a processor", "cores": "2", "memory": "24 GiB", "kernel": "6", "python": "3.11"}
    results = Results(100, machine, {"celery": "5"})
    for number, (bare, scrapeq) in enumerate([(0.25, 0.5), (1.0, 1.0), (0.2, 0.5)], 1):
        results.add(measurement(BARE, number, bare))
        results.add(measurement(SCRAPEQ, number, scrapeq))
    return results


def test_ratio_compares_rates_of_the_same_round() -> None:
    """The ratio is the median of the rounds' ratios (0.5, 1 and 0.4), not the quotient of the medians."""
    found = ratios(example(), SCRAPEQ, 0)
    assert found is not None
    assert (found.median, found.low, found.high) == pytest.approx((0.5, 0.4, 1.0))


def test_tables_have_medians_ratios_and_spread() -> None:
    """The tables show median rate, ratio with its spread, CPU time, memory, and jobs done twice."""
    title = SYSTEMS[SCRAPEQ].title
    assert f"| {title} | 200 | 0.50 (0.40–1.00) |  |  |" in rate_table(example()).splitlines()
    settings = "; ".join(SYSTEMS[SCRAPEQ].settings.values())
    row = f"| {title} | {settings} | 5.0 |  | 120 |  | 200 |  | 3 |"
    assert row in cost_table(example()).splitlines()
    assert short_table(example()).splitlines()[2:] == [
        "| pages of 0 ms | 400/s, 1.00 × | 200/s, 0.50 × |",
        "| pages of 200 ms |  |  |",
    ]


def test_conditions_say_that_systems_have_different_numbers_of_rounds() -> None:
    """A reader sees how often each system was measured."""
    results = example()
    assert "in 3 rounds of 100 pages" in conditions(results)
    results.add(measurement("celery-redis", 1, 0.5))
    assert "in 1 to 3 rounds (each system has its own number) of 100 pages" in conditions(results)


def test_table_of_pushing_has_its_time_per_job() -> None:
    """The table has what localpubsub or the relays took for each job, and no systems whose workers fetch."""
    assert not push_table(example())
    results = example()
    results.add(replace(measurement("scrapeq-rabbitmq", 1, 0.5), pushing_cpu_seconds=0.02))
    results.add(replace(measurement("scrapeq-rabbitmq", 2, 0.5), pushing_cpu_seconds=0.03))
    results.add(replace(measurement("scrapeq-rabbitmq", 3, 0.5), pushing_cpu_seconds=0.04))
    title = SYSTEMS["scrapeq-rabbitmq"].title
    assert push_table(results).splitlines()[2:] == [f"| {title} | 300 |  |"]


def test_results_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    """A file of results has all measurements, machine, versions and date."""
    example().write(tmp_path / "results.json")
    assert Results.read(tmp_path / "results.json") == example()


def test_continued_comparison_repeats_no_measurement(tmp_path: Path) -> None:
    """A command that is started again measures only what its file of results does not have."""
    file = tmp_path / "results.json"
    example().write(file)
    options = ["--only", SCRAPEQ, "--rounds", "4", "--pages", "100", "--results", str(file)]
    chosen = command.parse(options)
    plans = command.left(command.read_results(chosen), [SYSTEMS[BARE], SYSTEMS[SCRAPEQ]], chosen)
    every = {(name, 0, 1, 4) for name in (BARE, SCRAPEQ)}
    every |= {(name, 200, 1, number) for name in (BARE, SCRAPEQ) for number in (1, 2, 3, 4)}
    assert {plan.key for plan in plans} == every
    assert len(plans) == len(every)


def test_results_of_other_pages_are_not_continued(tmp_path: Path) -> None:
    """A file with results of another number of pages is refused with a sentence that says what to do."""
    example().write(tmp_path / "results.json")
    chosen = command.parse(["--only", BARE, "--pages", "50", "--results", str(tmp_path / "results.json")])
    with pytest.raises(SystemExit, match=r"has results of 100 pages\. Delete it, or choose --results"):
        command.read_results(chosen)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--only", "celery"], "no system is named celery; choose from limit, bare, scrapeq"),
        (["--pages", "2001"], "--pages must be between 1 and 2000"),
        (["--delays", "100"], "--delays must be 0, 200 or 0,200"),
    ],
)
def test_invalid_option_is_rejected(
    option: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An option with an invalid value is rejected with a sentence that says which values are valid."""
    with pytest.raises(SystemExit):
        command.parse(option)
    assert message in capsys.readouterr().err


def test_make_measures_scrapeq_and_the_named_system() -> None:
    """`make bench-peers ONLY=dramatiq-rabbitmq` selects Scrapeq and Dramatiq on RabbitMQ, once."""
    make = ["make", "--dry-run", "bench-peers", "ONLY=dramatiq-rabbitmq"]
    shown = subprocess.run(make, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    [options] = re.findall(r"-m benchmarks\.peers (.*)", shown)
    chosen = command.parse(shlex.split(options))
    assert (chosen.only, chosen.sweeps, chosen.rounds) == ([SCRAPEQ, "dramatiq-rabbitmq"], 1, 1)
    assert chosen.results is None


def test_each_round_begins_with_another_system() -> None:
    """In consecutive rounds the systems have another order, so that none is always first."""
    chosen = command.parse(["--only", "scrapeq,limit", "--rounds", "3", "--delays", "0"])
    systems = [SYSTEMS[name] for name in (BARE, SCRAPEQ, "limit")]
    found = list(command.plans(systems, chosen))
    assert {plan.system.name for plan in found[::3]} == {BARE, SCRAPEQ, "limit"}


def test_chart_has_a_bar_for_each_system_and_a_dark_variant() -> None:
    """The chart is valid XML, marks Scrapeq's bar, shows its figures, and adapts to a dark background."""
    text = draw(example())
    picture = ET.fromstring(text)  # noqa: S314 - made by this test
    bars = [each.get("class") for each in picture.iter("{http://www.w3.org/2000/svg}rect")]
    assert sorted(bars, key=str) == ["bar", "ours"]
    assert "200/s, 0.50 ×" in "".join(picture.itertext())
    assert "prefers-color-scheme: dark" in text


@pytest.mark.parametrize("place", sections(Results(0)))
def test_documentation_shows_the_results_of_the_file(place: tuple[str, str]) -> None:
    """Each table in the documentation is the one that `make bench-peers` makes from its results."""
    page, marker = place
    text = (ROOT / page).read_text(encoding="utf-8")
    assert section(text, marker) == sections(Results.read(RESULTS))[place]


def test_chart_shows_the_results_of_the_file() -> None:
    """The chart of the documentation is the one of the results; there is none without results."""
    results = Results.read(RESULTS)
    assert CHART.exists() == bool(results.measurements)
    assert not results.measurements or CHART.read_text(encoding="utf-8") == draw(results)


def test_table_of_faults_has_a_row_for_each_result() -> None:
    """A row has the fault, the system, the counts, the seconds and the seed, in the order of the columns."""
    found = FaultResult(
        "broker-killed", SCRAPEQ, 7, jobs=100, done=97, missing=3, twice_in_effect=2, fetched_twice=5,
        unexplained=1, seconds=12.4,
    )  # fmt: skip
    title = SYSTEMS[SCRAPEQ].title
    row = f"| broker: SIGKILL, started again | {title} | 100 | 3 | 2 | 5 | 1 | 12 | 7 |"
    assert table([found]).splitlines()[2:] == [row]


def test_documentation_shows_the_faults_of_the_file() -> None:
    """The table of faults in the documentation is the one that the command makes from its results."""
    page, marker = SECTION
    text = (ROOT / page).read_text(encoding="utf-8")
    assert section(text, marker) == table(read_results(FAULT_RESULTS))


class RecordingSystem(Running):
    """A system that records the faults that happen to it."""

    def __init__(self) -> None:
        self.happened: list[str] = []

    def enqueue(self, urls: Sequence[str]) -> None:
        """Do nothing."""

    def done(self) -> int:
        """Return 0."""
        return 0

    def results(self) -> Iterator[Stored]:
        """Yield nothing."""
        yield from ()

    def worker_pids(self) -> list[int]:
        """Return no process."""
        return []

    def supervise(self) -> None:
        """Do nothing."""

    def kill_workers(self) -> None:
        """Record the fault."""
        self.happened.append("workers-killed")

    def wait_until_sent(self) -> None:
        """Do nothing: no fault calls this."""

    def stop_workers(self) -> None:
        """Record the fault."""
        self.happened.append("workers-stopped")

    def kill_broker(self) -> None:
        """Record the fault."""
        self.happened.append("broker-killed")


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_happens_to_the_running_system(fault: str) -> None:
    """Each fault calls the method of the running system, not the abstract one, which does nothing."""
    system = RecordingSystem()
    FAULTS[fault][1](system)
    assert system.happened == [fault]


def test_moment_of_a_fault_is_that_of_its_seed() -> None:
    """The same fault and seed choose the same share of the jobs, between a tenth and a half."""
    shares = [FaultPlan(SYSTEMS[SCRAPEQ], "broker-killed", 100, seed).share for seed in (1, 1, 2)]
    assert shares[0] == shares[1] != shares[2]
    assert all(0.1 <= share <= 0.5 for share in shares)


def test_section_between_markers_is_replaced() -> None:
    """Only the text between the markers of that name is replaced."""
    page = "a\n<!-- x -->\nold\n<!-- /x -->\n<!-- y -->\nold\n<!-- /y -->\n"
    assert replace_section(page, "x", "new\n\nlines") == page.replace("old", "new\n\nlines", 1)
    with pytest.raises(ValueError, match="no markers named z"):
        section(page, "z")


def test_readme_with_results_has_at_most_150_lines() -> None:
    """The README has room for the chart and the table that `make bench-peers` writes."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    written = replace_section(text, "peers", sections(example())["README.md", "peers"])
    assert len(written.splitlines()) <= 150
