"""Serves 500 real pages, from Debian's package python3-doc, with nginx on the loopback interface."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests

from console.stack.ports import free_port
from tests.servers.requirements import skip_or_fail
from tests.servers.waiting import wait_until

PAGES = Path("/usr/share/doc/python3-doc/html")
CONFIGURATION = """
daemon off; worker_processes 1; pid {data}/nginx.pid; error_log stderr;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    types {{ text/html html; text/css css; }}
    client_body_temp_path {data}; proxy_temp_path {data}; fastcgi_temp_path {data};
    uwsgi_temp_path {data}; scgi_temp_path {data};
    server {{ listen 127.0.0.1:{port}; root {pages}; }}
}}
"""


@contextmanager
def serving_pages(data: Path) -> Iterator[list[str]]:
    """Serve the pages with nginx until the context ends; yield the first 500 URLs in alphabetical order."""
    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if nginx is None:
        skip_or_fail("nginx is not installed (on Debian: apt install nginx-light)")
    names = sorted(str(page.relative_to(PAGES)) for page in PAGES.rglob("*.html"))
    if len(names) < 500:
        skip_or_fail(f"{PAGES} does not contain 500 pages (on Debian: apt install python3-doc)")
    data.mkdir()
    port = free_port()
    configuration = data / "nginx.conf"
    configuration.write_text(CONFIGURATION.format(data=data, port=port, pages=PAGES))
    with (data / "nginx.log").open("w") as log:
        process = subprocess.Popen([nginx, "-p", data, "-c", configuration], stderr=log, stdout=log)
    try:
        site = f"http://127.0.0.1:{port}"
        wait_until(lambda: _is_served(f"{site}/index.html"), f"nginx serves {PAGES}")
        yield [f"{site}/{name}" for name in names[:500]]
    finally:
        process.terminate()
        process.wait(120)


def _is_served(url: str) -> bool:
    try:
        return requests.get(url, timeout=120).status_code == 200
    except requests.ConnectionError:
        return False
