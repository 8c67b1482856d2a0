"""The screen of a run: its accounting, its rate, its fields, hosts and reasons, and the acts on it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any

import flask
from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from markupsafe import Markup

from console.dispatch import dispatch
from console.errors import ConsoleError
from console.ledger.control_rows import cancellations
from console.ledger.field_rows import field_rows, previous_run
from console.ledger.host_rows import host_rows
from console.ledger.job_rows import retrying_jobs
from console.ledger.run_overview import TIMES_QUERY, RunOverview, run_overview, throughput
from console.ledger.run_rows import run_summaries
from console.ledger.timeline_rows import timeline
from console.recipes.crawl_file import read_crawl
from console.report.charts import fill_chart, latency_chart, outcomes_chart, throughput_chart
from console.report.controls import pauses_in_force
from console.report.field_fills import field_fills
from console.report.listings import listing_lines
from console.report.retries import next_attempt
from console.report.tables import dispatch_line, meaning_of
from console.stack.stack_file import read_policy
from console.web.context import console_options
from console.web.minutes_chart import attempts_chart
from console.web.screens.controls import DURATIONS
from contract.crawl import MAX_CRAWL_BYTES
from contract.dispatch_report import ListedUrl

SCREEN = Blueprint("run", __name__)
MAX_RUNS = 100
MAX_RETRYING = 20
MAX_HOSTS = 50
MAX_LISTED = 50  #: number of rejected URLs and of listings
MAX_FIELDS = 100  #: number of fields of the chart
STEPS = 60  #: number of bars of the chart


@SCREEN.get("/runs")
def runs() -> str:
    """List the runs, and show the form that starts one."""
    return render_template(
        "runs.html", runs=run_summaries(console_options().ledger, MAX_RUNS), crawl="", fault=""
    )


@SCREEN.get("/runs/<path:run_id>")
def run(run_id: str) -> str:
    """Show a run."""
    options, now = console_options(), datetime.now(UTC)
    ledger = options.ledger
    run_id = ledger.resolve_run(run_id)
    overview = run_overview(ledger, run_id, now)
    before = previous_run(ledger, run_id)
    since = _chart_start(overview, now)
    seconds = max(1, int((now - since).total_seconds() / STEPS))
    _, policy = read_policy(options.data)
    return render_template(
        "run.html",
        run_id=run_id,
        overview=overview,
        accounting=overview.accounting,
        failures=[(each, meaning_of(each.reason)) for each in overview.failures],
        hosts=host_rows(ledger, run_id, MAX_HOSTS, now),
        retrying=[(job, next_attempt(job, policy)) for job in retrying_jobs(ledger, run_id, MAX_RETRYING)],
        fields=field_rows(ledger, run_id, before),
        before=before,
        dispatch_line=dispatch_line(overview.dispatch) if overview.dispatch else "",
        unused=_unused_urls(overview),
        listings=list(islice(listing_lines(ledger.listings(run_id)), MAX_LISTED)),
        cancelled=cancellations(ledger).get(run_id),
        paused=next((each for each in pauses_in_force(ledger, now) if each.run_id == run_id), None),
        durations=DURATIONS,
        chart=attempts_chart(throughput(ledger, since, seconds, run_id, now), seconds),
    )


@SCREEN.get("/charts/<path:run_id>")
def charts(run_id: str) -> str:
    """Show a run over time, as `scrapeq report` does. Reading all attempts takes a moment."""
    ledger = console_options().ledger
    run_id = ledger.resolve_run(run_id)
    [(started_at, ended_at)] = ledger.rows(TIMES_QUERY, run_id)
    line = timeline(ledger, run_id, started_at, ended_at)
    fields = field_fills(field_rows(ledger, run_id, previous_run(ledger, run_id)))
    drawn = [
        throughput_chart(line.times, line.attempts, line.seconds),
        latency_chart(line.times, line.p50, line.p95, line.seconds),
        outcomes_chart(line.times, line.outcomes, line.seconds),
        fill_chart(fields[:MAX_FIELDS]),
    ]
    return render_template(
        "charts.html",
        run_id=run_id,
        charts=[Markup(chart) for chart in drawn],  # noqa: S704 - made of escaped texts
        more_fields=max(0, len(fields) - MAX_FIELDS),
    )


def _unused_urls(overview: RunOverview) -> list[tuple[str, Sequence[ListedUrl], int]]:
    """Return the URLs without a job and what was not read: a title, the first of them, and their number."""
    if overview.dispatch is None:
        return []
    report = overview.dispatch.report
    parts = (
        ("Rejected URLs", report.rejected, report.rejected_count),
        ("Not read completely", report.unread, report.unread_count),
    )
    return [(title, found[:MAX_LISTED], count) for title, found, count in parts if count]


def _chart_start(overview: RunOverview, now: datetime) -> datetime:
    """Return the time at which the chart begins: an hour ago, or the start of a run that began later."""
    hour_ago = now - timedelta(hours=1)
    if overview.started_at is None:
        return hour_ago
    return max(hour_ago, min(datetime.fromisoformat(overview.started_at), now - timedelta(minutes=1)))


@SCREEN.post("/runs")
def start() -> flask.typing.ResponseReturnValue:
    """Start a run from the crawl that was pasted or uploaded."""
    upload = request.files.get("file")
    content = upload.read(MAX_CRAWL_BYTES + 1) if upload and upload.filename else b""
    content = content or request.form.get("crawl", "").encode()
    if len(content) > MAX_CRAWL_BYTES:
        abort(413, f"The crawl is larger than {MAX_CRAWL_BYTES:,} bytes.")
    notices: list[str] = []
    try:
        crawl = read_crawl(content, "crawl.yaml")
        crawl = crawl.model_copy(update={"run_id": crawl.run_id_at(datetime.now(UTC))})
        answer = dispatch(crawl, console_options().dispatcher_url, announce=notices.append)
    except ConsoleError as error:
        found = run_summaries(console_options().ledger, MAX_RUNS)
        text: Any = content[:MAX_CRAWL_BYTES].decode(errors="replace")
        return render_template("runs.html", runs=found, crawl=text, fault=str(error)), 422
    flash(f"Dispatched {answer.published:,} jobs as run {answer.run_id}.", "done")
    return redirect(url_for("run.started", run_id=answer.run_id), 303)


@SCREEN.get("/started/<path:run_id>")
def started(run_id: str) -> flask.typing.ResponseReturnValue:
    """Show a run that was just dispatched; the ledger may not have its first job yet."""
    if run_id in console_options().ledger.runs():
        return redirect(url_for("run.run", run_id=run_id))
    return render_template("started.html", run_id=run_id)
