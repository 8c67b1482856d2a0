"""What a fake of Google, behind fake_gcloud.py, knows about projects, and what it refuses as Google does."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

State = dict[str, Any]
Handler = Callable[["Call"], list[State] | None]
EMPTY: State = {
    "account": "owner@example.com",
    "projects": {},
    "taken_projects": ["taken-project"],
    "taken_buckets": ["squatted-bucket-terraform"],
    "may_link_billing": True,
    "github_allowed": False,
    "unknown_for": 2,
    "interrupt_after": None,
    "calls": [],
}


class Refused(Exception):
    """Google refuses the request; the message is what gcloud prints after `ERROR: (command)`."""


@dataclass(frozen=True)
class Call:
    """One call of gcloud.

    Attributes:
        state: everything that Google knows.
        names: the words after the command that are not flags.
        flags: the flags without their hyphens, and their values.
    """

    state: State
    names: list[str]
    flags: dict[str, str]

    def project(self, name: str, *, api: str = "") -> State:
        """Return a project; refuse it if it is missing or the API is not enabled."""
        project: State | None = self.state["projects"].get(name)
        if project is None:
            account = self.state["account"]
            raise Refused(f"[{account}] does not have permission to access [{name}] (or it may not exist)")
        if api and api not in project["apis"]:
            raise Refused(f"PERMISSION_DENIED: {api} has not been used in {name} before or it is disabled.")
        return project


def _describe_project(call: Call) -> list[State]:
    return [call.project(call.names[0])]


def _create_project(call: Call) -> None:
    name = call.names[0]
    if name in [*call.state["taken_projects"], *call.state["projects"]]:
        raise Refused("Project creation failed. The project ID you specified is in use by another project.")
    call.state["projects"][name] = {
        "projectNumber": "123456789012", "lifecycleState": "ACTIVE", "billing": None,
        "policy": [["roles/owner", f"user:{call.state['account']}"]],
        "apis": [], "agents": [], "accounts": {},
        "buckets": {}, "connections": {}, "repositories": [], "secrets": [],
    }  # fmt: skip


def _describe_billing(call: Call) -> list[State]:
    account = call.project(call.names[0])["billing"]
    return [{"billingEnabled": account is not None, "billingAccountName": account}]


def _link_billing(call: Call) -> None:
    if not call.state["may_link_billing"]:
        raise Refused(
            f"[{call.state['account']}] does not have permission to access billingAccounts instance"
        )
    call.project(call.names[0])["billing"] = f"billingAccounts/{call.flags['billing-account']}"


def _list_apis(call: Call) -> list[State]:
    return [{"config": {"name": api}} for api in call.project(call.flags["project"])["apis"]]


def _enable_apis(call: Call) -> None:
    project = call.project(call.flags["project"])
    if len(call.names) > 20:
        raise Refused("INVALID_ARGUMENT: at most 20 services can be enabled in one request")
    if project["billing"] is None:
        raise Refused("FAILED_PRECONDITION: Billing must be enabled for activation of services")
    project["apis"] = sorted({*project["apis"], *call.names})


def _create_identity(call: Call) -> list[State]:
    project = call.project(call.flags["project"], api=call.flags["service"])
    short = call.flags["service"].removesuffix(".googleapis.com")
    domain = "serverless-robot-prod" if short == "run" else f"gcp-sa-{short}"
    agent = f"service-{project['projectNumber']}@{domain}.iam.gserviceaccount.com"
    project["agents"] = sorted({*project["agents"], agent})
    return []


def _list_buckets(call: Call) -> list[State]:
    return [
        {"name": name, **bucket} for name, bucket in call.project(call.flags["project"])["buckets"].items()
    ]


def _create_bucket(call: Call) -> None:
    project, name = call.project(call.flags["project"]), call.names[0].removeprefix("gs://")
    if project["billing"] is None:
        raise Refused(
            "HTTPError 403: The billing account for the owning project is disabled in state absent."
        )
    if name in [*call.state["taken_buckets"], *project["buckets"]]:
        raise Refused("HTTPError 409: The requested bucket name is not available.")
    project["buckets"][name] = {
        "versioning_enabled": None,
        "uniform_bucket_level_access": "uniform-bucket-level-access" in call.flags,
        "public_access_prevention": "enforced" if "public-access-prevention" in call.flags else "inherited",
    }


def _update_bucket(call: Call) -> None:
    name = call.names[0].removeprefix("gs://")
    bucket = next(
        each["buckets"][name] for each in call.state["projects"].values() if name in each["buckets"]
    )
    if "versioning" in call.flags:
        bucket["versioning_enabled"] = True
    if "uniform-bucket-level-access" in call.flags:
        bucket["uniform_bucket_level_access"] = True
    if "public-access-prevention" in call.flags:
        bucket["public_access_prevention"] = "enforced"


def _list_accounts(call: Call) -> list[State]:
    return [
        {"email": email}
        for email in call.project(call.flags["project"], api="iam.googleapis.com")["accounts"]
    ]


def _create_account(call: Call) -> None:
    project = call.project(call.flags["project"], api="iam.googleapis.com")
    email = f"{call.names[0]}@{call.flags['project']}.iam.gserviceaccount.com"
    project["accounts"][email] = {"policy": [], "unknown_for": call.state["unknown_for"]}


def _check_member(project: State, member: str) -> None:
    """Refuse a member that does not exist, or that is too new to be known everywhere."""
    email = member.removeprefix("serviceAccount:")
    account = project["accounts"].get(email)
    if account and account["unknown_for"] > 0:
        account["unknown_for"] -= 1
    elif account or email in project["agents"]:
        return
    raise Refused(f"INVALID_ARGUMENT: Service account {email} does not exist.")


def _policy_rows(call: Call, policy: list[list[str]]) -> list[State]:
    assert call.flags["flatten"] == "bindings[].members"
    return [{"bindings": {"role": role, "members": member}} for role, member in policy]


def _project_policy(call: Call) -> list[State]:
    return _policy_rows(call, call.project(call.names[0])["policy"])


def _grant_on_project(call: Call) -> None:
    project = call.project(call.names[0])
    _check_member(project, call.flags["member"])
    project["policy"].append([call.flags["role"], call.flags["member"]])


def _account_policy(call: Call) -> list[State]:
    return _policy_rows(call, call.project(call.flags["project"])["accounts"][call.names[0]]["policy"])


def _grant_on_account(call: Call) -> None:
    project = call.project(call.flags["project"])
    _check_member(project, call.flags["member"])
    project["accounts"][call.names[0]]["policy"].append([call.flags["role"], call.flags["member"]])


def _list_connections(call: Call) -> list[State]:
    place = f"projects/{call.flags['project']}/locations/{call.flags['region']}/connections"
    page = {
        "stage": "PENDING_USER_OAUTH",
        "actionUri": "https://accounts.google.com/AccountChooser?continue=github",
    }
    installed = {"stage": "COMPLETE"} if call.state["github_allowed"] else page
    connections = call.project(call.flags["project"], api="cloudbuild.googleapis.com")["connections"]
    return [{"name": f"{place}/{name}", "installationState": installed} for name in connections]


def _create_connection(call: Call) -> None:
    project = call.project(call.flags["project"], api="secretmanager.googleapis.com")
    agent = f"serviceAccount:service-{project['projectNumber']}@gcp-sa-cloudbuild.iam.gserviceaccount.com"
    if ["roles/secretmanager.admin", agent] not in project["policy"]:
        raise Refused("FAILED_PRECONDITION: the service agent lacks secretmanager.secrets.create")
    project["connections"][call.names[0]] = {}
    project["secrets"].append(f"{call.names[0]}-github-oauthtoken-a1b2c3")


def _list_repositories(call: Call) -> list[State]:
    return [{"name": f"repositories/{name}"} for name in call.project(call.flags["project"])["repositories"]]


def _create_repository(call: Call) -> None:
    if not call.state["github_allowed"]:
        raise Refused("FAILED_PRECONDITION: connection is not installed")
    call.project(call.flags["project"])["repositories"].append(call.names[0])


def _list_objects(call: Call) -> list[State]:
    bucket = call.names[0].removeprefix("gs://").partition("/")[0]
    owner = next(each for each in call.state["projects"].values() if bucket in each["buckets"])
    objects = owner["buckets"][bucket].get("objects", {})
    return [{"name": name, "text": text} for name, text in objects.items()]


def _cat(call: Call) -> list[State]:
    name = call.names[0].split("/", 3)[3]
    call.flags["format"] = "value(text)"
    return [each for each in _list_objects(call) if each["name"] == name]


def _remove_bucket(call: Call) -> None:
    for project in call.state["projects"].values():
        project["buckets"].pop(call.names[0].removeprefix("gs://"), None)


def _delete_account(call: Call) -> None:
    del call.project(call.flags["project"])["accounts"][call.names[0]]


def _revoke_on_project(call: Call) -> None:
    call.project(call.names[0])["policy"].remove([call.flags["role"], call.flags["member"]])


def _delete_connection(call: Call) -> None:
    project = call.project(call.flags["project"])
    if project["repositories"]:
        raise Refused("FAILED_PRECONDITION: the connection has repositories")
    del project["connections"][call.names[0]]


def _delete_repository(call: Call) -> None:
    call.project(call.flags["project"])["repositories"].remove(call.names[0])


def _list_secrets(call: Call) -> list[State]:
    part = call.flags["filter"].removeprefix("name~")
    found = [name for name in call.project(call.flags["project"])["secrets"] if part in name]
    return [{"name": f"projects/1/secrets/{name}"} for name in found]


def _delete_secret(call: Call) -> None:
    call.project(call.flags["project"])["secrets"].remove(call.names[0])


def _list_logins(call: Call) -> list[State]:
    return [{"account": call.state["account"]}] if call.state["account"] else []


#: What executes each command. A handler returns rows if it only reads, and None if it changed something.
HANDLERS: dict[str, Handler] = {
    "auth list": _list_logins,
    "projects describe": _describe_project,
    "projects create": _create_project,
    "projects get-iam-policy": _project_policy,
    "projects add-iam-policy-binding": _grant_on_project,
    "billing projects describe": _describe_billing,
    "billing projects link": _link_billing,
    "services list": _list_apis,
    "services enable": _enable_apis,
    "beta services identity create": _create_identity,
    "storage buckets list": _list_buckets,
    "storage buckets create": _create_bucket,
    "storage buckets update": _update_bucket,
    "storage objects list": _list_objects,
    "storage cat": _cat,
    "storage rm": _remove_bucket,
    "iam service-accounts list": _list_accounts,
    "iam service-accounts create": _create_account,
    "iam service-accounts get-iam-policy": _account_policy,
    "iam service-accounts add-iam-policy-binding": _grant_on_account,
    "iam service-accounts delete": _delete_account,
    "projects remove-iam-policy-binding": _revoke_on_project,
    "secrets list": _list_secrets,
    "secrets delete": _delete_secret,
    "builds connections delete": _delete_connection,
    "builds repositories delete": _delete_repository,
    "builds connections list": _list_connections,
    "builds connections create github": _create_connection,
    "builds repositories list": _list_repositories,
    "builds repositories create": _create_repository,
}
