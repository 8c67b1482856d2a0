"""Imports optional libraries when they are first used."""

import importlib
from typing import Any

from localpubsub.errors import Unimplemented


def fastavro() -> Any:  # noqa: ANN401 - the function returns a module
    """Return the module fastavro (https://fastavro.readthedocs.io).

    Raises:
        Unimplemented: fastavro is not installed.
    """
    try:
        return importlib.import_module("fastavro")
    except ImportError as error:
        raise Unimplemented(
            f"localpubsub needs the package {error.name or 'fastavro'} for this: "
            "install localpubsub[schemas]."
        ) from error


def quickjs() -> Any:  # noqa: ANN401 - the function returns a module
    """Return the module of quickjs-ng (https://github.com/genotrance/quickjs-ng).

    Raises:
        Unimplemented: quickjs-ng is not installed.
    """
    try:
        return importlib.import_module("quickjs")
    except ImportError as error:
        raise Unimplemented(
            "localpubsub needs the package quickjs-ng for message_transforms: "
            "install localpubsub[transforms]."
        ) from error
