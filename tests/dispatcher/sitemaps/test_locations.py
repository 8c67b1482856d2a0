"""Every location of a sitemap is yielded unchanged, or the sitemap is reported as not completely readable."""

import gzip
import html
import os
import re
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispatcher.sitemaps.elements import xml_locations
from dispatcher.sitemaps.entry import Location
from dispatcher.sitemaps.locations import locations
from dispatcher.sitemaps.markup import MAX_HELD_CHARACTERS, read_markup
from dispatcher.sitemaps.root import find_root
from dispatcher.sitemaps.text import sitemap_text
from dispatcher.sources.source import SourceUnreadable
from tests.extraction.many_examples import many_examples

MAX_BYTES = 2_000_000
PAGES = ["https://shop.example/1", "https://shop.example/2"]
ENTRIES = "".join(f"<url><loc>{page}</loc></url>\n" for page in PAGES)
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
URLSET = '<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
SITEMAP = f"{DECLARATION}{URLSET}{ENTRIES}</urlset>"


def read(text: str | bytes, url: str = "https://shop.example/sitemap.xml") -> tuple[list[str], str]:
    """Return the URLs that a sitemap lists, and why it was not completely read; `""` if it was."""
    found = list[str]()
    try:
        pieces = sitemap_text(text.encode() if isinstance(text, str) else text, max_bytes=MAX_BYTES)
        for location in locations(pieces, url):
            found.append(location.url)
    except SourceUnreadable as error:
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
    assert list(locations([text])) == [
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
    assert read(gzip.compress(SITEMAP.encode()) + tail) == (PAGES, "")


def read_pieces(pieces: Iterable[str], *, max_parts: int = 1_000_000) -> tuple[list[Location], str]:
    """Return the locations that a sitemap in pieces lists, and why it was not completely read."""
    return read_locations(locations(pieces, "https://shop.example/", max_parts=max_parts))


def read_locations(locations: Iterable[Location]) -> tuple[list[Location], str]:
    """Return the locations, and the error that follows them; `""` if there is none."""
    found = list[Location]()
    try:
        for location in locations:
            found.append(location)
    except SourceUnreadable as error:
        return found, str(error)
    return found, ""


MARKUP = st.sampled_from(
    [
        *("<url>", "</url>", "<loc>", "</loc>", "<loc/>", "<image:image>", "</image:image>", "<image:loc>"),
        *("</image:loc>", "<!--", "-->", "<![CDATA[", "]]>", "<?", "?>", "<", ">", "&amp;", "&", "'", '"'),
        *(
            "https://shop.example/1",
            "/2",
            " ",
            "\n",
            "<link href='/3'>",
            "<item>",
            "</item>",
            "<guid>4</guid>",
        ),
        "<loc>https://shop.example/5</loc>",
    ]
)


@many_examples
@given(
    st.sampled_from(["<urlset>", "<rss>", "<sitemapindex>", "<feed>"]),
    st.lists(MARKUP, max_size=40),
    st.integers(1, 9),
)
def test_pieces_of_any_size_give_the_same_locations(begin: str, markup: list[str], size: int) -> None:
    """A sitemap that comes in small pieces gives the same locations and faults as a whole one."""
    text = begin + "".join(markup)
    root = find_root(text)
    assert root is not None
    small = [text[start : start + size] for start in range(0, len(text), size)]
    found = [
        read_locations(xml_locations(read_markup(pieces), root, "https://shop.example/"))
        for pieces in (small, [text])
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("long", "why"),
    [
        ("<url><loc>" + "x" * 200_000 + "</loc></url>", "1 of its 3 entries have no valid URL"),
        ("<url><loc><![CDATA[" + "x" * 200_000 + "]]></loc></url>", "1 of its 3 entries have no valid URL"),
        ("<url>" + "<loc>/x</loc>" * 1_001 + "</url>", "1 of its 3 entries have no valid URL"),
        ("<!--" + "<url>" * 100_000 + "-->", ""),
        ("<description>" + "x&lt;" * 100_000 + "</description>", ""),
        ("<x a='" + "y" * 200_000 + "'/>", ""),
        ("<![CDATA[" + "<url>" * 100_000 + "]]>", ""),
    ],
)
def test_long_parts_are_skipped_and_the_other_entries_are_read(long: str, why: str) -> None:
    """A comment, text or tag may have any length; an address of such a length is reported."""
    text = SITEMAP.replace("<url>", f"{long}<url>", 1)
    pieces = [text[start : start + 1000] for start in range(0, len(text), 1000)]
    assert read_pieces(pieces) == ([Location(page, is_sitemap=False) for page in PAGES], why)


def test_rest_of_a_sitemap_with_too_many_parts_is_reported() -> None:
    """A sitemap is read up to a maximum number of tags, or of lines in a text file."""
    page = Location(PAGES[0], is_sitemap=False)
    entry = f"<url><loc>{page.url}</loc></url>"
    why = "its rest was not read, because it has more than 7 tags or lines"
    assert read_pieces(["<urlset>" + entry * 10], max_parts=7) == ([page] * 2, why)
    assert read_pieces([f"{page.url}\n" * 10], max_parts=7) == ([page] * 7, why)


def test_long_line_of_a_text_file_is_no_url() -> None:
    """A line of 200 KB counts as one line that is not a URL, wherever it contains a URL."""
    long = f"{'x' * MAX_HELD_CHARACTERS}https://shop.example/0" + "x" * 100_000
    text = "\n".join([PAGES[0], long, PAGES[1], ""])
    pieces = [text[start : start + 512] for start in range(0, len(text), 512)]
    found, why = read_pieces(pieces)
    assert [location.url for location in found] == PAGES
    assert why == "1 of its 3 lines are not URLs"


def test_address_of_an_image_in_cdata_is_ignored() -> None:
    """The address of an image does not count as that of the page, however it is written."""
    image = "<image:image><image:loc><![CDATA[https://a.example/i.png]]></image:loc></image:image>"
    assert read(SITEMAP.replace("</url>", f"{image}</url>")) == (PAGES, "")


@pytest.mark.parametrize("sitemap", [SITEMAP.encode() + b" " * 500_000, gzip.compress(os.urandom(500_000))])
def test_deadline_is_checked_within_a_sitemap(sitemap: bytes) -> None:
    """The deadline is checked for each 64 KiB at the latest, while a sitemap is decompressed and parsed."""
    checks = 0

    def check_deadline() -> None:
        nonlocal checks
        checks += 1

    read_pieces(sitemap_text(sitemap, max_bytes=MAX_BYTES, check_deadline=check_deadline))
    assert checks >= 2 * 500_000 // 65_536


def test_decompression_bomb_is_unreadable() -> None:
    """A gzipped sitemap that is more than 200 times larger after decompression is refused at 1 MiB."""
    bomb = gzip.compress(SITEMAP.encode() + b" " * 50_000_000)
    with pytest.raises(SourceUnreadable, match="the maximum ratio is 200"):
        sitemap_text(bomb, max_bytes=60_000_000)


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
    """No bytes cause another error than `SourceUnreadable`."""
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


@pytest.mark.parametrize(
    ("sitemap", "lastmods"),
    [
        ("<urlset><url><loc>http://a/</loc><lastmod>2026-11-22</lastmod></url></urlset>", ["2026-11-22"]),
        ("<urlset><url><lastmod> 2026\n</lastmod><loc>http://a/</loc></url></urlset>", ["2026"]),
        ("<s:urlset><s:url><s:loc>http://a/</s:loc><s:lastmod>1</s:lastmod></s:url></s:urlset>", ["1"]),
        ("<urlset><url><loc>http://a/</loc><lastmod><![CDATA[1]]></lastmod></url></urlset>", ["1"]),
        ("<urlset><url><loc>http://a/</loc><lastmod a='b'>1<!-- x -->2</lastmod></url></urlset>", ["12"]),
        ("<urlset><url><loc>http://a/</loc><lastmod/></url></urlset>", [""]),
        ("<urlset><url><loc>http://a/</loc><lastmod>1<b/></lastmod></url></urlset>", [""]),
        ("<urlset><url><loc>http://a/</loc><v><lastmod>1</lastmod></v></url></urlset>", [""]),
        ("<urlset><url><lastmod>1<loc>http://a/</loc></url></urlset>", [""]),
        (
            "<urlset><url><loc>http://a/</loc><lastmod>1</lastmod></url><url><loc>http://b/</loc></url></urlset>",
            ["1", ""],
        ),
        ("<sitemapindex><sitemap><loc>http://a/</loc><lastmod>1</lastmod></sitemap></sitemapindex>", ["1"]),
        (
            "<rss><item><link>http://a/</link><pubDate>Sun, 22 Nov 2026</pubDate></item></rss>",
            ["Sun, 22 Nov 2026"],
        ),
        (
            "<feed><entry><link href='http://a/'/><published>1</published><updated>2</updated></entry></feed>",
            ["2"],
        ),
    ],
)
def test_time_of_the_last_change_is_read(sitemap: str, lastmods: list[str]) -> None:
    """`lastmod`, `pubDate` and `updated` of an entry are read, however the text is divided into pieces."""
    for size in (1, 7, len(sitemap)):
        pieces = [sitemap[start : start + size] for start in range(0, len(sitemap), size)]
        assert [each.lastmod for each in locations(pieces)] == lastmods


def test_damaged_time_does_not_hide_a_damaged_address() -> None:
    """An address whose start tag is damaged within an open `lastmod` makes its entry unreadable."""
    sitemap = "<urlset><url><loc>http://a/</loc><lastmod>1<loc http://b/</loc></url></urlset>"
    with pytest.raises(SourceUnreadable, match="1 of its 1 entries have no valid URL"):
        list(locations([sitemap]))
