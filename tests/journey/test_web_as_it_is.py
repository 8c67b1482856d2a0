"""Tests with real processes that pages are read as the web has them: the right value, or a stated refusal.

Each test is one kind of input on which a scraper usually records another value, or loses a page, in silence.
"""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, NamedTuple

import pytest
import requests

from console.stack.services import AckPolicy, StackOptions
from console.stack.stack import Stack
from tests.journey.dispatching import await_accounting, await_dead_jobs, dispatch
from tests.servers.pushes import job, push
from tests.servers.raw_requests import read_response, request, start_request
from tests.servers.site import PendingRequest, Request, Response, Site, http, redirect, running_site

HEADING = {"title": {"css": "h1", "required": True}}
PAGE = b"<h1>Faust</h1>"


class Scraped(NamedTuple):
    """What became of one page: its items, or the reason of its dead letter, and the detail of an attempt."""

    items: list[dict[str, Any]] | None
    reason: str
    detail: str


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Yield a running stack in which a page that fails is a dead letter at once, and delays no push."""
    options = StackOptions(
        data=tmp_path_factory.mktemp("web"),
        ack_policy=AckPolicy.SETTLED,
        environment={"MAX_ATTEMPTS": "1"},
    )
    with Stack(options) as stack:
        yield stack


@pytest.fixture
def site() -> Iterator[Site]:
    """Yield a site on a raw socket."""
    with running_site() as site:
        yield site


def scrape(
    stack: Stack, urls: list[str], fields: dict[str, Any] = HEADING, **recipe: object
) -> list[Scraped]:
    """Scrape pages with one recipe; return what became of each, in the order of `urls`."""
    run_id = dispatch(stack.dispatcher_url, urls, recipe={"name": "page", "fields": fields, **recipe})
    return ended(stack, run_id, urls)


def ended(stack: Stack, run_id: str, urls: list[str]) -> list[Scraped]:
    """Wait until all pages of a run have ended."""
    now = await_accounting(stack, run_id, lambda now: now.succeeded + now.dead == len(urls))
    results = {each.url: each for each in stack.ledger.results(run_id)}
    dead = {each.url: each for each in await_dead_jobs(stack, run_id, now.dead)}
    found = []
    for url in urls:
        ending = results.get(url) or dead[url]
        details = [each.detail for each in stack.ledger.attempts(run_id, ending.job_id)]
        items = results[url].items if url in results else None
        found.append(Scraped(items, "ok" if url in results else dead[url].reason, details[-1]))
    return found


def serve(site: Site, responses: Mapping[str, Response]) -> list[str]:
    """Let a site respond, each response at a path of its own; return the URLs."""
    for path, response in responses.items():
        site.add(path, response)
    return [site.url(path) for path in responses]


class TestValues:
    """A value whose neighbourhood was not understood is null, and the outcome says which text was refused."""

    NUMBERS: ClassVar[dict[str, Any]] = {
        "1.299,-": 1299,
        ",89 €": 0.89,
        "- €5": -5,
        "(1,234.00)": -1234,
        "1½": 1.5,
        "1.299 €": None,
        "2 for 3 €": None,
        "12<br>34": None,
    }
    TIMES: ClassVar[dict[str, Any]] = {
        "22 Nov 2026, 10:30 GMT+2": "2026-11-22T10:30:00+02:00",
        "2026年11月22日下午3:30": "2026-11-22T15:30:00",
        "20261122": None,
        "03/04/2026 10:00": None,
    }

    def test_numbers_and_times_are_right_or_refused(self, stack: Stack, site: Site) -> None:
        """Each text becomes its only value, or null with a sentence in the outcome."""
        listed = "".join(f"<li><b>{text}</b></li>" for text in self.NUMBERS)
        listed += "".join(f"<li><i>{text}</i></li>" for text in self.TIMES)
        [url] = serve(site, {"/values": http(200, listed.encode())})
        fields = {"number": {"css": "b", "type": "number"}, "time": {"css": "i", "type": "datetime"}}
        [scraped] = scrape(stack, [url], fields, items="li")
        assert scraped.items is not None
        numbers = [item["number"] for item in scraped.items[: len(self.NUMBERS)]]
        times = [item["time"] for item in scraped.items[len(self.NUMBERS) :]]
        assert numbers == list(self.NUMBERS.values())
        assert times == list(self.TIMES.values())
        for refused in ("1.299 €", "2 for 3 €", "20261122", "03/04/2026 10:00"):
            assert refused in scraped.detail

    def test_text_is_what_a_browser_shows(self, stack: Stack, site: Site) -> None:
        """Lines and blocks are not glued together, and scripts are not shown."""
        body = b"<div id=a>1 Main St<br>Springfield<p>US</p><script>track()</script></div>"
        body += b"<ul><li>red<li>blue</ul>"
        [url] = serve(site, {"/text": http(200, body)})
        [scraped] = scrape(stack, [url], {"address": {"css": "#a"}, "colours": {"css": "ul"}})
        assert scraped.items == [{"address": "1 Main St Springfield US", "colours": "red blue"}]


class TestNothingIsLeftOutInSilence:
    """What is left out is in the dispatcher's answer, or in the outcome."""

    def test_nested_index_is_read_and_a_dead_child_is_told(self, stack: Stack, site: Site) -> None:
        """The pages of an index within an index are dispatched, and the child that is missing is named."""

        def index(*paths: str) -> bytes:
            listed = "".join(f"<sitemap><loc>{site.url(path)}</loc></sitemap>" for path in paths)
            return http(200, f"<sitemapindex>{listed}</sitemapindex>".encode())

        pages = f"<urlset><url><loc>{site.url('/1')}</loc></url></urlset>".encode()
        serve(site, {"/top.xml": index("/middle.xml", "/missing.xml"), "/middle.xml": index("/pages.xml")})
        serve(site, {"/pages.xml": http(200, pages), "/missing.xml": http(404), "/1": http(200, PAGE)})
        crawl = {
            "name": "nested",
            "sources": {"sitemap": site.url("/top.xml")},
            "recipe": {"name": "page", "fields": HEADING},
        }
        answer = requests.post(stack.dispatcher_url, json=crawl, timeout=60).json()
        assert (answer["published"], answer["unread_count"]) == (1, 1)
        assert "/missing.xml" in answer["unread"][0]["url"]
        assert "404" in answer["unread"][0]["why"]
        [scraped] = ended(stack, answer["run_id"], [site.url("/1")])
        assert scraped.items == [{"title": "Faust"}]

    def test_null_fields_and_unread_blocks_are_in_the_outcome(self, stack: Stack, site: Site) -> None:
        """A field that matches nothing, and JSON-LD that cannot be read, are named in the detail."""
        broken = b'<script type="application/ld+json">{"@type": "Product", "name": </script><h1>Faust</h1>'
        lenient = (
            b'<script type="application/ld+json">{"@type": "Product", /* of the shop */ "name": "Faust",}'
            b"</script>"
        )
        urls = serve(site, {"/broken": http(200, broken), "/lenient": http(200, lenient)})
        fields = {"name": {"jsonld": "Product.name"}, "price": {"css": ".price"}}
        first, second = scrape(stack, urls, fields)
        assert first.items == [{"name": None, "price": None}]
        assert "JSON-LD" in first.detail
        assert "price" in first.detail
        assert second.items == [{"name": "Faust", "price": None}]

    def test_listing_that_ends_early_says_so(self, stack: Stack, site: Site) -> None:
        """A listing ends at `max_pages`, or at a link that is no page, without losing the last page."""
        void = b'<h1>b</h1><a class=next href="javascript:void(0)">next</a>'
        serve(site, {"/1": http(200, b"<h1>a</h1><a class=next href=/2>next</a>"), "/2": http(200, void)})
        endings = {}
        for max_pages in (1, 5):
            recipe = {"name": "list", "fields": HEADING, "next": "a.next", "max_pages": max_pages}
            run_id = dispatch(stack.dispatcher_url, [site.url("/1")], recipe=recipe)
            await_accounting(stack, run_id, lambda now: now.succeeded > 0 and now.in_flight == 0)
            [listing] = stack.ledger.listings(run_id)
            endings[max_pages] = (listing.state, listing.pages, listing.ended_by)
        assert endings == {1: ("complete", 1, "max_pages"), 5: ("complete", 2, "bad_next")}


