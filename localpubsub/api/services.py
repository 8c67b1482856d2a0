"""Assembles the gRPC services, which REST and the setup file call too."""

from localpubsub.api.iam import IAM_POLICY, IamService
from localpubsub.api.publisher import PublisherService
from localpubsub.api.request_checks import with_checked_requests
from localpubsub.api.schemas import SchemaService
from localpubsub.api.subscriber import SubscriberService
from localpubsub.api.transforms import TransformService
from localpubsub.broker.broker import Broker
from localpubsub.protocol.calls import Services


def make_services(broker: Broker) -> Services:
    """Return all services of a server, which check every request first."""
    return with_checked_requests(
        {
            "Publisher": PublisherService(broker).methods(),
            "SchemaService": SchemaService(broker).methods(),
            "Subscriber": SubscriberService(broker).methods(),
            IAM_POLICY: IamService(broker).methods(),
            "MessageTransforms": TransformService(broker).methods(),
        }
    )
