"""Maps HTTP methods and paths of the REST API to methods of Pub/Sub. Pure.

The routes are those of the google.api.http annotations in
https://github.com/googleapis/googleapis/blob/master/google/pubsub/v1/pubsub.proto, schema.proto and
google/iam/v1/iam_policy.proto. The methods for message transforms exist in REST only: their routes are from
https://pubsub.googleapis.com/$discovery/rest?version=v1. The table contains all methods of Pub/Sub, including
those that localpubsub does not offer.
"""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote

_TOPIC = "projects/*/topics/*"
_SUBSCRIPTION = "projects/*/subscriptions/*"
_SNAPSHOT = "projects/*/snapshots/*"
_SCHEMA = "projects/*/schemas/*"

#: Each row has the method's name, the HTTP method, the path template, and what the body contains: "*" for the
#: whole request, the name of one of its fields, or "" for nothing.
TABLE: Final = (
    ("CreateTopic", "PUT", f"/v1/{{name={_TOPIC}}}", "*"),
    ("UpdateTopic", "PATCH", f"/v1/{{topic.name={_TOPIC}}}", "*"),
    ("Publish", "POST", f"/v1/{{topic={_TOPIC}}}:publish", "*"),
    ("GetTopic", "GET", f"/v1/{{topic={_TOPIC}}}", ""),
    ("ListTopics", "GET", "/v1/{project=projects/*}/topics", ""),
    ("ListTopicSubscriptions", "GET", f"/v1/{{topic={_TOPIC}}}/subscriptions", ""),
    ("ListTopicSnapshots", "GET", f"/v1/{{topic={_TOPIC}}}/snapshots", ""),
    ("DeleteTopic", "DELETE", f"/v1/{{topic={_TOPIC}}}", ""),
    ("DetachSubscription", "POST", f"/v1/{{subscription={_SUBSCRIPTION}}}:detach", ""),
    ("CreateSubscription", "PUT", f"/v1/{{name={_SUBSCRIPTION}}}", "*"),
    ("GetSubscription", "GET", f"/v1/{{subscription={_SUBSCRIPTION}}}", ""),
    ("UpdateSubscription", "PATCH", f"/v1/{{subscription.name={_SUBSCRIPTION}}}", "*"),
    ("ListSubscriptions", "GET", "/v1/{project=projects/*}/subscriptions", ""),
    ("DeleteSubscription", "DELETE", f"/v1/{{subscription={_SUBSCRIPTION}}}", ""),
    ("ModifyAckDeadline", "POST", f"/v1/{{subscription={_SUBSCRIPTION}}}:modifyAckDeadline", "*"),
    ("Acknowledge", "POST", f"/v1/{{subscription={_SUBSCRIPTION}}}:acknowledge", "*"),
    ("Pull", "POST", f"/v1/{{subscription={_SUBSCRIPTION}}}:pull", "*"),
    ("ModifyPushConfig", "POST", f"/v1/{{subscription={_SUBSCRIPTION}}}:modifyPushConfig", "*"),
    ("Seek", "POST", f"/v1/{{subscription={_SUBSCRIPTION}}}:seek", "*"),
    ("GetSnapshot", "GET", f"/v1/{{snapshot={_SNAPSHOT}}}", ""),
    ("ListSnapshots", "GET", "/v1/{project=projects/*}/snapshots", ""),
    ("CreateSnapshot", "PUT", f"/v1/{{name={_SNAPSHOT}}}", "*"),
    ("UpdateSnapshot", "PATCH", f"/v1/{{snapshot.name={_SNAPSHOT}}}", "*"),
    ("DeleteSnapshot", "DELETE", f"/v1/{{snapshot={_SNAPSHOT}}}", ""),
    ("CreateSchema", "POST", "/v1/{parent=projects/*}/schemas", "schema"),
    ("GetSchema", "GET", f"/v1/{{name={_SCHEMA}}}", ""),
    ("ListSchemas", "GET", "/v1/{parent=projects/*}/schemas", ""),
    ("ListSchemaRevisions", "GET", f"/v1/{{name={_SCHEMA}}}:listRevisions", ""),
    ("CommitSchema", "POST", f"/v1/{{name={_SCHEMA}}}:commit", "*"),
    ("RollbackSchema", "POST", f"/v1/{{name={_SCHEMA}}}:rollback", "*"),
    ("DeleteSchemaRevision", "DELETE", f"/v1/{{name={_SCHEMA}}}:deleteRevision", ""),
    ("DeleteSchema", "DELETE", f"/v1/{{name={_SCHEMA}}}", ""),
    ("ValidateSchema", "POST", "/v1/{parent=projects/*}/schemas:validate", "*"),
    ("ValidateMessage", "POST", "/v1/{parent=projects/*}/schemas:validateMessage", "*"),
    ("ValidateMessageTransform", "POST", "/v1/{project=projects/*}:validateMessageTransform", "*"),
    ("TestMessageTransforms", "POST", "/v1/{project=projects/*}:testMessageTransforms", "*"),
    *(
        (name, method, f"/v1/{{resource={resource}}}:{name[0].lower()}{name[1:]}", body)
        for resource in (_TOPIC, _SUBSCRIPTION, _SNAPSHOT, _SCHEMA)
        for name, method, body in (
            ("GetIamPolicy", "GET", ""),
            ("SetIamPolicy", "POST", "*"),
            ("TestIamPermissions", "POST", "*"),
        )
    ),
)

_TEMPLATE = re.compile(r"(.*)\{([\w.]+)=([^}]+)\}(.*)")


@dataclass(frozen=True, slots=True)
class Route:
    """The row of the table that matches a request."""

    method: str  #: The name of the Pub/Sub method, for example "CreateTopic".
    body: str  #: What the body contains: "*", the name of a field, or an empty string.
    field: str  #: The dotted path of the request field whose value is in the URL's path.
    value: str  #: The value of that field, percent-decoded.


def template_parts(template: str) -> tuple[str, str]:
    """Return the field that a path template names, and the pattern of its value, for example "projects/*"."""
    _, field, value, _ = _TEMPLATE.findall(template)[0]
    return field, value


def _pattern(template: str) -> tuple[str, re.Pattern[str]]:
    """Return the field that a path template names, and the regular expression of the paths that match."""
    before, field, value, after = _TEMPLATE.findall(template)[0]
    parents = value.split("/")[:-1]
    # A project id may contain a colon (example.com:project). The id of another resource may not: there a
    # colon begins the custom verb (":publish").
    segments = ["[^/]+" if part == "*" else re.escape(part) for part in parents]
    segments.append("[^/]+" if value == "projects/*" else "[^/:]+")
    return field, re.compile(f"{re.escape(before)}({'/'.join(segments)}){re.escape(after)}")


_ROUTES: Final = [(name, method, body, *_pattern(template)) for name, method, template, body in TABLE]


def find(http_method: str, raw_path: str) -> Route | None:
    """Return the route of a request, or None if no route matches.

    Args:
        http_method: the HTTP method.
        raw_path: the path as in the request line, still percent-encoded, without the query.
    """
    for name, method, body, field, pattern in _ROUTES:
        if method == http_method and (match := pattern.fullmatch(raw_path)):
            return Route(name, body, field, unquote(match[1]))
    return None