class TestBrowsersStandards:
    """Encodings, URLs and JSON-LD nodes are read as browsers read them."""

    def test_declared_encodings_are_those_of_the_encoding_standard(self, stack: Stack, site: Site) -> None:
        """`utf-16` in a meta element means UTF-8, and other labels name their encoding."""
        texts = {
            "utf-16": ("Grüße", "utf-8"),
            "x-cp1251": ("Привет", "cp1251"),
            "windows-949": ("똠방", "cp949"),
        }
        responses = {}
        for label, (text, codec) in texts.items():
            body = f'<meta charset="{label}"><h1>{text}</h1>'.encode(codec)
            responses[f"/{label}"] = http(200, body, content_type="text/html")
        found = scrape(stack, serve(site, responses))
        assert [each.items for each in found] == [[{"title": text}] for text, _ in texts.values()]

    def test_next_is_resolved_in_the_pages_encoding(self, stack: Stack, site: Site) -> None:
        """The query of a link is encoded as the page is, and backslashes are slashes."""
        first = '<meta charset="windows-1251"><h1>a</h1><a class=next href="\\s\\?q=книга">next</a>'
        site.add("/list", http(200, first.encode("cp1251"), content_type="text/html"))
        site.add("/s/?q=%EA%ED%E8%E3%E0", http(200, b"<h1>b</h1>"))
        recipe = {"name": "list", "fields": HEADING, "next": "a.next"}
        run_id = dispatch(stack.dispatcher_url, [site.url("/list")], recipe=recipe)
        await_accounting(stack, run_id, lambda now: now.succeeded == 2)
        assert len(site.requests_for("/s/?q=%EA%ED%E8%E3%E0")) == 1

    def test_host_names_are_those_of_uts_46(self, stack: Stack) -> None:
        """`straße.invalid` is looked up as itself, and not as `strasse.invalid`."""
        run_id = dispatch(
            stack.dispatcher_url, ["https://straße.invalid/"], recipe={"name": "p", "fields": HEADING}
        )
        await_accounting(stack, run_id, lambda now: now.dead == 1)
        [dead] = stack.ledger.dead_jobs(run_id)
        assert (dead.url, dead.reason) == ("https://xn--strae-oqa.invalid/", "dns")

    def test_nodes_that_json_ld_refers_to_are_found(self, stack: Stack, site: Site) -> None:
        """An author that is given by its `@id` has the name of that node."""
        graph = (
            b'<script type="application/ld+json">{"@graph": [{"@type": "Recipe", "author": {"@id": "#ann"}},'
            b'{"@type": "Person", "@id": "#ann", "name": "Ann"}]}</script>'
        )
        [scraped] = scrape(
            stack, serve(site, {"/recipe": http(200, graph)}), {"author": {"jsonld": "Recipe.author.name"}}
        )
        assert scraped.items == [{"author": "Ann"}]


