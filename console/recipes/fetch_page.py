"""Fetching one page as the worker does: the same guard, the same courtesy, the same limits, by its own code.

The only file of the console that imports the worker, and only when a page is to be fetched.
"""

from pydantic import ValidationError

from console.errors import NotFetched, WrongUsage
from contract.faults import validation_faults
from contract.job import Politeness
from contract.urls import check_url
from extraction.page import PageContent

UNFETCHABLE = (
    "To fetch a page the worker is needed: pip install 'scrapeq[worker]'. A saved page needs nothing more."
)


def fetch_page(url: str, *, respect_robots: bool = True) -> PageContent:
    """Return the page at `url`, by the settings that a worker would find in this environment.

    Raises:
        WrongUsage: for what is no URL, for a setting that is none, or where the worker is not installed.
        NotFetched: with the reason code that the worker would give.
    """
    try:
        from contract.attempt import AttemptFailed  # noqa: PLC0415 - idem
        from guarded_http.client import make_client  # noqa: PLC0415 - only who fetches needs the worker
        from worker.budget import Budget  # noqa: PLC0415 - idem
        from worker.fetch import Fetcher  # noqa: PLC0415 - idem
        from worker.rate_limiter import RateLimiter  # noqa: PLC0415 - idem
        from worker.settings import WorkerSettings  # noqa: PLC0415 - idem
    except ModuleNotFoundError:
        raise WrongUsage(UNFETCHABLE) from None
    try:
        checked = check_url(url)
        settings = WorkerSettings(google_cloud_project="none", push_auth="none")
    except ValidationError as wrong:
        raise WrongUsage(
            "\n".join(f"{fault.path.upper()}: {fault.message}" for fault in validation_faults(wrong))
        ) from None
    except ValueError as wrong:
        raise WrongUsage(f"{url}: {wrong}") from None
    web = make_client(settings.user_agent, settings.fetch_allow_networks)
    fetcher = Fetcher(
        web,
        RateLimiter(web, settings.user_agent),
        max_bytes=settings.fetch_max_bytes,
        max_redirects=settings.fetch_max_redirects,
    )
    budget = Budget(settings.page_budget_seconds)
    try:
        return fetcher.fetch(checked, Politeness(respect_robots=respect_robots), budget)
    except AttemptFailed as ended:
        raise NotFetched(f"The page was not fetched. {ended}") from None
