"""Stand-ins for Cloud Scheduler, Cloud Run and bq, which the smoke test calls beside Pub/Sub.

The real gcloud is used. `CLOUDSDK_API_ENDPOINT_OVERRIDES_*` sends its requests here; those to Cloud Run, to
whose host gcloud adds the region, come through a proxy.
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

# A program that stands for `bq query`: it reads run_accounting from the stack's ledger.
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
    """The responses of the stand-in, and the requests so far.

    Attributes:
        stack: the local stack that the smoke test runs against.
        crawl: the crawl that the Scheduler job posts.
        ready: the ready revision of each service; the newest revision is always 00002.
        requests: method and path of each request.
        url: URL of the stand-in, without a slash at its end.
    """

    stack: Stack
    crawl: dict[str, Any]
    ready: dict[str, str] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    url: str = ""

    def document(self, method: str, path: str) -> dict[str, Any] | None:
        """Return the response's JSON document; None for the status 404."""
        self.requests.append(f"{method} {path}")
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
def serving_google(stack: Stack, crawl: dict[str, Any]) -> Iterator[Google]:
    """Serve the stand-in until the block ends."""
    google = Google(stack, crawl)

    def respond(request: Request) -> Response:
        document = google.document(request.method, request.path)
        body = json.dumps(document or {"error": {"code": 404, "message": request.path}})
        return Response(body, 404 if document is None else 200, content_type="application/json")

    with serving(respond) as google.url:
        yield google


def environment_for(google: Google, folder: Path) -> dict[str, str]:
    """Return the environment that sends gcloud and bq to the stand-in and to the stack's Pub/Sub.

    `folder` becomes the directory of their configuration.
    """
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
    """Return the outputs that the smoke test reads, as `terraform output -json` prints them."""
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
