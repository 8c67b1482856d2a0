"""Says how far the tests run each command of the runbook."""

from collections.abc import Sequence
from typing import Any

from tests.repository.tree import ROOT
from tests.rollout.documented_commands import Extent, Guide, Rule
from tests.rollout.google_apis import Answer, bigquery_answers

PROJECT = "runbook-project"
REGION = "europe-west1"
_LOCALPUBSUB = "localpubsub"
_APIS = "stand-in of Google's APIs"

RUNBOOK = Guide(
    ROOT / "docs" / "how-to" / "runbook.md",
    [
        Rule("gcloud config set", Extent.RUN, "gcloud's own configuration"),
        Rule("gcloud pubsub", Extent.RUN, _LOCALPUBSUB),
        Rule(
            r"scripts/replay-dead-letters\.sh replay-all",
            Extent.NOT_RUN,
            "needs a dispatcher; `tests/scripts/test_replay_all.py` runs the command with one",
        ),
        Rule(r"scripts/replay-dead-letters\.sh", Extent.RUN, _LOCALPUBSUB),
        Rule(
            r"scripts/smoke-test\.sh",
            Extent.NOT_RUN,
            "needs a whole stack; `tests/rollout/test_smoke_test.py` runs it against a local one",
        ),
        Rule(r"field\(\)", Extent.RUN, "bash"),
        Rule("bq query", Extent.ANSWERED, _APIS),
        Rule("bq show", Extent.ANSWERED, _APIS),
        Rule("gcloud (run|scheduler|logging)", Extent.ANSWERED, _APIS),
        Rule(
            "terraform -chdir=terraform output",
            Extent.RUN,
            "a stack that Terraform applied with a stand-in of its provider",
        ),
    ],
    {
        "PROJECT": PROJECT,
        "REGION": REGION,
        "RUN": "books-2026-11-22T06:00:00Z",
        "JOB": "0123456789abcdef0123456789abcdef",
        "CRAWL": "books",
        "REVISION": "scrapeq-worker-00001-abc",
        "WORKER": "scrapeq-worker-123456789012.europe-west1.run.app",
        "NUMBER": "123456789012",
    },
)


def _service(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": PROJECT, "generation": 1},
        "spec": {
            "template": {
                "metadata": {"annotations": {"autoscaling.knative.dev/maxScale": "3"}},
                "spec": {"containerConcurrency": 80, "containers": [{"image": "worker"}]},
            },
            "traffic": [{"latestRevision": True, "percent": 100}],
        },
        "status": {
            "observedGeneration": 1,
            "conditions": [{"type": kind, "status": "True"} for kind in ("Ready", "RoutesReady")],
            "latestReadyRevisionName": f"{name}-00002",
            "traffic": [{"latestRevision": True, "revisionName": f"{name}-00002", "percent": 100}],
            "url": f"https://{name}.example",
        },
    }


def _job(path: str) -> dict[str, Any]:
    return {"name": path, "state": "ENABLED", "schedule": "0 5 * * *", "timeZone": "Etc/UTC"}


def answers() -> Sequence[Answer]:
    """Return the answers to the requests of the runbook's commands."""
    jobs = rf"projects/{PROJECT}/locations/{REGION}/jobs"
    services = rf"apis/serving\.knative\.dev/v1/namespaces/{PROJECT}/services"
    return [
        *bigquery_answers(lambda _sql, _parameters: [{"job_id": "1"}]),
        Answer(
            rf"GET bigquery/bigquery/v2/projects/{PROJECT}/datasets/scrapeq/tables/outcomes",
            {"kind": "bigquery#table", "type": "TABLE"},
        ),
        Answer("POST logging/v2/entries:list"),
        Answer(rf"GET cloudscheduler/v1/{jobs}", {"jobs": [_job(f"{jobs}/scrapeq-books")]}),
        Answer(
            rf"(GET|POST) cloudscheduler/v1/{jobs}/scrapeq-books(:run|:pause|:resume)?",
            _job(f"{jobs}/scrapeq-books"),
        ),
        Answer(rf"(GET|PUT) run/{services}/scrapeq-worker", _service("scrapeq-worker")),
        Answer(
            rf"GET run/apis/serving\.knative\.dev/v1/namespaces/{PROJECT}/revisions",
            {"kind": "RevisionList", "metadata": {}, "items": []},
        ),
    ]
