"""Tests that operators have exactly the roles that the console's calls of Google's services need."""

import ast

import pytest

from tests.repository.tree import parsed, sources
from tests.terraform.operator_grants import ACTS, READING, SUBSCRIPTIONS

#: Names of the attributes and variables of the console that are clients of Google's services.
CLIENTS = {"publisher", "subscriber", "_subscriber", "client"}
#: The console's calls, and the permissions that each needs, on which resource:
#: https://cloud.google.com/pubsub/docs/access-control#required_permissions and
#: https://cloud.google.com/bigquery/docs/running-queries#required_permissions
CALLS: dict[str, set[tuple[str, str]]] = {
    "publish": {("pubsub.topics.publish", "scrape-jobs"), ("pubsub.topics.publish", "scrape-operator")},
    "get_topic": {("pubsub.topics.get", "scrape-jobs")},
    "update_topic": {("pubsub.topics.update", "scrape-jobs")},
    "get_subscription": {("pubsub.subscriptions.get", name) for name in SUBSCRIPTIONS},
    "modify_push_config": {
        ("pubsub.subscriptions.update", "scrape-jobs-push"),
        ("iam.serviceAccounts.actAs", "scrapeq-push"),
    },
    "pull": {("pubsub.subscriptions.consume", "scrape-jobs-dead-pull")},
    "acknowledge": {("pubsub.subscriptions.consume", "scrape-jobs-dead-pull")},
    "modify_ack_deadline": {("pubsub.subscriptions.consume", "scrape-jobs-dead-pull")},
    "query": {("bigquery.jobs.create", "my-project"), ("bigquery.tables.getData", "scrapeq")},
}
#: The permissions of each role, as far as they occur above: https://cloud.google.com/iam/docs/roles-permissions
ROLES = {
    "roles/bigquery.dataViewer": {"bigquery.tables.getData"},
    "roles/bigquery.jobUser": {"bigquery.jobs.create"},
    "roles/iam.serviceAccountUser": {"iam.serviceAccounts.actAs"},
    "roles/pubsub.editor": {
        "pubsub.subscriptions.consume",
        "pubsub.subscriptions.get",
        "pubsub.subscriptions.update",
        "pubsub.topics.get",
        "pubsub.topics.publish",
        "pubsub.topics.update",
    },
    "roles/pubsub.publisher": {"pubsub.topics.publish"},
    "roles/pubsub.subscriber": {"pubsub.subscriptions.consume"},
    "roles/pubsub.viewer": {"pubsub.subscriptions.get", "pubsub.topics.get"},
}


def calls(tree: ast.AST) -> set[str]:
    """Return the names of the methods that are called on a client."""
    found = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            value = node.func.value
            name = value.attr if isinstance(value, ast.Attribute) else getattr(value, "id", "")
            if name in CLIENTS:
                found.add(node.func.attr)
    return found


def missing(grants: set[tuple[str, str]], needed: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return the permissions that are needed and not granted."""
    return needed - {(permission, place) for role, place in grants for permission in ROLES[role]}


def test_the_table_has_the_calls_of_the_console() -> None:
    """The console makes no call whose permission is not listed, and every listed one."""
    # console/stack/ makes the topics and subscriptions of a local stack, and brokers other than Pub/Sub need
    # no permission of Google's.
    paths = [
        path
        for path in sources("console")
        if path.parent.name != "stack" and not path.name.startswith("broker")
    ]
    assert set[str]().union(*(calls(parsed(path)) for path in paths)) == CALLS.keys()


@pytest.mark.parametrize("call", CALLS)
def test_operators_have_the_permission_of_each_call(call: str) -> None:
    """What Terraform grants to an operator allows each call that the console makes for one."""
    assert missing(ACTS | READING, CALLS[call]) == set()


@pytest.mark.parametrize("grant", sorted(ACTS | READING), ids=" ".join)
def test_no_role_of_an_operator_is_without_need(grant: tuple[str, str]) -> None:
    """Each role that an operator has allows something that the console does on the same resource."""
    role, place = grant
    needed = set[tuple[str, str]]().union(*CALLS.values())
    assert {(permission, place) for permission in ROLES[role]} & needed


def test_a_page_without_acts_can_change_nothing() -> None:
    """The permissions to read include none to publish, to take messages or to change something."""
    allowed = {permission for role, _ in READING for permission in ROLES[role]}
    assert {each.rpartition(".")[2] for each in allowed} == {"get", "getData", "create"}
    assert "bigquery.jobs.create" in allowed  # creates a query


def test_a_missing_permission_is_found() -> None:
    """The comparison names the permission of a call that no role allows."""
    assert missing(READING, CALLS["pull"]) == CALLS["pull"]
    assert calls(ast.parse("self.subscriber.seek(); pubsub.publisher.publish(); other.pull()")) == {
        "seek",
        "publish",
    }
