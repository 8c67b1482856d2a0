"""Fetches one page with the worker's own code, and therefore with its checks, rate limit and size limits.

This is the console's only file that imports the worker. The import happens only when a page is fetched,
because the worker may not be installed.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from pydantic import ValidationError

from console.errors import PageNotFetched, UsageError
from contract.faults import validation_faults
from contract.job import Politeness
from contract.request import PLAIN_GET, PageRequest
from contract.urls import check_url
from extraction.page import PageContent

NO_SETTINGS: Final[Mapping[str, str]] = MappingProxyType({})
WORKER_MISSING = (
    "Fetching a page needs the worker: pip install 'scrapeq[worker]'. Trying a saved page does not."
)


def fetch_page(
    url: str,
    *,
    respect_robots: bool = True,
    request: PageRequest = PLAIN_GET,
    settings: Mapping[str, str] = NO_SETTINGS,
) -> PageContent:
    """Return the page at `url`, fetched with the settings that a worker would read from this environment.

    Args:
        url: the page's URL.
        respect_robots: whether robots.txt may forbid the page.
        request: how the page is requested. As in a worker, the environment has its secrets.
        settings: settings of the worker, by the name of their variable, instead of those of the environment.

    Raises:
        UsageError: if the URL or a setting is invalid, or the worker is not installed.
        PageNotFetched: if the page cannot be fetched; the message has the worker's reason code.
    """
    try:
        from contract.attempt import AttemptFailed  # noqa: PLC0415 - only fetching needs the worker
        from guarded_http.client import make_client  # noqa: PLC0415 - only fetching needs the client
        from worker.budget import PageBudget  # noqa: PLC0415 - only fetching needs the worker
        from worker.fetch import Fetcher  # noqa: PLC0415 - only fetching needs the worker
        from worker.rate_limiter import RateLimiter  # noqa: PLC0415 - only fetching needs the worker
        from worker.settings import WorkerSettings  # noqa: PLC0415 - only fetching needs the worker
    except ModuleNotFoundError:
        raise UsageError(WORKER_MISSING) from None
    try:
        checked = check_url(url)
        given: dict[str, Any] = {name.lower(): value for name, value in settings.items()}
        chosen = WorkerSettings(google_cloud_project="none", push_auth="none", **given)
    except ValidationError as error:
        raise UsageError(
            "\n".join(f"{fault.path.upper()}: {fault.message}" for fault in validation_faults(error))
        ) from None
    except ValueError as error:
        raise UsageError(f"{url}: {error}") from None
    policy = chosen.request_policy()
    client = make_client(
        chosen.user_agent,
        chosen.fetch_allow_networks,
        chosen.fetch_refuse_ports,
        dns_servers=chosen.dns_servers,
    )
    fetcher = Fetcher(
        client,
        RateLimiter(client, chosen.user_agent),
        max_bytes=chosen.fetch_max_bytes,
        max_redirects=chosen.fetch_max_redirects,
        policy=policy,
    )
    budget = PageBudget(chosen.page_budget_seconds)
    try:
        politeness = Politeness(respect_robots=respect_robots)
        return fetcher.fetch(checked, politeness, budget, request=request)
    except AttemptFailed as error:
        detail = policy.secrets.hide_in_detail(str(error))
        raise PageNotFetched(f"The page was not fetched. {detail}") from None
