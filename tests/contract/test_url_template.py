"""Tests which URLs a template stands for, and which templates are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.url_template import MAX_EXPANSIONS, UrlTemplate


@pytest.mark.parametrize(
    ("template", "urls"),
    [
        ("https://a.example/?page={1..3}", ["1", "2", "3"]),
        ("https://a.example/?page={0..20..10}", ["0", "10", "20"]),
        ("https://a.example/?page={3..1}", ["3", "2", "1"]),
        ("https://a.example/?page={001..003}", ["001", "002", "003"]),
        ("https://a.example/?page={8..010}", ["008", "009", "010"]),
        ("https://a.example/?page={de,fr,}", ["de", "fr", ""]),
        ("https://a.example/?page={5..5}", ["5"]),
    ],
)
def test_a_brace_stands_for_several_texts(template: str, urls: list[str]) -> None:
    """Ranges count up or down, in steps or with zeros; lists give their texts."""
    expanded = UrlTemplate(template)
    assert list(expanded) == [f"https://a.example/?page={each}" for each in urls]
    assert len(expanded) == len(urls)


def test_several_braces_give_every_combination() -> None:
    """The last brace changes fastest."""
    assert list(UrlTemplate("https://{a,b}.example/{1..2}/x")) == [
        "https://a.example/1/x",
        "https://a.example/2/x",
        "https://b.example/1/x",
        "https://b.example/2/x",
    ]


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("https://a.example/", "there are no braces"),
        ("https://a.example/{1..", "a brace without its counterpart"),
        ("https://a.example/}", "a brace without its counterpart"),
        ("https://a.example/{{1..2}}", "a brace without its counterpart"),
        ("https://a.example/{page}", r"\{page\} is neither a range"),
        ("https://a.example/{}", "neither a range"),
        ("https://a.example/{1..9..0}", "has no numbers"),
        ("https://a.example/{1..9..-1}", "has no numbers"),
        ("https://a.example/{1..2000}/{1..2000}", f"4000000 URLs; the maximum is {MAX_EXPANSIONS}"),
        ("https://a.example/" + "{1..2}" * 6, "6 braces; the maximum is 5"),
    ],
)
def test_an_invalid_template_is_refused(template: str, why: str) -> None:
    """The message says what is wrong."""
    with pytest.raises(ValueError, match=why):
        UrlTemplate(template)


@given(first=st.integers(-50, 50), last=st.integers(-50, 50), step=st.integers(1, 9))
def test_a_range_has_both_ends_and_equal_steps(first: int, last: int, step: int) -> None:
    """The numbers are those of Python's range with its end included."""
    signed = step if first <= last else -step
    found = [int(url) for url in UrlTemplate(f"{{{first}..{last}..{signed}}}")]
    assert found == list(range(first, last + (1 if signed > 0 else -1), signed))
