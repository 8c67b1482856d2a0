"""Runs a reverse proxy that checks, queues and rejects requests to a push endpoint as Cloud Run does.

``python -m localpubsub.cloud_run_gate --to URL --audience A``

The gate does what Cloud Run does before a request reaches the container:

- It responds with 403 to a request without a token, with 401 to an invalid token, and with 403 to a caller
  without the permission to invoke the service
  (https://cloud.google.com/run/docs/troubleshooting#unauthorized-client).
- A request that finds no free slot (maximum instances × concurrency) waits in a queue; no byte of it reaches
  the container before it has a slot. After 10 s, or after 3.5 times the start-up time of an instance if that
  is longer, the response is 429 (https://cloud.google.com/run/docs/container-contract,
  https://cloud.google.com/run/docs/about-instance-autoscaling; the page about maximum instances says up to
  30 s).
- Instances are started as requests queue, if they have a start-up time.
- With the signal SIGHUP a new revision replaces the current one, as by a deploy: it gets all new requests,
  and those that wait. Requests that are running continue for some seconds and are then cut.
- It responds with 503 if the container does not respond or the request is cut
  (https://cloud.google.com/run/docs/troubleshooting#503).

Bodies of requests and responses are streamed. All instances are the one server behind the gate, which does
not notice a deploy, except that running requests are cut. Not imitated: instances that stop when they are
idle, the request timeout (504), and CPU that is available only during requests.
"""
