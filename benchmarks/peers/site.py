"""Serves real HTML pages of Debian's packages with nginx on the loopback interface."""

import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import requests

from console.stack.ports import free_port

#: Maps a part of the URL to the directory of its pages, and to the package that has it.
MANUALS = {
    "python": (Path("/usr/share/doc/python3-doc/html"), "python3-doc"),
    "postgresql": (Path("/usr/share/doc/postgresql-doc-15/html"), "postgresql-doc-15"),
    "debian": (Path("/usr/share/doc/debian-handbook/html"), "debian-handbook"),
}
PAGES = 2000  #: all pages of the manuals of Python and PostgreSQL, and so many of the handbook, English first
SEED = 17
MODULE = Path("/usr/lib/nginx/modules/ngx_http_echo_module.so")
TIMEOUT_SECONDS = 60
#: The pages below /200/ are sent after 200 ms, during which nginx uses no processor time.
CONFIGURATION = """
load_module {module};
daemon off; master_process off; pid {data}/nginx.pid; error_log stderr;
events {{ worker_connections 4096; }}
http {{
    log_format page '$request_uri'; access_log {log};
    keepalive_requests 1000000; tcp_nodelay on; open_file_cache max=5000;
    types {{ text/html html; }}
    client_body_temp_path {data}; proxy_temp_path {data}; fastcgi_temp_path {data};
    uwsgi_temp_path {data}; scgi_temp_path {data};
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        {locations}
    }}
}}
"""


@dataclass(frozen=True)
class Site:
    """A running site.

    Attributes:
        url: its URL, without a path.
        names: the paths of the pages, in the order in which they are requested.
        pid: process id of nginx, whose processor time is not that of a queue.
    """

    url: str
    names: tuple[str, ...]
    pid: int

    def urls(self, delay_ms: int, count: int, query: str = "") -> list[str]:
        """Return the URLs of the first `count` pages, which take `delay_ms` (0 or 200)."""
        return [f"{self.url}/{delay_ms}/{name}{query}" for name in self.names[:count]]


def missing_packages() -> list[str]:
    """Return the Debian packages of the site that this machine does not have."""
    missing = [package for folder, package in MANUALS.values() if not folder.is_dir()]
    if not MODULE.exists():
        missing.append("libnginx-mod-http-echo")
    if _nginx() is None:
        missing.append("nginx-light")
    return missing


def page_names() -> tuple[str, ...]:
    """Return the names of 2,000 pages, mixed, in the same order on each machine.

    Raises:
        SystemExit: a package is missing; the message has the command that installs it.
    """
    if missing := missing_packages():
        sys.exit(f"The pages need packages that are missing: apt install {' '.join(missing)}")
    names = list(islice(_all_names(), PAGES))
    random.Random(SEED).shuffle(names)  # noqa: S311 - an order, not a secret
    return tuple(names)


def _all_names() -> Iterator[str]:
    for name, (folder, _) in MANUALS.items():
        found = sorted(page.relative_to(folder).as_posix() for page in folder.rglob("*.html"))
        found.sort(key=lambda page: name == "debian" and not page.startswith("en-US/"))
        yield from (f"{name}/{page}" for page in found)


@contextmanager
def running_site(data: Path, *, log: str = "off") -> Iterator[Site]:
    """Serve the pages until the block ends.

    Args:
        data: an empty directory for nginx.
        log: `off`, or a file to which the path of each request is written, and the format's name `page`.
    """
    names, port = page_names(), free_port()
    configuration = data / "nginx.conf"
    locations = "".join(
        f"\n        location /0/{name}/ {{ alias {folder.resolve()}/; }}"
        f"\n        location ~ ^/200/({name}/.*)$ {{ echo_sleep 0.2; echo_exec /0/$1; }}"
        for name, (folder, _) in MANUALS.items()
    )
    configuration.write_text(
        CONFIGURATION.format(module=MODULE, data=data, port=port, log=log, locations=locations)
    )
    with (data / "nginx.log").open("w") as output:
        process = subprocess.Popen(
            [str(_nginx()), "-p", data, "-c", configuration], stderr=output, stdout=output
        )
    try:
        site = Site(f"http://127.0.0.1:{port}", names, process.pid)
        _await_site(site)
        yield site
    finally:
        process.terminate()
        process.wait(TIMEOUT_SECONDS)


def _nginx() -> str | None:
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


def _await_site(site: Site) -> None:
    until = time.monotonic() + TIMEOUT_SECONDS
    while time.monotonic() < until:
        try:
            for delay_ms in (0, 200):
                requests.get(site.urls(delay_ms, 1)[0], timeout=5).raise_for_status()
        except requests.ConnectionError:
            time.sleep(0.05)
        else:
            return
    sys.exit(f"nginx did not start at {site.url}")
