"""Tests that the text of every element of the saved pages is the text that a browser shows.

Headless Chromium loads all pages at once, each in its own frame, and returns the innerText of their elements.
"""

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

from contract.recipe import Recipe
from extraction.decoding import decode
from extraction.extract import extract
from extraction.page import SavedPage
from tests.saved_pages.saved_page import CASES, saved_page
from tests.servers.requirements import skip_or_fail

URL = "https://shop.example/"
NAMES = (
    "title h1 h2 h3 h4 p a b i em strong span code pre li ul ol dl dt dd div section article blockquote "
    "figure figcaption address time label button form fieldset select option details summary caption table "
    "tr th td small sup del s ins body"
)
ELEMENTS = NAMES.split()
MARKUP = {
    "lines": "<p>1 Main St<br>Springfield <br> <b>USA</b></p><p>two</p>three<p></p><p>four",
    "lists": "<ul><li>red</li><li>blue<ul><li>navy</ul></ul><dl><dt>a<dd>b<dt>c<dd>d</dl>",
    "tables": "<table><caption>cap</caption><tr><th>a</th><td>b</td></tr><tr><td>c<td><p>d</p>e</table>",
    "hidden": "<div>Shoes<script>track('x')</script><style>p{}</style><template>no</template></div>"
    "<p>1<span hidden>2</span>3<b style='display:none'>4</b>5<i style='visibility: hidden'>6</i></p>"
    "<div>x<noscript>y</noscript>z</div><div hidden>w</div>",
    "styles": "<div>a<span style='display:block'>b</span>c<div style='display:inline'>d</div>e"
    "<span style='float:left'>f</span>g<span style='position:absolute'>h</span>i</div>",
    "inline": "<p>$19<sup>99</sup> 5 m<sup>2</sup> <a>x</a><b>y</b> <i> z </i>!<!-- c -->?</p>",
    "preformatted": "<pre>\n a\n  b</pre><div>c <pre>d</pre> e</div>",
    "forms": "<form><label>L<input value=v></label><button>B</button><select><option>o1<option>o2</select>"
    "<textarea>t</textarea></form><div>x<textarea>t</textarea>y</div>",
    "media": "<div>a<img alt=b>c<video>d</video>e<iframe>f</iframe>g<object>h</object>i</div>",
    "ruby": "<p><ruby>漢<rp>(</rp><rt>kan</rt><rp>)</rp></ruby></p>",
    "spaces": "<p> a&nbsp; b\n\tc </p><div> <span> d </span> <span>e</span></div>",
    "after the end": "<html><body><p>a</p></body></html><p>b</p><div>c</div>tail",
    "two documents": "<html><body><p>a</p></body></html><html><body class=x><p>b</p></body></html>",
}
#: The differences that are intended, or that come from libxml2's tree. They are not those of rendering.
EXPLAINED = {
    ("hidden", "i"): "a selector has selected the hidden element itself",
    ("listing-cards", "h3"): "in libxml2's tree a selector also finds elements inside a <template>",
    ("listing-cards", "article"): "in libxml2's tree a selector also finds elements inside a <template>",
    ("product-json-ld-graph", "a"): "libxml2 closes an <a> without end tag in another place",
    ("product-json-ld-graph", "li"): "libxml2 closes an <a> without end tag in another place",
}
PAGE = """<!DOCTYPE html><meta charset=utf-8><meta http-equiv=Content-Security-Policy
content="default-src 'none'; script-src 'nonce-x'; style-src-attr 'unsafe-inline'; frame-src 'self'">
%s<script nonce=x>onload = () => {
  const text = (frame) => Object.fromEntries(%s.map((name) => [name,
    [...frame.contentDocument.querySelectorAll(name)].map((each) => each.innerText)]));
  const texts = [...document.querySelectorAll("iframe")].map(text);
  const result = document.createElement("textarea");
  result.textContent = JSON.stringify(texts);
  document.documentElement.replaceChildren(result);
}</script>"""


def shown_by_chromium(pages: list[str], folder: Path) -> list[dict[str, list[str]]]:
    """Return, for each page, the texts of the elements with each name of ELEMENTS."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        skip_or_fail("Chromium is not installed (on Debian: apt install chromium)")
    frames = "".join(f'<iframe srcdoc="{html.escape(page)}"></iframe>' for page in pages)
    path = folder / "pages.html"
    path.write_text(PAGE % (frames, json.dumps(ELEMENTS)), encoding="utf-8")
    command = [
        chromium,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={folder / 'profile'}",
    ]
    result = subprocess.run(
        [*command, "--dump-dom", path.as_uri()], capture_output=True, text=True, check=True
    )
    [texts] = re.findall(r"<textarea>(.*)</textarea>", result.stdout, re.DOTALL)
    found: list[dict[str, list[str]]] = json.loads(html.unescape(texts))
    return found


def test_text_of_every_element_is_the_text_that_chromium_shows(tmp_path: Path) -> None:
    """For every element of the saved pages and of MARKUP, the value is Chromium's innerText."""
    cases = {case.name: saved_page(case) for case in CASES if (case / "page.html").exists()}
    cases |= {
        name: SavedPage(URL, "text/html; charset=utf-8", text.encode()) for name, text in MARKUP.items()
    }
    shown = shown_by_chromium([decode(page).text for page in cases.values()], tmp_path)
    recipe = Recipe.model_validate(
        {"name": "all", "fields": {name: {"css": name, "many": True} for name in ELEMENTS}}
    )
    differences = set()
    for (name, page), expected in zip(cases.items(), shown, strict=True):
        [item] = extract(recipe, page).items
        for tag, texts in expected.items():
            if item[tag] != [" ".join(text.split()) for text in texts if text and not text.isspace()]:
                differences.add((name, tag))
    assert differences == EXPLAINED.keys()
