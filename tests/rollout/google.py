"""A fake of Cloud Scheduler, Cloud Run and bq, which the smoke test uses in addition to Pub/Sub.

The smoke test runs the real gcloud. `CLOUDSDK_API_ENDPOINT_OVERRIDES_*` directs its requests to the fake.
Since gcloud adds the region to the host of Cloud Run, the fake receives those requests as an HTTP proxy.
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

# A program that replaces `bq query`: it reads run_accounting from the local stack's ledger.
BQ = """#!{python}
import json, re, sys
from pathlib import Path
from console.ledger.ledger import Ledger

sql = sys.argv[-1]
assert "run_accounting" in sql, sql
operator, expected = re.search(r"run_id (LIKE|=) '([^'%]+)%?'", sql).groups()
ledger = Ledger(Path({data!r}))
runs = [run for run in ledger.runs() if run == expected or (operator == "LIKE" and run.startswith(expected))]
rows = [{{"run_id": run}} | ledger.accounting(run)._asdict() for run in runs[:1]]
print(json.dumps([{{name: str(value) for name, value in row.items()}} for row in rows]))
"""


@dataclass
class FakeGoogle:
    """The responses of the fake, and the requests that it has received.

    Attributes:
        stack: the local stack that the smoke test runs against.
        crawl: the crawl that the job of Cloud Scheduler posts, as a JSON document.
        ready: the ready revision of each service, by name. The default is the newest revision, 00002.
        requests: method and path of each request, separated by a space.
        url: URL of the fake, without a slash at its end.
    """

    stack: Stack
    crawl: dict[str, Any]
    ready: dict[str, str] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    url: str = ""

    def document(self, method: str, path: str) -> dict[str, Any] | None:
        """Return the JSON document of the response, or None if its status is 404."""
        self.requests.append(f"{method} {path}")
        if method == "POST" and re.search(r"/jobs/scrapeq-canary:run$", path):
            self._dispatch()
            return {"name": path.removeprefix("/v1/").removesuffix(":run"), "state": "PAUSED"}
        if found := re.search(r"/namespaces/[\w-]+/services/([\w-]+)$", path):
            name = found[1]
            newest = f"{name}-00002"
            ready = self.ready.get(name, newest)
            return {
                "apiVersion": "serving.knative.dev/v1",
                "kind": "Service",
                "metadata": {"name": name, "namespace": self.stack.project},
                "status": {"latestCreatedRevisionName": newest, "latestReadyRevisionName": ready},
            }
        return None

    def _dispatch(self) -> None:
        """Post the crawl to the local dispatcher, as Cloud Scheduler does."""
        request = urllib.request.Request(  # noqa: S310 - the URL is that of the local dispatcher
            self.stack.dispatcher_url, json.dumps(self.crawl).encode(), {"Content-Type": "application/json"}
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=120) as response:
            assert response.status == 200


@contextmanager
def running_fake_google(stack: Stack, crawl: dict[str, Any]) -> Iterator[FakeGoogle]:
    """Run the fake until the context ends."""
    google = FakeGoogle(stack, crawl)

    def respond(request: Request) -> Response:
        document = google.document(request.method, request.path)
        body = json.dumps(document or {"error": {"code": 404, "message": request.path}})
        return Response(body, 404 if document is None else 200, content_type="application/json")

    with serving(respond) as google.url:
        yield google


def environment_for(google: FakeGoogle, folder: Path) -> dict[str, str]:
    """Return the environment variables that direct gcloud and bq to the fake and to the stack's Pub/Sub.

    gcloud stores its configuration in `folder`, and the program `bq` is written to `folder`/bin.
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
    """Return the Terraform outputs that the smoke test reads, in the form of `terraform output -json`."""
    values: dict[str, Any] = {
        "jobs_topic": "scrape-jobs",
        "push_subscription": "scrape-jobs-push",
        "dead_letter_topic": "scrape-jobs-dead",
        "dead_letter_subscription": "scrape-jobs-dead-pull",
        "ledger_dataset": f"{project}.scrapeq",
        "dispatcher_uri": f"https://scrapeq-dispatcher-123456789012.{REGION}.run.app",
        "worker_uri": f"https://scrapeq-worker-123456789012.{REGION}.run.app",
        "dispatch_commands": {
            "canary": f"gcloud scheduler jobs run scrapeq-canary --project={project} --location={REGION}"
        },
    }
    return {name: {"value": value} for name, value in values.items()}
