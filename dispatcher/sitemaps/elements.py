"""Reads the entries of sitemaps, indexes of sitemaps, RSS and Atom from their tags. Pure.

The tags are read one by one instead of with an XML parser. A strict parser reads nothing of a sitemap that is
not well-formed, and a recovering one drops text silently: of `<loc>https://a.example/x<y</loc>` lxml keeps
`https://a.example/x`. Here every entry is either read exactly or counted as one that could not be read.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urljoin

from dispatcher.sitemaps.entry import Location
from dispatcher.sitemaps.markup import Token
from dispatcher.sitemaps.root import Root
from dispatcher.sources.source import SourceUnreadable

_ATTRIBUTE = re.compile(r"(?<![\w:.-])([\w:.-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_REFERENCE = re.compile(r"&(?:#([0-9]{1,7})|#[xX]([0-9a-fA-F]{1,6})|(amp|lt|gt|quot|apos));")
_PREDEFINED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
#: Characters that no address contains: XML forbids them, or they stand for bytes that could not be decoded.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffd-\uffff]")
#: For each root element, the names of its entries, of the elements in an entry that have its address, and of
#: the element that has the time of its last change.
_ENTRIES = {
    "urlset": ({"url", "sitemap"}, {"loc"}, "lastmod"),
    "sitemapindex": ({"url", "sitemap"}, {"loc"}, "lastmod"),
    "rss": ({"item"}, {"link", "guid"}, "pubDate"),
    "RDF": ({"item"}, {"link"}, "date"),
    "feed": ({"entry"}, {"link"}, "updated"),
}
MAX_DEPTH = 256  #: maximum number of nested elements in an entry that is read
MAX_ADDRESSES = 1_000  #: maximum number of addresses of one entry; usually there is one
#: Maximum number of characters of an address with its white space and references. A URL has at most 2,048.
MAX_ADDRESS_CHARACTERS = 16 * 1024
MAX_LASTMOD_CHARACTERS = 100  #: maximum number of characters of a date that are kept


def xml_locations(tokens: Iterable[Token], root: Root, url: str) -> Iterator[Location]:
    """Yield the locations of all entries that can be read.

    Args:
        tokens: the parts of the sitemap from its root element on.
        root: the result of `dispatcher.sitemaps.root.find_root`.
        url: the URL of the sitemap, against which the links of RSS and Atom are resolved.

    Raises:
        SourceUnreadable: at the end, if there were entries that could not be read.
    """
    reader = _Reader(root, url)
    for kind, tag, text in tokens:
        if kind == "leaf":
            yield from reader.leaf(tag, text)
        elif kind == "start":
            yield from reader.start_tag(tag, text)
        elif kind == "end":
            yield from reader.end_tag(tag)
        elif kind == "text":
            reader.text(text)
        else:
            reader.cdata(text)
    yield from reader.end_of_file()
    if reader.faults:
        raise SourceUnreadable("; ".join(reader.faults))


@dataclass
class _Entry:
    """An entry that is being read.

    Attributes:
        tag: the name as it is written.
        base: the URL against which links are resolved; `""` for none.
        open_tags: the elements inside the entry that have no end yet.
        addresses: the addresses found, by the names of their elements.
        is_exact: whether every address was read exactly.
        has_nested_address: whether an address was ignored, because it is in an element without an end so far.
            If the element has an end, the address is that of an image or the like.
        lastmod: the text of the time of its last change; `""` if it is missing or cannot be read.
    """

    tag: str
    base: str = ""
    open_tags: list[str] = field(default_factory=list)
    addresses: list[tuple[str, str]] = field(default_factory=list)
    is_exact: bool = True
    has_nested_address: bool = False
    lastmod: str = ""


@dataclass
class _Address:
    """The text of an element with an address, or with the time of the last change, which is being read."""

    tag: str
    is_permalink: bool = True
    is_lastmod: bool = False
    texts: list[str] = field(default_factory=list)
    characters: int = 0


class _Reader:
    """Receives the tags and texts of a sitemap in order, and returns the locations at the end of an entry."""

    def __init__(self, root: Root, url: str) -> None:
        self._root = root
        self._entry_names, self._address_names, self._lastmod_name = _ENTRIES[root.name]
        self._base = url if root.name in {"rss", "feed", "RDF"} else ""
        self._is_open = False
        self._entry: _Entry | None = None
        self._address: _Address | None = None
        self._entries = 0
        self._without_url = 0

    @property
    def faults(self) -> list[str]:
        """A clause for each kind of fault."""
        faults = [f"it ends within <{self._root.name}>"] if self._is_open else []
        if self._without_url:
            faults.append(f"{self._without_url} of its {self._entries} entries have no valid URL")
        return faults

    def text(self, text: str) -> None:
        """Read the text between two tags; a `<` in it is an incomplete tag."""
        if self._address is not None:
            self._add_text(self._address, text, _unescape)
            if "<" in text:
                self._spoil_address()

    def cdata(self, text: str) -> None:
        """Read a CDATA section."""
        if self._address is not None:
            self._add_text(self._address, text, str)

    def _add_text(self, address: _Address, text: str, read: Callable[[str], str]) -> None:
        address.characters += len(text)
        if address.characters > MAX_ADDRESS_CHARACTERS:
            self._spoil_address()
        else:
            address.texts.append(read(text))

    def leaf(self, tag: str, text: str) -> Iterable[Location]:
        """Read an element that contains nothing but text."""
        entry, name = self._entry, _local_name(tag)
        is_other = name not in self._entry_names and name != self._root.name
        if entry is not None and entry.tag and self._address is None and is_other:
            if name in self._address_names:
                if entry.open_tags:
                    entry.has_nested_address = True
                else:
                    self._add_address(entry, name, _unescape(text))
            elif name == self._lastmod_name and not entry.open_tags:
                entry.lastmod = _unescape(text).strip()[:MAX_LASTMOD_CHARACTERS]
            return ()
        found = [*self.start_tag(tag, "")]
        self.text(text)
        return [*found, *self.end_tag(tag)]

    def start_tag(self, tag: str, attributes: str) -> Iterable[Location]:
        """Read a start tag, or the tag of an empty element."""
        name, is_empty = _local_name(tag), attributes.endswith("/")
        found: Iterable[Location] = ()
        if name == self._root.name:
            self._is_open = not is_empty
            self._base = urljoin(self._base, _attribute(attributes, "xml:base")) if self._base else ""
            return found
        self._spoil_address()
        if name in self._entry_names and (self._entry is None or self._entry.tag == tag):
            found = self._end_entry()
            base = urljoin(self._base, _attribute(attributes, "xml:base")) if self._base else ""
            self._entry = _Entry(tag, base)
        elif tag == f"{self._root.prefix}loc" and self._entry is None:
            self._entry = _Entry("")  # an address outside of an entry
        if (entry := self._entry) is not None and tag != entry.tag:
            self._start_element(entry, tag, attributes, is_empty=is_empty)
        return found

    def end_tag(self, tag: str) -> Iterable[Location]:
        """Read an end tag."""
        entry, address, name = self._entry, self._address, _local_name(tag)
        if address is not None and entry is not None and address.tag == tag:
            self._address = None
            text = "".join(address.texts)
            if address.is_lastmod:
                entry.lastmod = text.strip()[:MAX_LASTMOD_CHARACTERS]
                return ()
            self._add_address(entry, name if address.is_permalink else "", text)
            return () if entry.tag else self._end_entry()
        self._spoil_address()
        address = None if address is not None and address.is_lastmod else address
        if name == self._root.name:
            self._is_open = False
            return self._end_entry()
        if entry is not None and tag == entry.tag:
            return self._end_entry()
        if entry is not None and tag in entry.open_tags:
            del entry.open_tags[len(entry.open_tags) - 1 - entry.open_tags[::-1].index(tag) :]
            entry.has_nested_address = entry.has_nested_address and bool(entry.open_tags)
        elif address is None and entry is not None and name == "loc":
            # The start tag could not be read, or the address is that of an image or the like.
            entry.is_exact = entry.is_exact and bool(entry.open_tags)
            entry.has_nested_address = True
        elif address is None and tag == f"{self._root.prefix}loc":
            self._entry = _Entry("", is_exact=False)
            return self._end_entry()
        return ()

    def end_of_file(self) -> Iterable[Location]:
        """Return the locations of an entry that has no end."""
        self._spoil_address()
        return self._end_entry()

    def _start_element(self, entry: _Entry, tag: str, attributes: str, *, is_empty: bool) -> None:
        name = _local_name(tag)
        if name in self._address_names and entry.open_tags:
            entry.has_nested_address = True
        elif name in self._address_names:
            href = _attribute(attributes, "href")
            if href and (_attribute(attributes, "rel") or "alternate") == "alternate":
                self._add_address(entry, "href", href)
            if not is_empty and not href:
                self._address = _Address(tag, _attribute(attributes, "isPermaLink") != "false")
        elif name == self._lastmod_name and not entry.open_tags:
            self._address = None if is_empty else _Address(tag, is_lastmod=True)
        elif len(entry.open_tags) == MAX_DEPTH:
            entry.is_exact = False
        elif not is_empty and name != "link":  # the element `link` of XHTML often has no end
            entry.open_tags.append(tag)

    def _add_address(self, entry: _Entry, name: str, text: str) -> None:
        text = text.strip()
        entry.is_exact = entry.is_exact and not _FORBIDDEN.search(text)
        if len(entry.addresses) == MAX_ADDRESSES:
            entry.is_exact = False
        elif text and name:
            entry.addresses.append((name, text))

    def _spoil_address(self) -> None:
        """Record that the text of the address is not complete."""
        address, self._address = self._address, None
        if address is not None and self._entry is not None and not address.is_lastmod:
            self._entry.is_exact = False

    def _end_entry(self) -> Iterable[Location]:
        entry, self._entry = self._entry, None
        if entry is None:
            return ()
        self._entries += 1
        urls = [url for name, url in entry.addresses if name != "guid"]
        if self._base:
            urls = [urljoin(entry.base, url) for url in (urls or [url for _, url in entry.addresses])[:1]]
        if not urls or not entry.is_exact or entry.has_nested_address:
            self._without_url += 1
            return ()
        is_sitemap = _local_name(entry.tag) == "sitemap" or self._root.name == "sitemapindex"
        return [Location(url, is_sitemap, entry.lastmod) for url in urls]


def _local_name(tag: str) -> str:
    return tag.rpartition(":")[2]


def _attribute(attributes: str, name: str) -> str:
    if name not in attributes:
        return ""
    found = (match for match in _ATTRIBUTE.finditer(attributes) if match[1] == name)
    return next((_unescape(match[2] or match[3] or "").strip() for match in found), "")


def _unescape(text: str) -> str:
    return _REFERENCE.sub(_referenced, text) if "&" in text else text


def _referenced(match: re.Match[str]) -> str:
    """Return the character of a reference; U+FFFD if there is none with its number."""
    if match[3]:
        return _PREDEFINED[match[3]]
    number = int(match[1]) if match[1] else int(match[2], 16)
    return chr(number) if 0 < number <= 0x10FFFF else "\ufffd"
