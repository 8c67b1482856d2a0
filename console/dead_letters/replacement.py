"""Makes the jobs that replace others with a mended recipe. Pure.

A replacement is for the same page in the same run. It stays in the listing of the job that it replaces, so
that the pages that follow it belong to this listing, too. If the page's next page has been published before,
the replacement does not follow `next` again: otherwise all further pages would be scraped once more.
"""

from datetime import datetime
from typing import Any, Final

from contract.job import Job
from contract.job_id import identify
from contract.recipe import Recipe

SAME_RECIPE: Final = "have this very recipe already, so they would end in the same way; mend the recipe first"
TRIED_BEFORE: Final = "were tried with this very recipe before; change the recipe, for example its name"
TOO_LARGE: Final = "would exceed the maximum size of a job with this recipe; make it smaller"
NO_JOB: Final = "are no jobs that this version can read, so they have no recipe that could be replaced"


def replacement(job: Job, recipe: Recipe, now: datetime, *, has_further_pages: bool = False) -> Job:
    """Return the job that replaces another.

    Args:
        job: the job to replace.
        recipe: the mended recipe.
        now: the current time, with a time zone.
        has_further_pages: whether a job of the next page of its listing was published.
    """
    listing = job.listing
    if job.recipe.next is not None and recipe.next is not None:
        listing = job.listing_id
        if has_further_pages:
            recipe = recipe.model_copy(update={"max_pages": job.page})
    changes: dict[str, Any] = {
        "job_id": identify(job.run_id, job.url, recipe, listing or "", job.request),
        "recipe": recipe,
        "listing": listing,
        "dispatched_at": now,
        "not_before": None,
        "defers": 0,
        "attempts": 0,
        "replaces": job.job_id,
        "original": job.original or job.job_id,
    }
    return job.model_copy(update=changes)
