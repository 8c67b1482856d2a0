"""Makes the id of a job from its run, page, recipe and request. Pure."""

import hashlib
import json

from contract.recipe import Recipe
from contract.request import PLAIN_GET, PageRequest
from contract.urls import canonical_url


def identify(
    run_id: str, url: str, recipe: Recipe, listing: str = "", request: PageRequest = PLAIN_GET
) -> str:
    """Return the job's id. The same run, page, recipe and request always give the same id.

    The id is the first 128 bits, in hex, of SHA-256 over run_id, canonical URL, recipe, for a further page
    its listing, and for a request that is no plain GET its `identity`. They are separated by NUL characters,
    which cannot occur in them.

    Args:
        run_id: the run.
        url: a URL that `check_url` returned, so that all equivalent URLs of a page give the same id.
        recipe: the recipe.
        listing: job id of the listing's first page; `""` for a first page.
        request: how the page is requested.
    """
    return identify_page(run_id, canonical_url(url), identity_of(recipe, listing, request))


def identity_of(recipe: Recipe, listing: str = "", request: PageRequest = PLAIN_GET) -> str:
    """Return what the ids of all jobs of a run with this recipe and request have in common."""
    recipe_json = json.dumps(recipe.to_json_dict(), sort_keys=True, separators=(",", ":"))
    return "\0".join(filter(None, (recipe_json, listing, request.identity())))


def identify_page(run_id: str, canonical: str, identity: str) -> str:
    """Return a job's id; see `identify`.

    Args:
        run_id: the run.
        canonical: the page's URL as `canonical_url` returns it.
        identity: the result of `identity_of`.
    """
    return hashlib.sha256(f"{run_id}\0{canonical}\0{identity}".encode()).hexdigest()[:32]
