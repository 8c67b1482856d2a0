"""Dramatiq: an actor that scrapes a page, on the broker at BROKER_URL.

A message is acknowledged after its actor.

`dramatiq benchmarks.peers.programs.dramatiq_actors` runs workers; `python -m` runs the sender.
"""

import os

import dramatiq
from dramatiq.brokers.rabbitmq import RabbitmqBroker
from dramatiq.brokers.redis import RedisBroker

from benchmarks.peers.programs.page import batches, scrape

URL = os.environ["BROKER_URL"]
# With confirm_delivery a message is sent only once RabbitMQ has confirmed it.
broker = RedisBroker(url=URL) if URL.startswith("redis:") else RabbitmqBroker(url=URL, confirm_delivery=True)
dramatiq.set_broker(broker)
scrape_page = dramatiq.actor(scrape)

if __name__ == "__main__":
    # The actor of this module is named by the function, so the name of the module does not matter.
    for urls in batches():
        for url in urls:
            scrape_page.send(url)
