"""Every location of a sitemap is yielded unchanged, or the sitemap is reported as not completely readable."""

import gzip
import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.sitemap import decompress_sitemap, locations
from dispatcher.sitemap_entry import Location, SitemapUnreadable
from tests.extraction.many_examples import many_examples

PAGES = ["https://shop.example/1", "https://shop.example/2"]
ENTRIES = "".join(f"<url><loc>{page}</loc></url>\n" for page in PAGES)
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
URLSET = '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
SITEMAP = f"{DECLARATION}{URLSET}{ENTRIES}</urlset>"


def read(text: str | bytes, url: str = "https://shop.example/sitemap.xml") -> tuple[list[str], str]:
    """Return the URLs that a sitemap lists, and why it was not completely read; `""` if it was."""
    found = list[str]()
    try:
        for location in locations(text.encode() if isinstance(text, str) else text, url):
            found.append(location.url)
    except SitemapUnreadable as error:
        return found, str(error)
    return found, ""


@pytest.mark.parametrize(
    "sitemap",
    [
        "\n" + SITEMAP,
        "  \t" + SITEMAP,
        "\ufeff\ufeff" + SITEMAP,
        "<br />\n<b>Warning</b>: include(): failed in x.php\n" + SITEMAP,
        SITEMAP.replace("UTF-8", "utf-16"),
        SITEMAP.replace("UTF-8", "no-such-thing"),
        SITEMAP + "<script>a()</script>",
        SITEMAP + "\0\0\n<!-- 0.2 s -->",
        SITEMAP.replace("<urlset ", "<!DOCTYPE urlset><urlset "),
        SITEMAP.replace("<url>", "<url><lastmod>A & B &nbsp; &copy</lastmod>"),
        SITEMAP.replace("</url>", "<image:image><image:loc>/i.png</image:loc></image:image></url>"),
        SITEMAP.replace(
            "</url>", "</url><image:image><image:loc>https://a.example/i.png</image:loc></image:image>"
        ),
        SITEMAP.replace("</url>", "<news:news><news:url>x</news:url></news:news></url>"),
        SITEMAP.replace("</url>", '<xhtml:link rel="alternate" hreflang="de" href="x"></url>'),
        SITEMAP.replace("</url>", "<changefreq>daily</changefrequency></url>"),
        SITEMAP.replace("</url>", "<priority>\x0b\x00</priority></url>"),
        SITEMAP.replace("<url>", "<url a=b c>"),
        SITEMAP.replace(URLSET, "<urlset>").replace("<loc>", "<loc>\n   ").replace("</loc>", "\r\n</loc>"),
        SITEMAP.replace(URLSET, "<sm:urlset>").replace("</urlset", "</sm:urlset"),
        re.sub(r"(</?)(?=url|loc)", r"\1sm:", SITEMAP),
        "".join(f"{DECLARATION}{URLSET}<url><loc>{page}</loc></url></urlset>" for page in PAGES),
        SITEMAP.replace("</url>", ""),
        SITEMAP.replace("</url>\n<url>", "<url>").replace("</url>", ""),
        re.sub(r"</?url>", "", SITEMAP),
        SITEMAP.replace("<url>", "<url title='a > b'>"),
        SITEMAP.replace("</url>", "<image xmlns='urn:image'><loc>/i.png</loc></image></url>"),
        f"{URLSET}<url><loc>{PAGES[0]}</loc><loc>{PAGES[1]}</loc></url></urlset>",
        f"{URLSET}<!-- <url><loc>https://shop.example/0</loc></url> -->{ENTRIES}</urlset>",
        SITEMAP.replace("UTF-8", "iso-8859-1").encode("latin-1"),
        SITEMAP.replace("UTF-8", "utf-16").encode("utf-16le"),
        "\r\n".join(["\ufeff" + PAGES[0], "", " " + PAGES[1] + "\t", ""]),
        "\n".join(["# our pages", *PAGES]).encode("utf-16"),
    ],
)
def test_sitemap_that_peers_read_is_read(sitemap: str | bytes) -> None:
    """A sitemap that is not well-formed is read if its locations can be understood."""
    assert read(sitemap) == (PAGES, "")


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("https://a.example/?a=1&b=2", "https://a.example/?a=1&b=2"),
        ("https://a.example/?a=1&amp;b=2", "https://a.example/?a=1&b=2"),
        ("https://a.example/?a=1&copy=2&lt=3", "https://a.example/?a=1&copy=2&lt=3"),
        ("https://a.example/?a=&#49;&#x26;b", "https://a.example/?a=1&b"),
        ("<![CDATA[https://a.example/?a=1&b=2]]>", "https://a.example/?a=1&b=2"),
        ("https://a.example/<!-- x -->1", "https://a.example/1"),
        ("https://a.example/é", "https://a.example/é"),
    ],
)
def test_address_is_read_as_it_is_meant(written: str, url: str) -> None:
    """Ampersands in an address may be escaped or not; comments and CDATA are read as XML says."""
    assert read(SITEMAP.replace(PAGES[0], written)) == ([url, PAGES[1]], "")