class TestLeniency:
    """What every peer reads is read, where nothing is at stake."""

    def test_odd_responses_are_read(self, stack: Stack, site: Site) -> None:
        """Unknown content codings, many fields, odd media types and a refresh at once lose no page."""
        refresh = b'<meta http-equiv="refresh" content="0; url=/page">'
        many = [f"X-Field-{number}: y" for number in range(120)]
        responses = {
            "/coding": http(200, PAGE, "Content-Encoding: UTF-8"),
            "/many": http(200, PAGE, *many),
            "/cookies": http(200, PAGE, *(f"Set-Cookie: c{number}=1" for number in range(101))),
            "/type": http(200, PAGE, content_type="html"),
            "/no-type": http(200, PAGE, content_type=""),
            "/no-colon": http(200, PAGE, "this line has no colon"),
            "/refresh": http(200, refresh),
        }
        site.add("/page", http(200, PAGE))
        found = scrape(stack, serve(site, responses))
        assert [each.items for each in found] == [[{"title": "Faust"}]] * len(responses)

    def test_cookies_are_kept_within_the_redirects_of_one_fetch(self, stack: Stack, site: Site) -> None:
        """A page that sets a cookie and redirects to itself is read, and the next fetch begins without it."""

        def wall(pending: PendingRequest) -> None:
            allowed = "passed=1" in pending.request.headers.get("cookie", "")
            pending.send(
                http(200, PAGE) if allowed else http(302, b"", "Location: /wall", "Set-Cookie: passed=1")
            )

        site.add("/wall", wall)
        for _ in range(2):
            [scraped] = scrape(stack, [site.url("/wall")])
            assert scraped.items == [{"title": "Faust"}]
        assert ["cookie" in each.headers for each in site.requests_for("/wall")] == [False, True] * 2

    def test_push_in_chunks_is_a_push(self, stack: Stack, site: Site) -> None:
        """A proxy may send a push in chunks; without a token it is refused for that, and not for its form."""
        body = push(job(url=site.url("/page")))
        chunks = (
            b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:100], body[100:])) + b"0\r\n\r\n"
        )
        port = int(stack.worker_url.rpartition(":")[2])
        status, text = request(port, "/", b"Transfer-Encoding: chunked\r\nConnection: close\r\n", chunks)
        assert (status, "no_token" in text) == (401, True)


