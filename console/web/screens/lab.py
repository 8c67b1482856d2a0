"""The recipe lab: a page and a recipe beside each other, and what the recipe finds."""

import os
from typing import Final

import flask
import yaml
from flask import Blueprint, Response, abort, render_template, request

from console.ledger.job_rows import job_message
from console.stack.stack_file import fetch_settings
from console.web.context import argument, console_options
from console.web.lab_process import Trial, run_trial
from console.web.previews import Previews

SCREEN = Blueprint("lab", __name__)
#: Nothing may be loaded or run, no form sent and no window opened; only styles inside the page count. The
#: frame has an origin of its own: https://www.w3.org/TR/CSP3/#directive-sandbox
PREVIEW_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'self'"
EXAMPLE: Final = """\
name: example
fields:
  title: {css: "h1", required: true}
  description: {css: "meta[name=description]::attr(content)"}
"""
_PREVIEWS: Final = Previews()


@SCREEN.get("/lab")
def lab() -> str:
    """Show an empty lab, or one with the recipe and the URL of a job."""
    recipe, url = EXAMPLE, argument("url", 8192)
    run_id, job_id = argument("run"), argument("job")
    if run_id and job_id:
        message = job_message(console_options().ledger, run_id, job_id)
        url = str(message.get("url", url))
        if isinstance(message.get("recipe"), dict):
            recipe = yaml.safe_dump(message["recipe"], sort_keys=False, allow_unicode=True)
    return _show(recipe, url, "", None)


@SCREEN.post("/lab")
def try_recipe() -> str:
    """Try the recipe on the page, in a process of its own."""
    recipe, url = request.form.get("recipe", ""), request.form.get("url", "").strip()
    page = request.form.get("page", "")
    upload = request.files.get("file")
    if upload and upload.filename:
        page = upload.read().decode(errors="replace")
    settings = fetch_settings(console_options().data, os.environ)
    return _show(recipe, url, page, run_trial(recipe, url, page, settings))


@SCREEN.get("/lab/preview/<name>")
def preview(name: str) -> flask.typing.ResponseReturnValue:
    """Show a page of the lab, for its sandboxed frame."""
    html = _PREVIEWS.get(name)
    if html is None:
        abort(404, "This page is not kept any more: try the recipe again.")
    headers = {"Content-Security-Policy": PREVIEW_POLICY, "X-Frame-Options": "SAMEORIGIN"}
    return Response(html, content_type="text/html; charset=utf-8", headers=headers)


def _show(recipe: str, url: str, page: str, trial: Trial | None) -> str:
    name = _PREVIEWS.add(trial.html) if trial and trial.html else ""
    return render_template("lab.html", recipe=recipe, url=url, page=page, trial=trial, preview=name)
