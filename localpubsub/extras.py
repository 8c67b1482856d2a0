"""Libraries that only schemas and Avro files need: imported when first used."""

import importlib
import importlib.util
from typing import Any

from localpubsub.errors import Unimplemented


def fastavro() -> Any:  # noqa: ANN401 - a module
    """Avro: https://fastavro.readthedocs.io."""
    return _needed("fastavro")


def _needed(name: str) -> Any:  # noqa: ANN401 - a module
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise Unimplemented(
            f"localpubsub needs the package {error.name or name} for this: "
            "install scrapeq[localpubsub-schemas]."
        ) from error
