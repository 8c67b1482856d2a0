"""A small server with the API of SQS that answers as a test says; it confirms everything otherwise.

The protocol is AWS JSON 1.0: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-making-api-requests-json.html
"""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Call:
    """A request as the server received it.

    Attributes:
        action: the action, for example `SendMessageBatch`.
        queue: the name of the queue.
        document: the request's JSON document.
    """

    action: str
    queue: str
    document: dict[str, Any]

    @property
    def bodies(self) -> list[str]:
        """The bodies of the messages of a SendMessageBatch."""
        return [entry["MessageBody"] for entry in self.document["Entries"]]


#: Returns status and JSON document of a response; None for a success.
Script = Callable[[Call], tuple[int, dict[str, Any]] | None]


@dataclass
class ScriptedSqs:
    """The server.

    Attributes:
        url: its BROKER_URL.
        script: decides the answers.
        calls: the requests so far.
    """

    url: str = ""
    script: Script = lambda _: None
    calls: list[Call] = field(default_factory=list)

    def sent(self, queue: str) -> list[Call]:
        """Return the requests that sent messages to a queue."""
        return [call for call in self.calls if (call.action, call.queue) == ("SendMessageBatch", queue)]


def error(code: str, text: str, status: int = 400) -> tuple[int, dict[str, Any]]:
    """Return the answer of an error."""
    return status, {"__type": f"com.amazonaws.sqs#{code}", "message": text}


def failed(
    call: Call, *numbers: int, code: str = "InternalError", is_senders: bool = False
) -> tuple[int, dict[str, Any]]:
    """Return the answer of a batch some of whose entries failed."""
    entries = [entry["Id"] for entry in call.document["Entries"]]
    return 200, {
        "Successful": [{"Id": each} for number, each in enumerate(entries) if number not in numbers],
        "Failed": [
            {"Id": entries[number], "Code": code, "Message": "no", "SenderFault": is_senders}
            for number in numbers
        ],
    }


def success(call: Call, base: str) -> dict[str, Any]:
    """Return the document of a success."""
    if call.action == "GetQueueUrl":
        return {"QueueUrl": f"{base}/000000000000/{call.queue}"}
    return {"Successful": [{"Id": entry["Id"]} for entry in call.document.get("Entries", [])]}


@contextmanager
def running_scripted_sqs() -> Iterator[ScriptedSqs]:
    """Run a server on a free port."""
    sqs = ScriptedSqs()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            queue = document.get("QueueName") or document["QueueUrl"].rpartition("/")[2]
            call = Call(self.headers["X-Amz-Target"].rpartition(".")[2], queue, document)
            sqs.calls.append(call)
            base = f"http://127.0.0.1:{server.server_port}"
            status, answer = sqs.script(call) or (200, success(call, base))
            encoded = json.dumps(answer).encode()
            with suppress(OSError):  # the client waits no longer
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(encoded)))
                self.end_headers()
                self.wfile.write(encoded)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        sqs.url = f"sqs+http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield sqs
        server.shutdown()
        thread.join()
