"""Tests that the texts, links and encodings of the saved pages are those that a browser shows.

Headless Chromium loads all pages over HTTP, each in its own frame. It returns for each selector the innerText
of the elements, for each link its URL, and the encoding that it has chosen for the page.
"""

import html
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from werkzeug import Request, Response

from console.recipes.recipe_file import load_recipe
from contract.recipe import Markup, Recipe
from extraction.decoding import decode
from extraction.document import Document
from extraction.extract import extract
from extraction.page import SavedPage
from tests.extraction.browser_differences import EXPLAINED
from tests.saved_pages.saved_page import CASES, saved_page
from tests.servers.chromium import run_script
from tests.servers.http_server import serving

NAMES = (
    "title h1 h2 h3 h4 p a b i em strong span code pre li ul ol dl dt dd div section article blockquote "
    "figure figcaption address time label button form fieldset select option details summary caption table "
    "tr th td small sup del s ins body"
)
#: Selectors of the elements whose URLs are compared, and the attribute that contains the URL.
LINKS = {"a[href]": "href", "area[href]": "href", "link[href]": "href", "img[src]": "src", "frame": "src"}
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
#: A page with the URL at which Chromium has loaded it, the selectors, and Chromium's answer.
Shown = tuple[SavedPage, list[str], dict[str, Any]]
#: Nothing that a page refers to is fetched, and its scripts do not run; its styles apply.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; script-src 'nonce-test'"
FRAMES = """<!DOCTYPE html><meta charset=windows-1252>%s<script nonce=test>onload = () => {
  const text = (found) => found.innerText ?? found.textContent;
  const shown = ({contentDocument: page}, [selectors, links]) => ({
    encoding: page.characterSet.toLowerCase(),
    texts: selectors.map((each) => [...page.querySelectorAll(each)].map(text)),
    links: links.map(([each, name]) => [...page.querySelectorAll(each)].map((found) => found[name])),
  });
  const questions = %s, frames = [...document.querySelectorAll("iframe")];
  const answer = document.createElement("textarea");
  answer.textContent = JSON.stringify(frames.map((frame, number) => shown(frame, questions[number])));
  document.documentElement.replaceChildren(answer);
}</script>"""


def pages() -> dict[str, SavedPage]:
    """Return the HTML pages of tests/saved_pages, and those of MARKUP, by name."""
    found = {case.name: saved_page(case) for case in CASES if (case / "page.html").exists()}
    return found | {
        name: SavedPage("https://shop.example/", "text/html; charset=utf-8", text.encode())
        for name, text in MARKUP.items()
    }


def selectors_of(name: str, page: SavedPage) -> list[str]:
    """Return the selectors that are compared: names of elements, classes of the page, those of its recipe."""
    root = Document(page, Markup.HTML).root
    classes = {f".{each}" for element in root.iter() for each in (element.get("class") or "").split()}
    recipe = Path(__file__).parents[1] / "saved_pages" / name / "recipe.yaml"
    fields = json.loads(load_recipe(recipe).recipe.model_dump_json()) if recipe.exists() else {}
    own = {css.partition("::")[0] for css in _css_of(fields)}
    return sorted({*NAMES.split(), *own} | {each for each in classes if re.fullmatch(r"\.[a-z][\w-]*", each)})


def _css_of(value: Any) -> Iterable[str]:  # noqa: ANN401 - JSON
    if isinstance(value, dict):
        if isinstance(value.get("css"), str):
            yield value["css"]
        for each in value.values():
            yield from _css_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from _css_of(each)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Shown]:
    """What Chromium shows of each page, by name."""
    found = pages()
    selectors = [selectors_of(name, page) for name, page in found.items()]
    questions = [[each, list(LINKS.items())] for each in selectors]

    def respond(request: Request) -> Response:
        name = unquote(request.path[1:])
        if name in found:
            response = Response(found[name].body)
            response.headers["Content-Type"] = found[name].content_type
        elif name == "frames":
            frames = "".join(f'<iframe src="{html.escape(each)}"></iframe>' for each in found)
            response = Response(FRAMES % (frames, json.dumps(questions)), content_type="text/html")
        else:
            response = Response(status=404)
        response.headers["Content-Security-Policy"] = POLICY
        return response

    with serving(respond) as url:
        answers = run_script(f"{url}/frames", tmp_path_factory.mktemp("chromium"))
    return {
        name: (SavedPage(f"{url}/{name}", page.content_type, page.body), chosen, answer)
        for (name, page), chosen, answer in zip(found.items(), selectors, answers, strict=True)
    }


def texts_of(page: SavedPage, selectors: list[str]) -> dict[str, list[str]]:
    """Return the texts of all elements that each selector finds."""
    found = dict[str, Any]()
    for first in range(0, len(selectors), 50):
        fields = {f"f{n}": {"css": css, "many": True} for n, css in enumerate(selectors[first : first + 50])}
        [item] = extract(Recipe.model_validate({"name": "texts", "fields": fields}), page).items
        found |= zip(selectors[first:], item.values(), strict=False)
    return found


def links_of(page: SavedPage, selector: str, attribute: str) -> list[object]:
    """Return the URL in the attribute of each element that the selector finds; None if it is not a URL."""
    fields = {"url": {"xpath": f"@{attribute}", "type": "url"}}
    recipe = Recipe.model_validate({"name": "links", "items": selector, "fields": fields})
    return [item["url"] for item in extract(recipe, page).items]


def test_texts_links_and_encodings_are_those_of_chromium(shown: dict[str, Shown]) -> None:
    """Whatever differs from Chromium is listed in browser_differences.py with its reason."""
    differences, compared = set(), 0
    for name, (page, selectors, answer) in shown.items():
        texts = [[" ".join(text.split()) for text in texts if text.strip()] for texts in answer["texts"]]
        expected: dict[str, object] = {"encoding": answer["encoding"]}
        expected |= zip([*selectors, *LINKS], texts + answer["links"], strict=True)
        found: dict[str, object] = {"encoding": decode(page).encoding}
        found |= texts_of(page, selectors)
        found |= {selector: links_of(page, selector, attribute) for selector, attribute in LINKS.items()}
        compared += len(found)
        differences |= {(name, each) for each, value in found.items() if value != expected[each]}
    assert compared > 3_000
    assert differences == EXPLAINED


def test_browser_is_shown_30_pages_in_18_encodings(shown: dict[str, Shown]) -> None:
    """The pages are as different as those of the web: at least 30 pages, and 18 encodings."""
    assert len([name for name in shown if name not in MARKUP]) >= 30
    assert len({answer["encoding"] for _, _, answer in shown.values()}) >= 18
