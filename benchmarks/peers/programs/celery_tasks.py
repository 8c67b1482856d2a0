"""Celery: a task that scrapes a page, on the broker at BROKER_URL, with default or recommended settings.

`celery --app benchmarks.peers.programs.celery_tasks worker` runs workers; `python -m` runs the sender.
CELERY_SETTINGS=default keeps Celery's defaults, which acknowledge a job before it runs, and publish without
waiting for RabbitMQ's confirmation. With `recommended` a job is acknowledged after its task, and returns to
the queue if its process dies (https://docs.celeryq.dev/en/stable/userguide/optimizing.html).
"""

import os

from celery import Celery

from benchmarks.peers.programs.page import batches, scrape

app = Celery("peers", broker=os.environ["BROKER_URL"])
app.conf.task_ignore_result = True
app.conf.worker_hijack_root_logger = False
if os.environ["CELERY_SETTINGS"] == "recommended":
    app.conf.task_acks_late = True
    app.conf.task_reject_on_worker_lost = True
    # With the default pool of 10 connections, 100 threads fail to acknowledge on Redis, and jobs run twice.
    app.conf.broker_pool_limit = 200
    if app.conf.broker_url.startswith("amqp:"):
        app.conf.broker_transport_options = {"confirm_publish": True}


@app.task(name="scrape_page")
def scrape_page(url: str) -> None:
    """Scrape a page."""
    scrape(url)


if __name__ == "__main__":
    for urls in batches():
        for url in urls:
            scrape_page.delay(url)
