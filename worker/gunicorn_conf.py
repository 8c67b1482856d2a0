"""gunicorn's settings: `gunicorn -c python:worker.gunicorn_conf`.

gevent by measurement: see benchmarks/README.md. It patches before anything else is imported.
"""

import gc
from importlib import metadata

# A cold start is a fifth shorter for these two. gevent looks for plugins at each of its patches, pydantic and
# OpenTelemetry once, each time through the metadata of every package; and nothing imported is garbage.
metadata.entry_points = metadata.entry_points().select
gc.disable()

from gevent import monkey  # noqa: E402 - after what makes it quicker

monkey.patch_all()

from runtime.settings import load_or_exit  # noqa: E402 - after the patch
from worker import shared_memory  # noqa: E402, F401 - idem; made here, it is the same in every process
from worker.settings import WorkerSettings  # noqa: E402 - idem

_settings = load_or_exit(WorkerSettings)

wsgi_app = "worker.main:create_app()"
worker_class = "gevent"
bind = f"{_settings.host}:{_settings.port}"
workers = _settings.web_concurrency
# Each process takes its share of the instance's requests, and has room for health checks and connections
# that are only kept open: all count alike here, and a full process accepts nobody until one closes.
worker_connections = -(-_settings.concurrency // _settings.web_concurrency) + 64
# Of gevent workers it only ends one whose loop hangs; requests are bounded by the page budget.
timeout = _settings.request_timeout_seconds
graceful_timeout = 8  # Cloud Run kills 10 s after SIGTERM, and idle connections hold a process until this
keepalive = 620  # longer than any client's or proxy's, so that they close connections, not we
control_socket_disable = True


def post_worker_init(worker: object) -> None:
    """Begin to collect garbage, but for what is there now, which stays."""
    del worker
    gc.freeze()
    gc.enable()
