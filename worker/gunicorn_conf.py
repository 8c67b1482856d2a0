"""Configures gunicorn, which is started by `gunicorn -c python:worker.gunicorn_conf`.

gunicorn's worker class is gevent; docs/decisions/worker-on-gevent.md explains why. gevent must patch the
standard library before other modules are imported.
"""

import gc
from importlib import metadata

# These two lines make a cold start a fifth shorter (benchmarks/README.md, "Cold start"). gevent looks for
# plugins at each of its 25 patches, each time through the metadata of every installed package: reading the
# metadata once saves 15 % of the CPU time. Collecting no garbage while modules are imported saves 6 %.
metadata.entry_points = metadata.entry_points().select
gc.disable()

from worker.fork_server import FORK_SERVER  # noqa: E402 - imported after the two lines that shorten the start

FORK_SERVER.ensure_started()  # while this process starts, the fork server does, too, on another processor

from gevent import monkey  # noqa: E402 - imported after the two lines that shorten the start

monkey.patch_all()

from runtime.settings import load_or_exit  # noqa: E402 - imported after gevent's patch
from worker import shared_memory  # noqa: E402, F401 - imported after the patch and before the fork, so that all processes share its memory
from worker.settings import WorkerSettings  # noqa: E402 - imported after gevent's patch

_settings = load_or_exit(WorkerSettings)

wsgi_app = "worker.main:create_app()"
worker_class = "worker.push_worker.PushWorker"
bind = f"{_settings.host}:{_settings.port}"
workers = _settings.web_concurrency
# Each process takes its share of the instance's requests. gunicorn counts idle keep-alive connections and
# health checks too, and accepts no connection when the limit is reached, so 64 are added for them.
worker_connections = -(-_settings.concurrency // _settings.web_concurrency) + 64
# For gevent workers this timeout ends only a process whose event loop hangs; the page budget limits requests.
timeout = _settings.request_timeout_seconds
# Cloud Run kills a process 10 s after SIGTERM. This timeout is shorter, so that the process ends by itself:
# idle connections keep it alive until then.
graceful_timeout = 8
# This is longer than the keep-alive of clients and proxies, so that idle connections are closed by them and
# not by the server. If the server closes a connection, a request that arrives at that moment is lost.
keepalive = 620
control_socket_disable = True


def pre_fork(arbiter: object, worker: object) -> None:
    """Start the fork server again if it has died; gunicorn calls this function before it forks."""
    del arbiter, worker
    FORK_SERVER.ensure_started()


def post_worker_init(worker: object) -> None:
    """Enable garbage collection, but exclude all objects that exist now; gunicorn calls this function."""
    del worker
    gc.freeze()
    gc.enable()
