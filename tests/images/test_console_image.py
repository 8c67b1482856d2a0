"""Tests of the image of the operator's page, under Cloud Run's container contract."""

from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import distributions
from pathlib import Path

import pytest

from console.stack.ports import free_port
from tests.images.container import running
from tests.images.dockerfile_build import APP, Image
from tests.repository.lock_files import locked, normalized

pytestmark = pytest.mark.long  # Building an image downloads packages.


def test_page_is_served_with_the_packages_of_the_lock_and_without_the_worker(
    images: Callable[[str], Image], tmp_path: Path
) -> None:
    """The image serves the page of a deployment, without write access, and says what it lacks."""
    image = images("console")
    app = image.root / APP.strip("/")
    [packages] = app.glob("venv/lib/python*/site-packages")
    installed = {normalized(package.metadata["Name"]) for package in distributions(path=[str(packages)])}
    assert installed <= locked("console").keys()
    assert {path.name for path in (app / "code").iterdir()} == {
        "console", "contract", "extraction", "push_endpoint",
    }  # fmt: skip
    port = free_port()
    command = (*image.command, "console", "--host", "0.0.0.0", "--port", str(port), "--behind", "iam")
    variables = {"LEDGER": "bigquery://my-project/scrapeq", "NO_GCE_CHECK": "true"}
    with running(replace(image, command=command), tmp_path / "log", **variables) as container:
        container.port = port
        assert container.first_response("GET", "/healthz") == (200, b"ok\n")
        status, page = container.request("GET", "/queue")
        assert status == 200
        assert b"gcloud auth application-default login" in page
        assert container.request("GET", "/lab")[0] == 200
