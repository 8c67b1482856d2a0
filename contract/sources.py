"""Defines the sources of a crawl: where the URLs of its pages come from."""

from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from contract.since import Since
from contract.url_pattern import UrlPattern, matches
from contract.url_template import UrlTemplate
from contract.urls import PageUrl, check_url
from contract.urls_file import UrlsFile

MAX_INLINE_URLS = 10_000
MAX_SITEMAPS = 100  #: maximum number of `sitemaps`
MAX_TEMPLATES = 100  #: maximum number of `template`s
MAX_PATTERNS = 100  #: maximum number of patterns in `include`, and in `exclude`


def check_template(text: str) -> str:
    """Return a URL template.

    Raises:
        ValueError: if the template is invalid, or the first URL that it stands for.
    """
    text = text.strip()
    first = next(iter(UrlTemplate(text)))
    try:
        check_url(first)
    except ValueError as error:
        raise ValueError(f"the first URL of the template is invalid: {error}") from None
    return text


def check_site(url: str) -> str:
    """Return the root URL of a site.

    Raises:
        ValueError: if the URL is invalid, or has a path or query.
    """
    url = check_url(url)
    parts = urlsplit(url)
    if parts.path not in {"", "/"} or parts.query:
        root = f"{parts.scheme}://{parts.netloc}/"
        raise ValueError(f"not the root of a site: a path or query is not used; give {root}, or a sitemap")
    return url


def _as_list(value: Any) -> Any:  # noqa: ANN401 - a value of JSON, before it is validated
    return (value,) if isinstance(value, str) else value


UrlTemplateText = Annotated[str, AfterValidator(check_template)]
SiteUrl = Annotated[str, AfterValidator(check_site)]
_TEXT_OR_LIST = {
    "anyOf": [
        {"type": "string"},
        {"type": "array", "items": {"type": "string"}, "maxItems": MAX_TEMPLATES},
    ]
}


class UrlSources(BaseModel):
    """Where the URLs of the pages come from: one source, or several."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    urls: Annotated[tuple[str, ...], Field(max_length=MAX_INLINE_URLS)] = ()
    """URLs of pages. Each URL is checked separately: an invalid URL is rejected, and the others are
    dispatched."""
    template: Annotated[
        tuple[UrlTemplateText, ...],
        BeforeValidator(_as_list),
        Field(max_length=MAX_TEMPLATES),
        WithJsonSchema(_TEXT_OR_LIST),
    ] = ()
    """One or several URLs with braces that stand for several texts: `{1..200}`, `{0..500..20}`, `{001..200}`
    or `{de,fr}`. One template stands for at most 1,000,000 URLs."""
    sitemap: PageUrl | None = None
    """URL of a sitemap or sitemap index (sitemaps.org), plain or gzipped: XML, RSS, Atom or a text file."""
    sitemaps: Annotated[tuple[PageUrl, ...], Field(max_length=MAX_SITEMAPS)] = ()
    """URLs of several sitemaps, at most 100."""
    site: SiteUrl | None = None
    """Root URL of a site, whose sitemaps are read: those that its robots.txt names, or else `/sitemap.xml` or
    `/sitemap_index.xml`."""
    urls_file: UrlsFile | None = None
    """A file with URLs: text, CSV or JSONL."""
    foreign_sitemaps: bool = False
    """Whether sitemaps on other sites are read, too, if an index lists them. The site of an index is its host
    without `www.`, with all subdomains."""
    include: Annotated[tuple[UrlPattern, ...], Field(max_length=MAX_PATTERNS)] = ()
    """Patterns of URLs, in which `*` stands for any characters. If there are patterns, only URLs that match
    at least one of them become jobs."""
    exclude: Annotated[tuple[UrlPattern, ...], Field(max_length=MAX_PATTERNS)] = ()
    """Patterns of URLs that do not become jobs, even if `include` matches them."""
    since: Since | None = None
    """Entries of sitemaps and feeds that were last changed before this time are left out: a duration before
    the run such as `7d` or `12h`, a date, or a time with a time zone."""

    @model_validator(mode="after")
    def _check_not_empty(self) -> Self:
        if not any((self.urls, self.template, self.urls_file, self.sitemap, self.sitemaps, self.site)):
            raise ValueError("there is no source: give urls, template, urls_file, sitemap, sitemaps or site")
        return self

    def selects(self, url: str) -> bool:
        """Return whether `include` and `exclude` let a URL become a job.

        Args:
            url: the URL as `contract.urls.check_url` returns it.
        """
        if self.include and not any(matches(pattern, url) for pattern in self.include):
            return False
        return not any(matches(pattern, url) for pattern in self.exclude)
