"""Run a site that delays each response: `python -m benchmarks.slow_site --port P --delay 0.2`."""

import argparse
import asyncio

from aiohttp import web

PARAGRAPH = "<p>The quick brown fox jumps over the lazy dog, <a href='/page/{n}'>again</a> and again.</p>\n"


def page(number: str) -> str:
    """Return an HTML page of about 36 KB, the mean of the pages of some software manuals."""
    body = "".join(f"<h2>Section {n}</h2>" + PARAGRAPH.format(n=n) * 6 for n in range(60))
    head = f"<head><title>Page {number}</title></head>"
    return f"<!doctype html><html>{head}<body><h1>Page {number}</h1>{body}</body></html>"


def make_app(delay: float) -> web.Application:
    """Return the site, which waits `delay` seconds before each response without using the processor."""
    # The page is created once, so that the site uses little of the processor time that is measured.
    template = page("NUMBER")

    async def respond(request: web.Request) -> web.Response:
        await asyncio.sleep(delay)
        text = template.replace("NUMBER", request.match_info["number"])
        return web.Response(text=text, content_type="text/html")

    app = web.Application()
    app.router.add_get("/page/{number}", respond)
    return app


def main() -> None:
    """Serve until interrupted."""
    options = argparse.ArgumentParser()
    options.add_argument("--port", type=int, required=True)
    options.add_argument("--delay", type=float, default=0.2, help="seconds")
    chosen = options.parse_args()
    web.run_app(make_app(chosen.delay), host="127.0.0.1", port=chosen.port, print=None, access_log=None)


if __name__ == "__main__":
    main()
