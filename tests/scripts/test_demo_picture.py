"""Tests of the picture of the demo in the README."""

import re
from pathlib import Path

import pytest

from console.ledger.ledger import Ledger
from scripts.demo_picture import PICTURE, draw
from tests.console.ledger.rows import dead_letter_row, job_row, outcome_row, record

NAMESPACE_HOST = "www.w3.org"  #: host in the name of SVG's XML namespace; no program connects to it
LOOPBACK = "127.0.0.1"  #: host of the demo's pages, whose URLs are text in the picture


def hosts_of(svg: str) -> set[str]:
    """Return all hosts in an SVG."""
    return set(re.findall(r"//([\w.-]+)", svg))


def loaded_by(svg: str) -> list[str]:
    """Return the resources outside of the SVG that it loads: fonts, style sheets, images and links."""
    return re.findall(r"url\((?!#)[^)]*\)|@import[^;]*|(?:href|src)\s*[=:]\s*(?![\"']?#)\S+", svg)


@pytest.fixture
def drawn(tmp_path: Path) -> str:
    """Return the picture of a run with a retried job and a dead letter."""
    ledger = Ledger(tmp_path)
    ledger.create()
    rows = [
        *(job_row(name) for name in ("retried", "dead")),
        outcome_row("retried", 1, attempt=1, reason="timeout"),
        outcome_row("retried", 2, attempt=2, items=[{"title": "Faust"}]),
        dead_letter_row("dead", 3),
    ]
    record(ledger, rows)
    return draw(ledger)


def test_drawn_picture_loads_nothing_from_other_hosts(drawn: str) -> None:
    """A drawn picture contains only the host of the scraped pages, as text, and loads no resource."""
    assert hosts_of(drawn) == {NAMESPACE_HOST, "shop.example"}
    assert loaded_by(drawn) == []
    assert "accounting:" in drawn


def test_picture_of_the_readme_loads_nothing_from_other_hosts() -> None:
    """docs/images/demo.svg contains only loopback addresses, as text, and loads no resource."""
    svg = PICTURE.read_text(encoding="utf-8")
    assert hosts_of(svg) == {NAMESPACE_HOST, LOOPBACK}
    assert loaded_by(svg) == []


@pytest.mark.parametrize(
    "part",
    [
        '@font-face { src: local("F"), url("https://fonts.example/f.woff2") }',
        "@import 'https://fonts.example/f.css';",
        '<image href="https://fonts.example/f.png"/>',
    ],
)
def test_resource_of_another_host_is_found(part: str) -> None:
    """The functions of this module find a font, a style sheet and an image of another host."""
    assert hosts_of(part) == {"fonts.example"}
    assert loaded_by(part) != []
