"""Says how the messages of a subscription are delivered."""

from dataclasses import dataclass

from localpubsub.backlog.retry_policy import RetryPolicy


@dataclass(frozen=True)
class DeliveryPolicy:
    """How messages are delivered.

    Attributes:
        subscription: the full name of the subscription, `projects/P/subscriptions/S`.
        ack_deadline: seconds that a push may take.
        max_attempts: number of deliveries after which a message is dead-lettered.
        retry: seconds between two deliveries.
        service_account: the email address in the tokens; `""` for pushes without a token.
        audience: the audience of the tokens.
    """

    subscription: str
    ack_deadline: float
    max_attempts: int
    retry: RetryPolicy
    service_account: str = ""
    audience: str = ""
