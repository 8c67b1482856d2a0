"""Builds the operator's page: a Flask application with a blueprint for each screen."""

import flask
from flask import redirect, render_template, request, session, url_for
from werkzeug.exceptions import HTTPException

from console.errors import ConsoleError, LedgerError
from console.report.chart_style import CHART_CSS
from console.version import version
from console.web import formats
from console.web.acts import Acts
from console.web.context import use_snapshots
from console.web.options import ConsoleOptions
from console.web.screens import acts, controls, dead_letters, items, jobs, lab, overview, queue, run
from console.web.security import is_token, secure

#: The navigation: endpoint, title, and the blueprint that is marked as current.
NAVIGATION = (
    ("overview.overview", "Overview", "overview"),
    ("run.runs", "Runs", "run"),
    ("jobs.jobs", "Jobs", "jobs"),
    ("dead_letters.dead_letters", "Dead letters", "dead_letters"),
    ("items.items", "Items", "items"),
    ("lab.lab", "Recipe lab", "lab"),
    ("queue.queue", "Queue", "queue"),
)


def create_app(options: ConsoleOptions) -> flask.Flask:
    """Return the application of the operator's page."""
    app = flask.Flask("console.web")
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.extensions["console"] = options
    app.extensions["acts"] = Acts()
    secure(app, options)
    use_snapshots(app)
    formats.register(app)
    app.jinja_env.globals.update(
        options=options,
        navigation=NAVIGATION,
        version=version(),
        acts=app.extensions["acts"],
    )
    for screen in (overview, run, jobs, dead_letters, items, lab, queue, controls, acts):
        app.register_blueprint(screen.SCREEN)
    app.add_url_rule("/sign-in", "sign_in", _sign_in, methods=["GET", "POST"])
    app.add_url_rule("/healthz", "healthz", lambda: ("ok\n", {"Content-Type": "text/plain"}))
    app.add_url_rule("/charts.css", "charts_css", lambda: flask.Response(CHART_CSS, mimetype="text/css"))
    app.register_error_handler(HTTPException, _show_http_error)
    app.register_error_handler(ConsoleError, _show_console_error)
    app.register_error_handler(Exception, _show_bug)
    return app


def _sign_in() -> flask.typing.ResponseReturnValue:
    options: ConsoleOptions = flask.current_app.extensions["console"]
    if not options.token or session.get("signed_in"):
        return redirect(url_for("overview.overview"))
    wrong = False
    if request.method == "POST":
        if is_token(request.form.get("token", ""), options):
            session.clear()
            session["signed_in"] = True
            return redirect(url_for("overview.overview"), 303)
        wrong = True
    return render_template("sign_in.html", wrong=wrong), 403 if wrong else 200


def _show_http_error(error: HTTPException) -> flask.typing.ResponseReturnValue:
    code = error.code or 500
    if error.response is not None or 300 <= code < 400:
        return error.get_response()
    return _error_page(code, error.name, error.description or ""), code


def _show_console_error(error: ConsoleError) -> flask.typing.ResponseReturnValue:
    code = 404 if isinstance(error, LedgerError) else 502
    return _error_page(code, "This did not work", str(error)), code


def _show_bug(error: Exception) -> flask.typing.ResponseReturnValue:
    flask.current_app.logger.error("internal_error", exc_info=error)
    why = (
        "The console has a fault here. Its log has the details; nothing was changed unless a message says so."
    )
    return _error_page(500, "Internal error", why), 500


def _error_page(code: int, title: str, why: str) -> str:
    return render_template("error.html", code=code, title=title, why=why)
