"""The names of `scrapeq shell`: the page, selectors and conversions, as a recipe has them."""

import code
import sys
from collections.abc import Callable
from typing import Any

from lxml import etree
from pydantic import JsonValue

from console.recipes.trial import findings_table, summary_lines
from console.terminal import open_terminal, print_line, printable
from contract.faults import UnreadableRecipe
from contract.fields import FieldType, Source
from contract.recipe import Markup, Recipe, RecipeField
from extraction.document import Document, JsonNode
from extraction.errors import BadRecipe, ConversionError, ExtractionError
from extraction.explain import explain
from extraction.page import PageContent
from extraction.selection import TextForm, node_text, select
from extraction.selectors import CHECKS
from extraction.values import read

HELP = """\
css(selector), xpath(expression)     the texts that a selector finds, as a browser shows them
jmespath(expression)                 the values that it finds in a page that is JSON
jsonld(path), meta(name)             the values of JSON-LD (Product.offers.price) and of metas (og:title)
number(text), date(text), datetime(text), url(text)   a text converted as by a field of this type;
                                     with locale="de", decimal="," or format="%d.%m.%Y" as in a recipe
field(css="…", type="number")        the value of a field with these keys
items()                              the items of the recipe (--recipe); explain() shows why
page.url, page.content_type, text    the page
Ctrl-D ends the shell."""


class SelectorError(Exception):
    """A selector or a text is refused; the message says why."""


class PageShell:
    """What the shell offers about one page.

    Args:
        page: the page.
        recipe: the recipe whose items `items()` returns; None if there is none.
    """

    def __init__(self, page: PageContent, recipe: Recipe | None = None) -> None:
        self.page = page
        self._recipe = recipe
        markup = recipe.markup if recipe else Markup.HTML
        try:
            self._document = Document(page, markup)
        except ExtractionError as error:
            raise SelectorError(str(error)) from None

    def names(self) -> dict[str, Any]:
        """Return the variables and functions of the shell."""
        converters: dict[str, Callable[..., object]] = {
            kind.value: self._converter(kind)
            for kind in (FieldType.NUMBER, FieldType.DATE, FieldType.DATETIME, FieldType.URL)
        }
        return {
            "page": self.page,
            "text": self._document.text,
            **{name: self._selector(name) for name in ("css", "xpath", "jmespath", "jsonld", "meta")},
            **converters,
            "field": self.field,
            "items": self.items,
            "explain": self.explain,
        }

    def field(self, **keys: object) -> JsonValue:
        """Return the value of a field with these keys of a recipe.

        Raises:
            SelectorError: the keys are invalid, or the page has no such value.
        """
        explained = explain(self._recipe_of({"value": keys}), self.page)
        if explained.error is not None:
            raise SelectorError(str(explained.error))
        for warning in explained.extracted.warnings:
            print_line(open_terminal(), f"warning: {warning}")
        items = explained.extracted.items
        return items[0].get("value") if items else None

    def items(self) -> list[dict[str, JsonValue]]:
        """Return the items of the recipe.

        Raises:
            SelectorError: there is no recipe, or it fails on this page.
        """
        explained = explain(self._given_recipe(), self.page)
        if explained.error is not None:
            raise SelectorError(str(explained.error))
        return explained.extracted.items

    def explain(self) -> None:
        """Print the table of `scrapeq try`."""
        explained, terminal = explain(self._given_recipe(), self.page), open_terminal()
        terminal.print(findings_table(explained))
        for line in summary_lines(explained):
            print_line(terminal, line)

    def _given_recipe(self) -> Recipe:
        if self._recipe is None:
            raise SelectorError("There is no recipe: start the shell with --recipe FILE.")
        return self._recipe

    def _recipe_of(self, fields: dict[str, Any]) -> Recipe:
        try:
            return Recipe.from_document({"name": "shell", "fields": fields}, CHECKS)
        except UnreadableRecipe as error:
            raise SelectorError("\n".join(map(str, error.faults))) from None

    def _selector(self, kind: str) -> Callable[[str], list[JsonValue]]:
        def find(selector: str) -> list[JsonValue]:
            self._recipe_of({"value": {kind: selector}})
            source = Source.model_validate({kind: selector})
            try:
                matches = list(select(source, self._document.top_node, self._document))
            except (BadRecipe, etree.XPathError, ExtractionError) as error:
                raise SelectorError(str(error)) from None
            return [
                each.value if isinstance(each, JsonNode) else node_text(each, TextForm.SHOWN).strip()
                for each in matches
            ]

        find.__name__ = kind
        return find

    def _converter(self, kind: FieldType) -> Callable[..., object]:
        def convert(given: object, **keys: object) -> object:
            recipe = self._recipe_of({"value": {"css": "a", "type": kind.value, **keys}})
            field: RecipeField = recipe.fields["value"]
            try:
                return read(str(given), field, self._document.base_url)
            except ConversionError as error:
                raise SelectorError(str(error)) from None

        convert.__name__ = kind.value
        return convert


class Repl(code.InteractiveConsole):
    """A Python prompt in which a refused selector is one line, and no value can control the terminal."""

    def showtraceback(self) -> None:
        """Print a SelectorError as its message, and other errors as Python does."""
        error = sys.exc_info()[1]
        if isinstance(error, SelectorError):
            self.write(f"{printable(str(error))}\n")
        else:
            super().showtraceback()
