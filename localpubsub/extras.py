"""Optional libraries for schemas and Avro files, imported when they are first used."""

import importlib
from typing import Any

from localpubsub.errors import Unimplemented


def fastavro() -> Any:  # noqa: ANN401 - a module
    """Return the module fastavro (https://fastavro.readthedocs.io).

    Raises:
        Unimplemented: it is not installed.
    """
    try:
        return importlib.import_module("fastavro")
    except ImportError as error:
        raise Unimplemented(
            f"localpubsub needs the package {error.name or 'fastavro'} for this: "
            "install scrapeq[localpubsub-schemas]."
        ) from error