@pytest.mark.parametrize(
    ("sitemap", "why"),
    [
        (SITEMAP.replace(PAGES[0], ""), "1 of its 2 entries have no valid URL"),
        (SITEMAP.replace(f"<loc>{PAGES[0]}</loc>", ""), "1 of its 2 entries have no valid URL"),
        (SITEMAP.replace(PAGES[0], "https://a.example/<b>1</b>"), "1 of its 2 entries have no valid URL"),
        (SITEMAP.replace(PAGES[0], "https://a.example/a\x0bb"), "1 of its 2 entries have no valid URL"),
        (SITEMAP.replace(PAGES[0], "https://a.example/a&#11;b"), "1 of its 2 entries have no valid URL"),
        (SITEMAP.replace(PAGES[0], "https://a.example/&#x110000;"), "1 of its 2 entries have no valid URL"),
        (SITEMAP.encode().replace(b"/1", b"/\xff"), "1 of its 2 entries have no valid URL"),
    ],
)
def test_entry_without_a_valid_address_is_reported(sitemap: str | bytes, why: str) -> None:
    """An entry whose address is missing, or cannot be read exactly, is reported, and the others are read."""
    assert read(sitemap) == ([PAGES[1]], why)


@pytest.mark.parametrize(
    "characters", range(len(SITEMAP) - len("</urlset>"), len(f"{DECLARATION}{URLSET}"), -1)
)
def test_sitemap_that_ends_early_is_reported_and_no_address_is_cut(characters: int) -> None:
    """Wherever a sitemap ends early, its complete entries are read, and the end is reported."""
    found, why = read(SITEMAP[:characters])
    assert found == PAGES[: SITEMAP[:characters].count("</loc>")]
    assert "it ends within <urlset>" in why


RSS = """<rss version='2.0'><channel><link>https://shop.example/</link>
<image><url>https://shop.example/i.png</url></image>
<item><title>One</title><link> https://shop.example/1
</link><guid>1</guid></item>
<item><atom:link href='https://shop.example/self' rel='self'/><link>/2</link></item>
<item><guid isPermaLink='true'>https://shop.example/3</guid></item>
<item><link><![CDATA[https://shop.example/4?a&b]]></link><description>&lt;item><br></description></item>
</channel></rss>"""
ATOM = """<feed xmlns='http://www.w3.org/2005/Atom'><link href='https://shop.example/'/>
<entry><link href='https://shop.example/1'/><source><link href='/source'/></source></entry>
<entry><link rel='edit' href='/edit'/><link rel='alternate' type='text/html' href='2?a&amp;b'/></entry>
<entry xml:base='https://shop.example/sub/'><link href='3'/><id>urn:3</id></entry></feed>"""
RDF = """<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns='http://purl.org/rss/1.0/'>
<channel><link>https://shop.example/</link></channel>
<item rdf:about='x'><link>https://shop.example/1</link></item></rdf:RDF>"""


@pytest.mark.parametrize(
    ("feed", "urls"),
    [
        (RSS, ["/1", "/2", "/3", "/4?a&b"]),
        (ATOM, ["/1", "/dir/2?a&b", "/sub/3"]),
        (RDF, ["/1"]),
    ],
    ids=["rss", "atom", "rss 1.0"],
)
def test_links_of_feed_entries_are_read(feed: str, urls: list[str]) -> None:
    """The entries of an RSS or Atom feed are pages; relative links are resolved against the feed's URL."""
    found = read("\n" + DECLARATION + feed, "https://shop.example/dir/feed.xml")
    assert found == ([f"https://shop.example{url}" for url in urls], "")