class TestSources:
    """One crawl with all kinds of sources makes a job for each page, and the answer counts them by source."""

    def test_all_sources_of_a_crawl_are_read(self, stack: Stack, site: Site) -> None:
        """A text sitemap, a feed, a file, a template and the site's sitemap are dispatched together."""
        feed = f"<rss><channel><item><link>{site.url('/feed')}</link></item></channel></rss>"
        odd = f"\n<urlset><url><loc>{site.url('/odd')}?a=1&b=2</loc><image:loc>x</image:loc></url></urlset>"
        serve(
            site,
            {
                "/robots.txt": http(200, b"Sitemap: /odd.xml", content_type="text/plain"),
                "/odd.xml": http(200, odd.encode()),
                "/s.txt": http(200, site.url("/text").encode(), content_type="text/plain"),
                "/feed.rss": http(200, feed.encode()),
                "/urls.csv": http(200, f"id,link\n1,{site.url('/row')}\n".encode()),
            },
        )
        sources = {
            "sitemaps": [site.url("/s.txt"), site.url("/feed.rss")],
            "site": site.url("/"),
            "urls_file": {"url": site.url("/urls.csv"), "field": "link"},
            "template": [site.url("/list?page={1..3}")],
            "exclude": ["*page=3"],
        }
        crawl = {"name": "all", "sources": sources, "recipe": {"name": "page", "fields": HEADING}}
        answer = requests.post(stack.dispatcher_url, json=crawl, timeout=60).json()
        assert (answer["published"], answer["filtered"]) == (6, 1), answer
        assert {each["source"]: each["published"] for each in answer["sources"]} == {
            "sources.template.0": 2,
            "sources.urls_file": 1,
            "sources.sitemaps.0": 1,
            "sources.sitemaps.1": 1,
            "sources.site": 1,
        }

    def test_max_jobs_ends_the_reading(self, stack: Stack, site: Site) -> None:
        """A crawl with `limits.max_jobs` reads no sitemap after the one that reaches the limit."""

        def sitemap(number: int) -> bytes:
            return f"<urlset><url><loc>{site.url(f'/{number}')}</loc></url></urlset>".encode()

        listed = "".join(f"<sitemap><loc>{site.url(f'/{n}.xml')}</loc></sitemap>" for n in range(50))
        site.add("/index.xml", http(200, f"<sitemapindex>{listed}</sitemapindex>".encode()))
        serve(site, {f"/{number}.xml": http(200, sitemap(number)) for number in range(50)})
        crawl = {
            "name": "limited",
            "sources": {"sitemap": site.url("/index.xml")},
            "limits": {"max_jobs": 2},
            "recipe": {"name": "page", "fields": HEADING},
        }
        answer = requests.post(stack.dispatcher_url, json=crawl, timeout=60).json()
        assert answer["published"] == 2
        assert len([each for each in site.requests if each.path.endswith(".xml")]) <= 4


