"""Implements the service google.iam.v1.IAMPolicy for topics, subscriptions, snapshots and schemas.

https://cloud.google.com/pubsub/docs/reference/rpc/google.iam.v1. Policies are stored but not enforced: every
caller has every permission.
"""

from collections.abc import Mapping
from typing import Final

from localpubsub.broker.broker import Broker
from localpubsub.errors import InvalidArgument, NotFound
from localpubsub.protocol.calls import Context, Method
from localpubsub.protocol.iam import (
    GetIamPolicyRequest,
    Policy,
    PolicyPb,
    SetIamPolicyRequest,
    TestIamPermissionsRequest,
    TestIamPermissionsResponse,
)
from localpubsub.protocol.messages import RequestPb, ResponsePb

IAM_POLICY: Final = "google.iam.v1.IAMPolicy"  #: The full name of the service.


class IamService:
    """The methods of the service; each may raise RequestRejected or StoreFailure."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def methods(self) -> Mapping[str, Method]:
        """Return ``{name: Method}``."""
        return {
            "SetIamPolicy": Method(SetIamPolicyRequest, self.set_iam_policy),
            "GetIamPolicy": Method(GetIamPolicyRequest, self.get_iam_policy),
            "TestIamPermissions": Method(TestIamPermissionsRequest, self.test_iam_permissions),
        }

    async def set_iam_policy(self, request: RequestPb, _: Context) -> ResponsePb:
        """Replace the policy of a resource, or the fields of it that the update mask names."""
        number = self._number(request.resource)
        policy = request.policy
        if request.update_mask.paths:
            policy = _updated(self._broker.policies.get(number), request)
        return await self._broker.policies.set(number, policy)

    async def get_iam_policy(self, request: RequestPb, _: Context) -> ResponsePb:
        """Return the policy of a resource."""
        return self._broker.policies.get(self._number(request.resource))

    async def test_iam_permissions(self, request: RequestPb, _: Context) -> ResponsePb:  # noqa: PT019 - not a pytest function
        """Return all requested permissions, because every caller has every permission.

        For a resource that does not exist, return none (proto: IAMPolicy.TestIamPermissions).
        """
        if any("*" in permission for permission in request.permissions):
            raise InvalidArgument("Permissions with wildcards (such as '*') are not allowed.")
        try:
            self._number(request.resource)
        except NotFound:
            return TestIamPermissionsResponse()
        return TestIamPermissionsResponse(permissions=request.permissions)

    def _number(self, name: str) -> int:
        for resources in (
            self._broker.catalogue.topics,
            self._broker.catalogue.subscriptions,
            self._broker.snapshots.snapshots,
        ):
            if found := resources.get(name):
                return found.number
        if revisions := self._broker.catalogue.schemas.revisions.get(name):
            return revisions[0].number
        raise NotFound(name)


def _updated(current: PolicyPb, request: RequestPb) -> PolicyPb:
    """Return the current policy with the fields of the update mask, and the etag, from the request."""
    policy = Policy()
    policy.CopyFrom(current)
    mask = request.update_mask
    if not mask.IsValidForDescriptor(policy.DESCRIPTOR):
        raise InvalidArgument(
            f"Invalid update_mask: {', '.join(mask.paths)} is not a list of fields of Policy."
        )
    mask.MergeMessage(request.policy, policy, replace_message_field=True, replace_repeated_field=True)
    policy.etag = request.policy.etag
    return policy