def test_locations_of_an_index_are_sitemaps() -> None:
    """The entries of an index are sitemaps, also if it names them `url`."""
    text = "<sitemapindex><sitemap><loc>/1</loc></sitemap><url><loc>/2</loc></url></sitemapindex>"
    assert list(locations(text.encode())) == [
        Location("/1", is_sitemap=True),
        Location("/2", is_sitemap=True),
    ]


def test_lines_of_a_text_file_that_are_no_urls_are_reported() -> None:
    """Lines of a text sitemap that are not exactly a URL are reported, and the others are read."""
    assert read("\n".join(["shop.example/0", *PAGES, "https://shop.example/3 0.5"])) == (
        PAGES,
        "2 of its 4 lines are not URLs",
    )


@pytest.mark.parametrize(
    "tail", [b"", b"\0" * 512, b"\n", b"junk", b"\x1f", gzip.compress(b"<!-- x -->", mtime=0)]
)
def test_bytes_after_gzip_data_are_ignored(tail: bytes) -> None:
    """A gzipped sitemap may have several members, and bytes that are no gzip data after the last one."""
    unpacked = decompress_sitemap(gzip.compress(SITEMAP.encode()) + tail, max_bytes=10_000)
    assert read(unpacked) == (PAGES, "")


JUNK = [
    "<",
    ">",
    "&",
    "</",
    "/>",
    "<!--",
    "-->",
    "<![CDATA[",
    "]]>",
    "<loc>",
    "</loc>",
    "<url>",
    "</url>",
    '"',
]


@many_examples
@given(
    st.lists(st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), max_size=4), max_size=4),
    st.sampled_from(JUNK) | st.text(max_size=2),
    st.floats(0, 1),
    st.integers(0, 12),
)
def test_damaged_sitemap_is_read_exactly_or_reported(
    paths: list[str], junk: str, where: float, removed: int
) -> None:
    """If a sitemap is damaged, each URL is the whole text of a `<loc>`, or the damage is reported."""
    urls = [f"https://shop.example/{number}/{path.strip()}" for number, path in enumerate(paths)]
    text = URLSET + "".join(f"<url><loc>{html.escape(url)}</loc></url>" for url in urls) + "</urlset>"
    place = len(URLSET) + int(where * (len(text) - len(URLSET)))
    damaged = text[:place] + junk + text[place + removed :]
    found, why = read(damaged.encode(errors="replace"))
    if not why:
        texts = re.findall(
            r"<loc(?![\w:.-])[^<>]*>(.*?)</loc(?![\w:.-])[^<>]*>",
            re.sub(r"<!--.*?-->", "", damaged),
            re.DOTALL,
        )
        readable = [re.sub(r"<!\[CDATA\[(.*?)\]\]>", r"\1", each) for each in texts]
        reference = re.compile(r"&(?:amp|lt|gt|quot|#x27);")
        meant = [reference.sub(lambda match: html.unescape(match[0]), each).strip() for each in readable]
        assert sorted(found) == sorted(meant)


@many_examples
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: f"<urlset>{text}</urlset>".encode()))
def test_any_bytes_are_read_or_reported(sitemap: bytes) -> None:
    """No bytes cause another error than `SitemapUnreadable`."""
    read(sitemap)


@pytest.mark.parametrize(
    "piece",
    [
        "<",
        "<!--",
        "<?",
        "<![CDATA[",
        "<a ",
        "<a '",
        "<url",
        "<url>",
        "<loc>",
        "</b>",
        "<a>",
        "<loc>x<!---->",
        "&",
        "a:",
    ],
)
@pytest.mark.parametrize(
    "begin", ["<urlset>", "<urlset><url>", "<urlset><url><loc>", "<feed><entry xml:base "]
)
def test_hostile_sitemap_is_read_in_linear_time(begin: str, piece: str) -> None:
    """A sitemap of 1 MB that repeats a piece of markup is read; with quadratic time this would take hours."""
    read((begin + piece * (1_000_000 // len(piece))).encode())