class TestRequests:
    """Requests are sent as the crawl says, and what belongs to one site does not follow to another."""

    def test_posts_to_one_url_are_two_jobs(self, stack: Stack, site: Site) -> None:
        """Two crawls that differ in their body are two jobs, and each body arrives."""
        site.add("/api", http(200, b'{"title": "Faust"}', content_type="application/json"))
        for page in (1, 2):
            dispatch(
                stack.dispatcher_url,
                [site.url("/api")],
                recipe={"name": "api", "fields": {"title": {"jmespath": "title"}}},
                request={"method": "POST", "body": {"page": page}, "headers": {"X-Shop": "de"}},
                run_id="api-1",
            )
        await_accounting(stack, "api-1", lambda now: now.succeeded == 2)
        assert len({each.job_id for each in stack.ledger.results("api-1")}) == 2
        received = site.requests_for("/api")
        assert sorted(each.body for each in received) == [b'{"page": 1}', b'{"page": 2}']
        assert all(each.headers["x-shop"] == "de" for each in received)

    def test_nothing_of_a_crawl_follows_to_another_origin(self, stack: Stack, site: Site) -> None:
        """Headers and cookies of the crawl stay at its origin when it redirects elsewhere."""
        with running_site() as other:
            other.add("/", http(200, PAGE))
            site.add("/away", redirect(other.url("/")))
            run_id = dispatch(
                stack.dispatcher_url,
                [site.url("/away")],
                request={"headers": {"Authorization": "Bearer x"}, "cookies": {"session": "y"}},
            )
            await_accounting(stack, run_id, lambda now: now.succeeded + now.dead == 1)
            assert site.requests_for("/away")[0].headers["authorization"] == "Bearer x"
            arrived = _pages(other)
            assert all({"authorization", "cookie"}.isdisjoint(each.headers) for each in arrived)
            assert arrived


class TestRobots:
    """robots.txt is read as RFC 9309 says."""

    def test_other_records_do_not_end_a_group(self, stack: Stack, site: Site) -> None:
        """A group with several names and other records between them applies to all of its names."""
        robots = b"User-agent: scrapeq/0.1\nSitemap: /s.xml\nUser-agent: other\nDisallow: /private\n"
        robots += b"Allow: /private/open"
        pages = {"/private/1": http(200, PAGE), "/private/open": http(200, PAGE), "/free": http(200, PAGE)}
        site.add("/robots.txt", http(200, robots, content_type="text/plain"))
        found = scrape(stack, serve(site, pages))
        assert [each.reason for each in found] == ["robots_disallowed", "ok", "ok"]
        assert site.requests_for("/private/1") == []


class TestBlame:
    """Faults of the recipe, of the page and of its transfer have different reasons."""

    def test_each_fault_has_its_own_reason(self, stack: Stack, site: Site) -> None:
        """A truncated body, a wrong coding, a missing field and a broken link are told apart."""
        gzip_field = "Content-Encoding: gzip"
        responses: dict[str, Response] = {
            "/cut": _cut,
            "/coding": http(200, b"no gzip at all", gzip_field),
            "/field": http(200, b"<p>no heading</p>"),
            "/link": http(200, b'<h1>Faust</h1><a href="http://[::1">broken</a>'),
        }
        found = scrape(
            stack, serve(site, responses), HEADING | {"link": {"css": "a::attr(href)", "type": "url"}}
        )
        assert [each.reason for each in found] == ["incomplete_body", "corrupt_body", "missing_field", "ok"]
        assert "http://[::1" in found[3].detail


class TestBodies:
    """No server of the stack reads a body without an end."""

    @pytest.mark.parametrize("service", ["dispatcher_url", "worker_url"])
    def test_endless_body_is_not_read(self, stack: Stack, service: str) -> None:
        """A body of 300 MiB in chunks is refused long before its end."""
        port = int(getattr(stack, service).rpartition(":")[2])
        chunk = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
        connection = start_request(port, "/", b"Transfer-Encoding: chunked\r\nConnection: close\r\n", chunk)
        sent = 1
        try:
            while sent < 300:
                connection.sendall(chunk)
                sent += 1
        except OSError:
            pass  # the server has closed the connection
        status, _ = read_response(connection)
        assert sent < 300
        assert 400 <= status < 500


def _pages(site: Site) -> list[Request]:
    return [each for each in site.requests if each.path != "/robots.txt"]


def _cut(pending: PendingRequest) -> None:
    pending.send(http(200, b"<h1>Fau", length=1000))
