"""Returns the version of Scrapeq that runs."""

import os
from importlib import metadata


def version() -> str:
    """Return the version of the installed distribution.

    An image has the code without a distribution; there it is the revision of Cloud Run, which names a build.
    """
    try:
        return metadata.version("scrapeq")
    except metadata.PackageNotFoundError:
        return os.environ.get("K_REVISION") or "unknown"
