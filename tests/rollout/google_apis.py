"""A stand-in of Google's REST APIs, to which the real gcloud and bq send their requests.

It answers the requests that a test expects, and rejects all others with an error that names the request.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from werkzeug import Request, Response

from tests.rollout.sdk import sdk_root
from tests.servers.http_server import serving

#: gcloud's names of the APIs that the stand-in takes over.
APIS = (
    "artifactregistry",
    "bigquery",
    "cloudbilling",
    "cloudbuild",
    "cloudresourcemanager",
    "cloudscheduler",
    "containeranalysis",
    "iam",
    "logging",
    "run",
    "secrets",
    "serviceusage",
    "storage",
)
Document = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """The answer to some requests.

    Attributes:
        request: regular expression that matches all of `METHOD api/path`, without the query.
        document: the JSON document of the answer, or a function that makes it from the request.
    """

    request: str
    document: Document | Callable[[Request], Document] = field(default_factory=dict)


@dataclass
class GoogleApis:
    """A running stand-in.

    Attributes:
        answers: the answers, of which the first that matches applies.
        requests: `METHOD api/path` of each request, in order.
        queries: the configuration of each query that BigQuery received, in order.
        url: URL of the stand-in, without a slash at its end.
    """

    answers: Sequence[Answer]
    requests: list[str] = field(default_factory=list)
    queries: list[Document] = field(default_factory=list)
    url: str = ""

    def respond(self, request: Request) -> Response:
        """Return the response to a request, and note the request."""
        is_bq = not request.host.endswith(".example")
        api = "bigquery" if is_bq else request.host.removesuffix(".example").rpartition("-")[2]
        shown = f"{request.method} {api}{request.path}"
        self.requests.append(shown)
        if re.fullmatch(r"POST bigquery/bigquery/v2/projects/[\w-]+/jobs", shown):
            self.queries.append(json.loads(request.get_data())["configuration"]["query"])
        for answer in self.answers:
            if re.fullmatch(answer.request, shown):
                document = answer.document(request) if callable(answer.document) else answer.document
                return Response(json.dumps(document), content_type="application/json")
        message = f"the stand-in of Google's APIs has no answer to {shown}"
        body = json.dumps({"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": message}})
        return Response(body, 400, content_type="application/json")

    def environment(self, folder: Path) -> dict[str, str]:
        """Return the environment variables with which gcloud and bq send their requests to the stand-in.

        gcloud adds the region to the host of some APIs. So each API keeps a host of its own, and the requests
        go to the stand-in as to an HTTP proxy.

        Args:
            folder: a folder for bq's configuration file, and for the token without which bq sends nothing.
        """
        token, configuration = folder / "token", folder / "bigqueryrc"
        token.write_text("token", encoding="utf-8")
        configuration.write_text(f"api = {self.url}\n", encoding="utf-8")  # bq does not use http_proxy
        overrides = {
            f"CLOUDSDK_API_ENDPOINT_OVERRIDES_{api.upper()}": f"http://{api}.example/" for api in APIS
        }
        return overrides | {
            "BIGQUERYRC": str(configuration),
            "CLOUDSDK_AUTH_ACCESS_TOKEN_FILE": str(token),
            "http_proxy": self.url,
            "no_proxy": "127.0.0.1",
        }


@contextmanager
def running_google_apis(answers: Sequence[Answer]) -> Iterator[GoogleApis]:
    """Run the stand-in until the context ends."""
    apis = GoogleApis(answers)
    with serving(apis.respond) as apis.url:
        yield apis


Rows = Sequence[Mapping[str, str]]


def bigquery_answers(rows_of: Callable[[str, Mapping[str, str]], Rows]) -> list[Answer]:
    """Return the answers to `bq query` and `bq show`.

    Args:
        rows_of: returns the rows of a query's result from its SQL text and the values of its parameters.
    """
    results: dict[str, Document] = {}

    def start(request: Request) -> Document:
        asked = json.loads(request.get_data())
        job = {**asked["jobReference"], "location": "EU"}
        query = asked["configuration"]["query"]
        parameters = {
            each["name"]: each["parameterValue"]["value"] for each in query.get("queryParameters", [])
        }
        rows = rows_of(query["query"], parameters)
        results[job["jobId"]] = _query_results(job, rows)
        table = {"projectId": job["projectId"], "datasetId": "anonymous", "tableId": "result"}
        return {
            "kind": "bigquery#job",
            "id": f"{job['projectId']}:EU.{job['jobId']}",
            "jobReference": job,
            "status": {"state": "DONE"},
            "configuration": {"jobType": "QUERY", "query": {"destinationTable": table}},
            "statistics": {"query": {"statementType": "SELECT"}},
        }

    discovery = sdk_root() / "platform" / "bq" / "discovery_next" / "bigquery.json"
    return [
        Answer(r"GET bigquery/\$discovery/rest", lambda _: json.loads(discovery.read_text(encoding="utf-8"))),
        Answer(r"POST bigquery/bigquery/v2/projects/[\w-]+/jobs", start),
        Answer(
            r"GET bigquery/bigquery/v2/projects/[\w-]+/queries/\w+",
            lambda request: results[request.path.rpartition("/")[2]],
        ),
    ]


def _query_results(job: Document, rows: Sequence[Mapping[str, str]]) -> Document:
    names = list(rows[0]) if rows else ["result"]
    return {
        "kind": "bigquery#getQueryResultsResponse",
        "jobReference": job,
        "jobComplete": True,
        "schema": {"fields": [{"name": name, "type": "STRING"} for name in names]},
        "rows": [{"f": [{"v": row[name]} for name in names]} for row in rows],
        "totalRows": str(len(rows)),
    }
