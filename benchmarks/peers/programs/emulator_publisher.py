"""Publishes a message for each URL to the official Pub/Sub emulator, with its REST API.

Arguments: host:port of the emulator, URL of the push worker. The program creates the topic and the
subscription.
"""

import base64
import json
import sys

import requests

from benchmarks.peers.programs.page import batches

BATCH = 1000  #: https://cloud.google.com/pubsub/quotas: maximum number of messages in a request


def main(host: str, worker: str) -> None:
    """Make a topic with a push subscription, and publish the URLs of each batch."""
    project = f"http://{host}/v1/projects/peers"
    topic = {"topic": "projects/peers/topics/jobs", "pushConfig": {"pushEndpoint": worker}}
    requests.put(f"{project}/topics/jobs", json={}, timeout=60).raise_for_status()
    subscription = topic | {"ackDeadlineSeconds": 600}
    requests.put(f"{project}/subscriptions/jobs", json=subscription, timeout=60).raise_for_status()
    for urls in batches():
        for first in range(0, len(urls), BATCH):
            messages = [
                {"data": base64.b64encode(json.dumps({"url": url}).encode()).decode()}
                for url in urls[first : first + BATCH]
            ]
            answer = requests.post(f"{project}/topics/jobs:publish", json={"messages": messages}, timeout=60)
            answer.raise_for_status()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
