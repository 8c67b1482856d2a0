"""Tests of the sources of a crawl: templates, sites, patterns, and what is refused."""

from typing import Any

import pytest
from pydantic import ValidationError

from contract.faults import validation_faults
from contract.sources import MAX_SITEMAPS, UrlSources

URLS = ["https://shop.example/1"]


def sources(**fields: object) -> UrlSources:
    """Return sources with these fields."""
    return UrlSources.model_validate(fields, extra="forbid")


@pytest.mark.parametrize(
    "fields",
    [
        {"template": "https://shop.example/{1..3}"},
        {"template": ["https://shop.example/{1..3}", "https://{a,b}.example/"]},
        {"sitemaps": ["https://shop.example/1.xml", "https://shop.example/2.xml"]},
        {"site": "https://shop.example"},
    ],
)
def test_each_source_alone_is_accepted(fields: dict[str, Any]) -> None:
    """A crawl needs one source of any kind, and a single template may be a text."""
    given = sources(**fields)
    assert sources(**given.model_dump(mode="json", exclude_defaults=True)) == given


@pytest.mark.parametrize(
    ("fields", "path", "why"),
    [
        ({}, "", "there is no source: give urls, template, urls_file, sitemap, sitemaps or site"),
        ({"include": ["*"]}, "", "there is no source"),
        ({"template": "https://shop.example/"}, "template.0", "there are no braces, such as {1..200}"),
        ({"template": "https://shop.example/{1..}"}, "template.0", "neither a range ({1..200}) nor a list"),
        (
            {"template": "shop.example/{1..2}"},
            "template.0",
            "the first URL of the template is invalid: the scheme",
        ),
        ({"template": 7}, "template", "Input should be a valid tuple (got 7)"),
        ({"sitemaps": ["/s.xml"]}, "sitemaps.0", "the scheme must be http or https; it is missing"),
        ({"sitemaps": URLS * (MAX_SITEMAPS + 1)}, "sitemaps", "at most 100 items"),
        ({"site": "https://shop.example/books"}, "site", "give https://shop.example/, or a sitemap"),
        ({"site": "https://shop.example/?a=1"}, "site", "give https://shop.example/, or a sitemap"),
        ({"site": "shop.example"}, "site", "the scheme must be http or https"),
        ({"urls": URLS, "include": [""]}, "include.0", "the pattern is empty"),
        ({"urls": URLS, "exclude": "*"}, "exclude", "Input should be a valid tuple"),
        ({"urls": URLS, "since": "last week"}, "since", "must be a duration such as 7d or 12h"),
    ],
)
def test_invalid_sources_are_refused_with_path_and_reason(
    fields: dict[str, Any], path: str, why: str
) -> None:
    """The fault of invalid sources has the path of the field, and says what is wrong."""
    with pytest.raises(ValidationError) as refused:
        sources(**fields)
    [fault] = validation_faults(refused.value)
    assert fault.path == path
    assert why in fault.message


@pytest.mark.parametrize(
    ("filters", "selected"),
    [
        ({}, True),
        ({"include": ["https://shop.example/*"]}, True),
        ({"include": ["https://shop.example/a/*", "*/1"]}, True),
        ({"include": ["https://shop.example/a/*"]}, False),
        ({"exclude": ["https://shop.example/a/*"]}, True),
        ({"exclude": ["*/1"]}, False),
        ({"include": ["*"], "exclude": ["*/1"]}, False),
    ],
)
def test_url_is_selected_by_include_and_exclude(filters: dict[str, Any], selected: bool) -> None:
    """A URL is selected if no pattern excludes it, and one includes it if there are any that include."""
    assert sources(urls=URLS, **filters).selects(URLS[0]) is selected
