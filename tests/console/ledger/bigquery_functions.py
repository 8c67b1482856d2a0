"""Makes the table functions that Terraform creates in BigQuery beside the views (terraform/ledger.tf)."""

import re

from console.ledger.sqlite_views import views
from contract.topology import LEDGER_TABLES

TABLES = tuple(LEDGER_TABLES.values())


def bounded_views() -> list[str]:
    """Return the views that have a function: those that read tables, themselves or through other views."""
    names = "|".join([*TABLES, *views()])
    return [name for name, query in views().items() if re.search(rf"\.({names})`", query)]


def function_body(view: str, dataset: str) -> str:
    """Return the body of the function `VIEW_since(since)`, in which each table is bounded.

    Args:
        view: name of the view.
        dataset: name of the dataset, with its project if needed.
    """
    query = views()[view].replace("${ledger}", dataset).strip()
    bounded = r"(SELECT * FROM `\1` WHERE publish_time >= since)"
    query = re.sub(rf"`([^`]+\.(?:{'|'.join(TABLES)}))`", bounded, query)
    return re.sub(rf"`([^`]+\.(?:{'|'.join(bounded_views())}))`", r"`\1_since`(since)", query)
