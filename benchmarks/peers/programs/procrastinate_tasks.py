"""Procrastinate: a task that scrapes a page, on PostgreSQL at BROKER_URL. A job is finished after its task.

`procrastinate --app benchmarks.peers.programs.procrastinate_tasks.app worker` runs a worker; `python -m` runs
the sender.
"""

import os

import procrastinate

from benchmarks.peers.programs.page import batches, scrape

app = procrastinate.App(connector=procrastinate.PsycopgConnector(conninfo=os.environ["BROKER_URL"]))


@app.task(name="scrape_page")
def scrape_page(url: str) -> None:
    """Scrape a page, in a thread of the worker."""
    scrape(url)


def main() -> None:
    """Defer a job for each URL."""
    connector = procrastinate.SyncPsycopgConnector(conninfo=os.environ["BROKER_URL"])
    with app.replace_connector(connector) as sender, sender.open():
        for urls in batches():
            task = sender.tasks["scrape_page"]
            task.batch_defer(*({"url": url} for url in urls))


if __name__ == "__main__":
    main()
