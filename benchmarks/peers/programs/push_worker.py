"""The minimal push worker: Flask behind gunicorn, which answers a push with 204 once the page is scraped.

It has no authentication, no recipe, no retries of its own and no ledger. PORT is the port.
"""

import base64
import json

from flask import Flask, request

from benchmarks.peers.programs.page import scrape

app = Flask(__name__)


@app.post("/")
def deliver() -> tuple[str, int]:
    """Scrape the page of a push in Pub/Sub's format."""
    message = json.loads(request.get_data())["message"]
    scrape(json.loads(base64.b64decode(message["data"]))["url"])
    return "", 204
