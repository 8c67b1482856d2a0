"""Tests how the URLs of text, CSV and JSONL files are found, and what is reported with its line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.url_lines import MAX_LINE_CHARACTERS, UnreadableFile, UrlLine, split_lines, url_lines
from contract.urls_file import UrlsFile

A, B = "https://a.example/", "https://b.example/?a=1,2"


def read(text: str, file: dict[str, object], size: int = 0) -> list[UrlLine]:
    """Return the URLs of a file, whose text comes in pieces of `size` characters."""
    pieces = [text[start : start + size] for start in range(0, len(text), size)] if size else [text]
    return list(url_lines(pieces, UrlsFile.model_validate({"url": "urls.txt", **file})))


@pytest.mark.parametrize(
    ("text", "file", "numbers"),
    [
        (f"{A}\n\n# more\n  {B} \r\n", {}, (1, 4)),
        (f"{A}\n{B}", {}, (1, 2)),
        (f'id,url\n1,{A}\n2,"{B}"\n', {"url": "urls.csv"}, (2, 3)),
        (f'{A},1\n"{B}",2\n', {"url": "urls.csv.gz", "field": 1}, (1, 2)),
        (f'name,link\n"two\nlines",{A}\r\n\r\nx,"{B}"\r\n', {"format": "csv", "field": "link"}, (3, 5)),
        (f'{{"url": "{A}"}}\n\n{{"url": "{B}", "id": 7}}', {"url": "urls.jsonl"}, (1, 3)),
        (f'{{"a": {{"b": "{A}"}}}}\n{{"a": {{"b": "{B}"}}}}', {"format": "jsonl", "field": "a.b"}, (1, 2)),
    ],
)
@pytest.mark.parametrize("size", [0, 1, 7])
def test_urls_are_found_with_their_lines(
    text: str, file: dict[str, object], numbers: tuple[int, int], size: int
) -> None:
    """Every format gives the same URLs, however its text is divided into pieces."""
    assert read(text, file, size) == [UrlLine(numbers[0], A), UrlLine(numbers[1], B)]


@pytest.mark.parametrize(
    ("text", "file", "number", "why"),
    [
        ("a\nhttp://\ufffd/", {}, 2, "the line is not UTF-8"),
        ("{}\n", {"format": "jsonl"}, 1, "the object has no text in the field url"),
        ('{"url": 7}', {"format": "jsonl"}, 1, "the object has no text in the field url"),
        ('{"a": "x"}', {"format": "jsonl", "field": "a.b"}, 1, "the object has no text in the field a.b"),
        ("7", {"format": "jsonl"}, 1, "the object has no text in the field url"),
        ("{url", {"format": "jsonl"}, 1, "the line is not JSON"),
        ("[" * 60_000, {"format": "jsonl"}, 1, "the line is not JSON"),
        ("id,url\n1", {"format": "csv"}, 2, "the row has 1 columns, and the URL is in column 2"),
        ('id,url\n1,"a"b\n', {"format": "csv"}, 2, "the row is not CSV: "),
    ],
)
def test_line_without_a_url_is_reported(text: str, file: dict[str, object], number: int, why: str) -> None:
    """A line without a URL is reported with its number and the reason."""
    last = read(text, file)[-1]
    assert last.number == number
    assert last.why.startswith(why)


def test_csv_without_the_column_is_unreadable() -> None:
    """If there is no column of that name, the error lists the columns and names the field of the crawl."""
    with pytest.raises(UnreadableFile, match=r"no column 'url'; the columns are: id, link\. sources"):
        read("id,link\n1,x\n", {"format": "csv"})


@given(st.lists(st.text(st.characters(exclude_characters="\n"), max_size=20), max_size=5), st.integers(1, 9))
def test_lines_do_not_depend_on_the_pieces(lines: list[str], size: int) -> None:
    """The text is divided at line feeds only, however it comes in pieces."""
    text = "\n".join(lines)
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert "".join(split_lines(pieces)) == text
    assert len(list(split_lines(pieces))) == len(text.removesuffix("\n").split("\n") if text else [])


def test_line_without_an_end_is_cut() -> None:
    """Of a very long line only the beginning is kept, and the next line is read with its number."""
    pieces = ["x" * 50_000] * 10 + ["\n", A]
    first, second = url_lines(pieces, UrlsFile(url="u"))
    assert first == UrlLine(1, "x" * MAX_LINE_CHARACTERS)
    assert second == UrlLine(2, A)
