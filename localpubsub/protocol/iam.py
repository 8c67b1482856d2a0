"""Names the protobuf classes of google.iam.v1, a dependency of Pub/Sub's client library."""

from typing import Any, TypeAlias

from google.iam.v1 import (  # type: ignore[import-untyped]  # has no py.typed
    iam_policy_pb2,
    policy_pb2,
)

PolicyPb: TypeAlias = Any  # The class is built when it is imported, so no type checker can see its fields.

GetIamPolicyRequest = iam_policy_pb2.GetIamPolicyRequest
Policy = policy_pb2.Policy
SetIamPolicyRequest = iam_policy_pb2.SetIamPolicyRequest
TestIamPermissionsRequest = iam_policy_pb2.TestIamPermissionsRequest
TestIamPermissionsResponse = iam_policy_pb2.TestIamPermissionsResponse
