"""Creates the fork server of an instance, whose children extract pages (worker/child_extraction.py).

gunicorn's master starts it before it patches anything and before it forks (worker/gunicorn_conf.py), so all
processes share it.
"""

from process_pool.processes import ForkServerProcess

FORK_SERVER = ForkServerProcess("extraction.extract_items:run")
