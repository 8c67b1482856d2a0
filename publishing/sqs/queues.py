"""Calls the queues of AWS SQS by their names, and explains why a call has failed.

One client serves all threads of a process:
https://docs.aws.amazon.com/boto3/latest/guide/clients.html#multithreading-or-multiprocessing-with-clients
"""

from collections.abc import Mapping
from threading import Lock
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import boto3
from botocore import exceptions
from botocore.config import Config

from contract.sqs_url import read_sqs_url
from contract.topology import LEDGER_SUBSCRIPTIONS

CONNECT_SECONDS = 5  #: time limit of a connection attempt
READ_SECONDS = 25  #: time limit of waiting for a response; a receive waits up to 20 s for messages
MAX_CONNECTIONS = 50  #: connections of a process that stay open; more may be open at the same time
MAX_REASON_CHARACTERS = 300  #: length up to which an error's text is repeated

#: Errors that say that a queue is missing; the second one is of the older protocol.
_MISSING = {"QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"}
_DENIED = {"AccessDenied", "AccessDeniedException", "KmsAccessDenied", "KMS.AccessDeniedException"}
#: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/CommonErrors.html
_REFUSED = {
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "OptInRequired",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
}
_THROTTLED = {
    "KmsThrottled",
    "OverLimit",
    "RequestThrottled",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
_WITHOUT_CREDENTIALS = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.CredentialRetrievalError,
    exceptions.ProfileNotFound,
    exceptions.ConfigParseError,
    exceptions.SSOError,
    exceptions.TokenRetrievalError,
)


class SqsError(Exception):
    """SQS has not done what was asked, as far as is known; the text says why, and how to mend it.

    Attributes:
        is_transient: whether the same request may succeed later.
        is_denied: whether the credentials lack the permission.
        is_missing: whether there is no such queue.
    """

    def __init__(
        self, why: str, *, is_transient: bool = False, is_denied: bool = False, is_missing: bool = False
    ) -> None:
        super().__init__(why)
        self.is_transient = is_transient
        self.is_denied = is_denied
        self.is_missing = is_missing


class Place(NamedTuple):
    """Where an error occurred, for its text.

    Attributes:
        address: where SQS is.
        queue: the queue.
        action: the action's name in boto3.
    """

    address: str
    queue: str = ""
    action: str = ""


class Queues:
    """The queues of one BROKER_URL.

    Args:
        broker_url: BROKER_URL.

    Attributes:
        address: where SQS is, for messages.
        is_fifo: whether the queues that a relay delivers are FIFO queues.
    """

    def __init__(self, broker_url: str) -> None:
        self._url = read_sqs_url(urlsplit(broker_url))
        self.address = self._url.endpoint or f"https://{self._url.host}"
        self.is_fifo = self._url.is_fifo
        self._lock = Lock()
        self._client: Any = None
        self._queue_urls = dict[str, str]()

    def name(self, subscription: str) -> str:
        """Return the name of the queue of a subscription."""
        name = f"{self._url.prefix}-{subscription}" if self._url.prefix else subscription
        # The records of the ledger need no order.
        is_fifo = self.is_fifo and subscription not in LEDGER_SUBSCRIPTIONS.values()
        return f"{name}.fifo" if is_fifo else name

    def call(self, action: str, queue: str, **parameters: object) -> dict[str, Any]:
        """Call an action of a queue, once, and return the response.

        Args:
            action: the action's name in boto3, for example `send_message_batch`.
            queue: the name of the queue.
            parameters: further parameters.

        Raises:
            SqsError: if SQS refuses, does not answer in time, or cannot be reached.
        """
        return self._translated(action, queue, QueueUrl=self.url(queue), **parameters)

    def url(self, queue: str) -> str:
        """Return the URL of a queue.

        Raises:
            SqsError: if the queue is missing, or see `call`.
        """
        if queue not in self._queue_urls:
            found = self._translated("get_queue_url", queue, QueueName=queue)
            self._queue_urls[queue] = found["QueueUrl"]
        return self._queue_urls[queue]

    def create(self, queue: str, attributes: dict[str, str]) -> None:
        """Create a queue.

        Raises:
            SqsError: see `call`.
        """
        self._translated("create_queue", queue, QueueName=queue, Attributes=attributes)

    def connect(self) -> None:
        """Make the client, which takes a quarter of a second; the first call does it otherwise.

        Raises:
            SqsError: if boto3 cannot read its configuration.
        """
        with self._lock:
            if self._client is None:
                try:
                    self._client = self._make_client()
                except (exceptions.BotoCoreError, ValueError) as error:
                    raise explain(error, Place(self.address)) from error

    def close(self) -> None:
        """Close the connections that are idle."""
        if self._client is not None:
            self._client.close()

    def _make_client(self) -> Any:  # noqa: ANN401 - boto3 makes the class at runtime
        config = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            max_pool_connections=MAX_CONNECTIONS,
            # The callers repeat requests themselves: they know until when.
            retries={"mode": "standard", "total_max_attempts": 1},
            parameter_validation=False,
        )
        session = boto3.session.Session(region_name=self._url.region)
        return session.client("sqs", endpoint_url=self._url.endpoint or None, config=config)

    def _translated(self, action: str, queue: str, **parameters: object) -> dict[str, Any]:
        self.connect()
        try:
            found: dict[str, Any] = getattr(self._client, action)(**parameters)
        except (exceptions.BotoCoreError, exceptions.ClientError, ValueError) as error:
            raise explain(error, Place(self.address, queue, action)) from error
        return found


def explain(error: Exception, place: Place) -> SqsError:
    """Return an error of boto3 as a sentence that says how to mend it."""
    text = str(error)[:MAX_REASON_CHARACTERS]
    if isinstance(error, _WITHOUT_CREDENTIALS):
        remedy = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a role"
        return SqsError(f"boto3 finds no credentials for SQS: {text}; {remedy}")
    if isinstance(error, exceptions.ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return explain_answer(error.response.get("Error", {}), place, is_servers_fault=status >= 500)
    if isinstance(error, exceptions.HTTPClientError | exceptions.ConnectionError):
        remedy = "check the region or the address in BROKER_URL"
        return SqsError(f"SQS at {place.address} cannot be reached: {text}; {remedy}", is_transient=True)
    return SqsError(f"{place.address} does not answer as SQS: {type(error).__name__} {text}")


def explain_answer(answer: Mapping[str, Any], place: Place, *, is_servers_fault: bool) -> SqsError:
    """Return an error that SQS has answered, with `Code` and `Message`, as a sentence."""
    code, queue = str(answer.get("Code", "")), place.queue
    text = f"{code} {answer.get('Message', '')}".strip()[:MAX_REASON_CHARACTERS]
    if code in _MISSING:
        remedy = "create it with: python -m relay --create"
        return SqsError(f"SQS at {place.address} has no queue {queue!r}; {remedy}", is_missing=True)
    if code in _DENIED:
        action = "".join(map(str.capitalize, place.action.split("_"))).removesuffix("Batch")
        why = f"the credentials have no permission sqs:{action} for queue {queue!r}; grant it: {text}"
        return SqsError(why, is_denied=True)
    if code in _REFUSED:
        return SqsError(f"SQS at {place.address} refuses the credentials: {text}")
    is_transient = is_servers_fault or code in _THROTTLED
    return SqsError(f"SQS at {place.address} answered for queue {queue!r}: {text}", is_transient=is_transient)
