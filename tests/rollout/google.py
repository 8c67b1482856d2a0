"""Stands for the two APIs of Google that the smoke test asks beside Pub/Sub, and for bq.

gcloud itself is the real one. It is sent here by `CLOUDSDK_API_ENDPOINT_OVERRIDES_*`; for Cloud Run, to whose
host it adds the region, by a proxy.
"""

import json
import re
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from werkzeug import Request, Response

from console.stack.stack import Stack
from tests.servers.http_server import serving

REGION = "europe-west1"

# What `bq query` answers of run_accounting, from the stack's own ledger.
BQ = """#!{python}
import json, re, sys
from pathlib import Path
from console.ledger.ledger import Ledger

sql = sys.argv[-1]
assert "run_accounting" in sql, sql
like, wanted = re.search(r"run_id (LIKE|=) '([^'%]+)%?'", sql).groups()
ledger = Ledger(Path({data!r}))
runs = [run for run in ledger.runs() if run == wanted or (like == "LIKE" and run.startswith(wanted))]
rows = [{{"run_id": run}} | ledger.accounting(run)._asdict() for run in runs[:1]]
print(json.dumps([{{name: str(value) for name, value in row.items()}} for row in rows]))
"""


@dataclass
class Google:
    """What the stand-in answers, and what it was asked.

    Attributes:
        crawl: what the planned Scheduler request posts.
        ready: the revision of each service that is ready; the newest is always 00002.
        asked: method and path of each request.
        url: where it listens, without a slash at its end.
    """

    stack: Stack
    crawl: dict[str, Any]
    ready: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, method: str, path: str) -> dict[str, Any] | None:
        """Return what Google answers; None for 404."""
        self.asked.append(f"{method} {path}")
        if method == "POST" and re.search(r"/jobs/scrapeq-canary:run$", path):
            self._dispatch()
            return {"name": path.removeprefix("/v1/").removesuffix(":run"), "state": "PAUSED"}
        if found := re.search(r"/namespaces/[\w-]+/services/([\w-]+)$", path):
            name = found[1]
            ready = self.ready.get(name, f"{name}-00002")
            return {
                "apiVersion": "serving.knative.dev/v1",
                "kind": "Service",
                "metadata": {"name": name, "namespace": self.stack.project},
                "status": {"latestCreatedRevisionName": f"{name}-00002", "latestReadyRevisionName": ready},
            }
        return None

    def _dispatch(self) -> None:
        request = urllib.request.Request(  # noqa: S310 - the stack's own dispatcher
            self.stack.dispatcher_url, json.dumps(self.crawl).encode(), {"Content-Type": "application/json"}
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=120) as answer:
            assert answer.status == 200


@contextmanager
def standing_in(stack: Stack, crawl: dict[str, Any]) -> Iterator[Google]:
    """Answer for Google until the block ends."""
    google = Google(stack, crawl)

    def respond(request: Request) -> Response:
        document = google.answer(request.method, request.path)
        body = json.dumps(document or {"error": {"code": 404, "message": request.path}})
        return Response(body, 404 if document is None else 200, content_type="application/json")

    with serving(respond) as google.url:
        yield google


def environment_for(google: Google, folder: Path) -> dict[str, str]:
    """Return what sends gcloud and bq to the stand-in and to the stack's Pub/Sub; `folder` is their home."""
    tools = folder / "bin"
    tools.mkdir(parents=True)
    bq = tools / "bq"
    bq.write_text(BQ.format(python=sys.executable, data=str(google.stack.options.data)), encoding="utf-8")
    bq.chmod(0o755)
    return {
        "CLOUDSDK_CONFIG": str(folder / "gcloud"),
        "CLOUDSDK_AUTH_DISABLE_CREDENTIALS": "true",
        "CLOUDSDK_CORE_PROJECT": google.stack.project,
        "CLOUDSDK_CORE_DISABLE_PROMPTS": "true",
        "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true",
        "CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK": "true",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB": f"{google.stack.addresses.pubsub_http_url}/",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDSCHEDULER": f"{google.url}/",
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_RUN": "http://run.example/",
        "http_proxy": google.url,
        "no_proxy": "127.0.0.1",
    }


def outputs(project: str) -> dict[str, Any]:
    """Return what `terraform output -json` prints, of what the smoke test reads."""
    values: dict[str, Any] = {
        "jobs_topic": "scrape-jobs",
        "dead_letter_subscription": "scrape-jobs-dead-pull",
        "ledger_dataset": f"{project}.scrapeq",
        "dispatcher_uri": f"https://scrapeq-dispatcher-123456789012.{REGION}.run.app",
        "worker_uri": f"https://scrapeq-worker-123456789012.{REGION}.run.app",
        "dispatch_commands": {
            "canary": f"gcloud scheduler jobs run scrapeq-canary --project={project} --location={REGION}"
        },
    }
    return {name: {"value": value} for name, value in values.items()}
