"""Writes tables of results in Markdown. Pure."""

from collections import Counter
from collections.abc import Iterable

from benchmarks.peers.results import Results, Spread, of, ratios
from benchmarks.peers.systems import ALL, SCRAPEQ, System

DELAYS = (0, 200)
COST_COLUMNS = (
    "system",
    "settings (0 ms; 200 ms)",
    *("CPU s per 1,000 jobs, 0 ms", "200 ms"),
    *("MiB of the workers, 0 ms", "200 ms"),
    *("MiB of all processes, 0 ms", "200 ms"),
    "jobs done twice",
)
NOT_MEASURED = "No results yet: `make bench-peers` measures them and writes this table."


def measured(results: Results) -> list[System]:
    """Return the systems that have measurements, the fastest with pages of 0 ms first."""

    def rate(system: System) -> float:
        found = next((rows for delay in DELAYS if (rows := of(results, system.name, delay))), [])
        return Spread.of(each.rate for each in found).median

    present = {each.system for each in results.measurements}
    return sorted((system for system in ALL if system.name in present), key=rate, reverse=True)


def rate_table(results: Results) -> str:
    """Return the table of rates: medians, and ratios to the bare loop with their spread."""
    if not results.measurements:
        return NOT_MEASURED
    rows = [
        "| system | pages of 0 ms, jobs/s | × bare loop | pages of 200 ms, jobs/s | × bare loop |",
        "|---|---|---|---|---|",
    ]
    for system in measured(results):
        cells = [cell for delay in DELAYS for cell in _rate_cells(results, system, delay)]
        rows.append(f"| {system.title} | {' | '.join(cells)} |")
    return "\n".join(rows)


def short_table(results: Results) -> str:
    """Return the table of the README: a column for each queue, with its rate and the ratio."""
    if not results.measurements:
        return NOT_MEASURED
    systems = chart_systems(results)
    found = [ratios_and_rates(results, system) for system in systems]
    rows = [f"| | {' | '.join(system.title for system in systems)} |", "|---" * (len(systems) + 1) + "|"]
    for delay in DELAYS:
        cells = [
            f"{each[delay][1]:,.0f}/s, {each[delay][0].median:.2f} ×" if delay in each else ""
            for each in found
        ]
        rows.append(f"| pages of {delay} ms | {' | '.join(cells)} |")
    return "\n".join(rows)


def scale_table(results: Results) -> str:
    """Return Scrapeq's processor time and memory, for each delay."""
    found = {delay: of(results, SCRAPEQ, delay) for delay in DELAYS}
    if not any(found.values()):
        return NOT_MEASURED
    rows = [
        "| pages | jobs/s on two cores | CPU s per 1,000 jobs, all processes | MiB of two worker processes |",
        "|---|---|---|---|",
    ]
    for delay, each in found.items():
        cells = (
            _median((one.rate for one in each), ",.0f"),
            _median((one.cpu_per_1000 for one in each), ".1f"),
            _median((one.worker_memory_mib for one in each), ".0f"),
        )
        rows.append(f"| {delay} ms | {' | '.join(cells)} |")
    return "\n".join(rows)


def chart_systems(results: Results) -> list[System]:
    """Return the systems of the chart and of the README: the bare loop and the queues."""
    return [each for each in measured(results) if each.is_in_readme]


def ratios_and_rates(results: Results, system: System) -> dict[int, tuple[Spread, float]]:
    """Return, by the delay, the ratios to the bare loop and the median rate of a system."""
    found = {}
    for delay in DELAYS:
        if ratio := ratios(results, system.name, delay):
            rate = Spread.of(each.rate for each in of(results, system.name, delay)).median
            found[delay] = ratio, rate
    return found


def cost_table(results: Results) -> str:
    """Return the table of processor time and memory, with the settings of each system."""
    if not results.measurements:
        return NOT_MEASURED
    rows = [
        f"| {' | '.join(COST_COLUMNS)} |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for system in measured(results):
        found = [of(results, system.name, delay) for delay in DELAYS]
        cells = [
            f"{system.settings[0]}; {system.settings[200]}",
            *(_median((each.cpu_per_1000 for each in rows_), ".1f") for rows_ in found),
            *(_median((each.worker_memory_mib for each in rows_), ".0f") for rows_ in found),
            *(_median((each.memory_mib for each in rows_), ".0f") for rows_ in found),
            str(sum(each.twice for rows_ in found for each in rows_)),
        ]
        rows.append(f"| {system.title} | {' | '.join(cells)} |")
    return "\n".join(rows)


def push_table(results: Results) -> str:
    """Return the table of what pushes cost: localpubsub's whole processor time, or that of the relays alone.

    The broker of the relays has processes of its own, whose time is only in the table of all processes.
    """
    systems = [each for each in measured(results) if _push_cell(results, each, *DELAYS)]
    rows = ["| system | CPU µs of pushing per job, pages of 0 ms | of 200 ms |", "|---|---|---|"]
    rows += [
        f"| {each.title} | {' | '.join(_push_cell(results, each, delay) for delay in DELAYS)} |"
        for each in systems
    ]
    return "\n".join(rows) if systems else ""


def conditions(results: Results) -> str:
    """Return a paragraph about date, machine, versions and number of rounds."""
    if not results.measurements:
        return NOT_MEASURED
    of_systems = Counter(
        system for system, _, _ in {(each.system, each.sweep, each.round) for each in results.measurements}
    )
    fewest, most = min(of_systems.values()), max(of_systems.values())
    rounds = (
        f"{most} rounds" if fewest == most else f"{fewest} to {most} rounds (each system has its own number)"
    )
    loads = Spread.of(each.load for each in results.measurements)
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    machine = results.machine
    return (
        f"Measured from {results.began} on, in {rounds} of {results.pages:,} pages, on"
        f" {machine['cores']} cores ({machine['processor']}, {machine['memory']}), with Python"
        f" {machine['python']}. Load average before a measurement: {loads.median:.1f}"
        f" ({loads.low:.1f}–{loads.high:.1f}). Versions: {versions}."
    )


def _push_cell(results: Results, system: System, *delays: int) -> str:
    found = [each.push_microseconds for delay in delays for each in of(results, system.name, delay)]
    return _median((each for each in found if each), ",.0f")


def _rate_cells(results: Results, system: System, delay_ms: int) -> tuple[str, str]:
    found = of(results, system.name, delay_ms)
    if not found:
        return "", ""
    ratio = ratios(results, system.name, delay_ms)
    spread = f"{ratio.median:.2f} ({ratio.low:.2f}–{ratio.high:.2f})" if ratio else ""
    return _median((each.rate for each in found), ",.0f"), spread


def _median(values: Iterable[float], form: str) -> str:
    found = list(values)
    return format(Spread.of(found).median, form) if found else ""
