"""Finds the installation of the Google Cloud SDK, whose files describe the commands of gcloud and bq."""

import shutil
import subprocess
from functools import cache
from pathlib import Path

from tests.servers.requirements import skip_or_fail


@cache
def sdk_root() -> Path:
    """Return the folder of the Google Cloud SDK; skip the test if gcloud is not installed."""
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        skip_or_fail("gcloud is not installed")
    done = subprocess.run(
        [gcloud, "info", "--format=value(installation.sdk_root)"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return Path(done.stdout.strip())
