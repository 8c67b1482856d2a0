"""Compare the values of texts with price-parser and dateparser: `python -m benchmarks.values`.

Both libraries are installed in a separate environment (`.venv/oracles`), and the price texts of
price-parser's source distribution are downloaded when this runs. The lists show every text on which the
results differ, with the right value and who has it, and every text that Scrapeq refuses. The exit status is 1
if Scrapeq has a wrong value, or reads less than 95 % of the price texts with one meaning.
"""

import ast
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import venv
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from contract.recipe import RecipeField
from extraction.errors import ConversionError
from extraction.values import read

HERE = Path(__file__).parents[1]
ENVIRONMENT = HERE / ".venv" / "oracles"
#: This program runs in the separate environment: a list of (kind, text, locale) in, a list of results out.
ORACLE = """
import json, sys
import dateparser
from price_parser import Price
def result(kind, text, locale):
    if kind == "number":
        amount = Price.fromstring(text).amount
        return None if amount is None else float(amount)
    found = dateparser.parse(text, languages=[locale.partition("-")[0]] if locale else None)
    return None if found is None else found.isoformat()
print(json.dumps([result(*each) for each in json.load(sys.stdin)]))
"""


class Case(NamedTuple):
    """A text whose value is known; None if the text has no value of the kind, or no certain one."""

    kind: str
    text: str
    locale: str
    value: float | str | None


NUMBERS = [
    Case("number", *each)
    for each in (
        ("1.299,-", "", 1299), ("25.000,- Ft", "", 25000), (",89 €", "", 0.89), ("$..75", "", None),
        ("-kr 100", "", -100), ("-CHF 50", "", -50), ("-US$50", "", -50), ("-R$ 10,00", "pt", -10),
        ("- €5", "", -5), ("–5", "", -5), ("(1,234.00)", "", -1234), ("1½", "", 1.5), ("2¾ cups", "", 2.75),
        ("1.299 €", "", None), ("1.299 €", "de", 1299), ("1,299", "en", 1299), ("1 234,56 €", "fr", 1234.56),
        ("1'234.50 CHF", "", 1234.5), ("12,34,567.89", "", 1234567.89), ("12 € + 3 €", "", None),
        ("10-20 €", "", None), ("5k", "", None), ("$1.5 million", "", None), ("3万円", "", None),
        ("100+", "", None), ("±5", "", None), ("(22)", "", None), ("54 m²", "", 54), ("19⁹⁹ €", "", None),
        ("iPhone 12 256 GB", "", None), ("22.11.2026", "", None), ("10:30", "", None), ("free", "", None),
    )
]  # fmt: skip
DATES = [
    Case("datetime", *each)
    for each in (
        ("2026年11月22日下午3:30", "", "2026-11-22T15:30:00"),
        ("2026年11月22日 午後3:30", "", "2026-11-22T15:30:00"),
        ("2026년 11월 22일 오후 3:30", "", "2026-11-22T15:30:00"),
        ("22 Nov 2026, 10:30 GMT+2", "", "2026-11-22T10:30:00+02:00"),
        ("22 Nov 2026 10:30 UTC+5:30", "", "2026-11-22T10:30:00+05:30"),
        ("Sun, 22 Nov 2026 10:30:00 -0800", "", "2026-11-22T10:30:00-08:00"),
        ("22.11.2026, 10:30 Uhr", "de", "2026-11-22T10:30:00"),
        ("22.11.2026 10.30 Uhr", "de", "2026-11-22T10:30:00"),
        ("22/11/2026 à 9h05", "fr", "2026-11-22T09:05:00"),
        ("22/11/2026 à 8h30 du soir", "fr", "2026-11-22T20:30:00"),
        ("22 de noviembre de 2026 a las 3:30 de la tarde", "es", "2026-11-22T15:30:00"),
        ("22 de novembro de 2026 às 10:30 da noite", "pt", "2026-11-22T22:30:00"),
        ("22 listopada 2026 o 3:30 po południu", "pl", "2026-11-22T15:30:00"),
        ("22 november 2026 om 3:30 's middags", "nl", "2026-11-22T15:30:00"),
        ("22/11/2026 alle 3:30 di pomeriggio", "it", "2026-11-22T15:30:00"),
        ("22 november 2026 kl. 3:30 em", "sv", "2026-11-22T15:30:00"),
        ("Nov 22, 2026 12:05 am", "en", "2026-11-22T00:05:00"), ("22 Nov 2026 10:30 IST", "", None),
        ("22 Nov 2026 10:00-11:00", "", None), ("22 Nov 2026 25:00", "", None), ("10", "", None),
        ("03/04/2026 10:30", "", None), ("22–24 Nov 2026 10:30", "", None), ("20261122", "", None),
        ("1795305600", "", None),
        ("yesterday", "", None), ("22/11/2569 10:30", "", None), ("22.11.2026", "de", None),
    )
]  # fmt: skip
#: The price texts with a value that is another than price-parser's, and why it is the right one.
JUDGED = {
    "- $44.99": "Scrapeq: price-parser drops every sign",
    "40% OFF": "both: a number that is no price; Scrapeq's type is number",
    "Цена: уточняйте (мин. заказ: 1 )": "both: a number that is no price; Scrapeq's type is number",
    "July, 2004": "both: a number that is no price; Scrapeq's type is number",
    "16.00 ft": "both: a number that is no price; Scrapeq's type is number",
}


def scrapeq(case: Case, decimal: str | None = None) -> float | str | None:
    """Return Scrapeq's value; None if it refuses the text."""
    notation = {"locale": case.locale or None, "decimal": decimal}
    field = RecipeField.model_validate({"css": "p", "type": case.kind, **notation})
    try:
        found = read(case.text, field, "")
    except ConversionError:
        return None
    return found if isinstance(found, str) else float(found)


def install() -> Path:
    """Return the Python of the environment with both libraries; create it if it is missing."""
    python = ENVIRONMENT / "bin" / "python"
    if not python.exists():
        venv.create(ENVIRONMENT, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "price-parser", "dateparser"], check=True)
    return python


def oracle(python: Path, cases: list[Case]) -> list[float | str | None]:
    """Return what price-parser or dateparser make of each case."""
    questions = json.dumps([case[:3] for case in cases])
    result = subprocess.run(
        [python, "-c", ORACLE], input=questions, capture_output=True, text=True, check=True
    )
    answers: list[float | str | None] = json.loads(result.stdout)
    return answers


def price_texts(python: Path) -> Iterator[tuple[str, float | None, str | None]]:
    """Yield the examples of price-parser's tests: text, amount, and decimal separator if given."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            str(python),
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--no-binary",
            "price-parser",
        ]
        subprocess.run([*command, "--dest", folder, "price-parser"], check=True)
        [archive] = Path(folder).glob("*.tar.gz")
        with tarfile.open(archive) as files:
            [member] = [each for each in files.getmembers() if each.name.endswith("test_price_parsing.py")]
            content = files.extractfile(member)
            assert content is not None
            source = content.read().decode()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Example":
            _, text, _, _, amount = (_literal(each) for each in node.args[:5])
            named = {each.arg: _literal(each.value) for each in node.keywords}
            if text is not None:
                separator = named.get("decimal_separator")
                price = None if amount is None else float(str(amount))
                yield str(text), price, None if separator is None else str(separator)


def _literal(node: ast.expr) -> object:
    if isinstance(node, ast.Call):  # Decimal("1.10")
        return Decimal(ast.literal_eval(node.args[0]))
    return ast.literal_eval(node)


def has_one_meaning(text: str, separator: str | None) -> bool:
    """Return whether a text has one number, and no lone separator before exactly three digits."""
    numbers = re.findall(r"\d+(?:[.,'\u00a0 ]\d+)*", text)
    if len(numbers) != 1 or re.search(r"\d[.,] \d|[.,]{2}|(?<!\d)[.,]\d+[.,]", text):
        return False
    lone = re.fullmatch(r"[1-9]\d{0,2}[.,]\d{3}", numbers[0]) is not None
    words_and_space = re.search(r"[^\W\d_] \d{1,3} \d{3}\b", text) is not None  # `iPhone 12 256 GB`
    return not words_and_space and (not lone or separator is not None or bool(re.search(r"\d,[-–]", text)))


def compare_cases(python: Path, cases: list[Case]) -> int:
    """Print the cases on which the results differ; return the number of wrong values of Scrapeq."""
    wrong = 0
    print("| text | locale | right | Scrapeq | library | who is right |\n|---|---|---|---|---|---|")
    for case, theirs in zip(cases, oracle(python, cases), strict=True):
        ours = scrapeq(case)
        ours = ours.replace("Z", "+00:00") if isinstance(ours, str) else ours
        wrong += ours not in {case.value, None}
        if ours != theirs:
            right = [name for name, value in (("Scrapeq", ours), ("library", theirs)) if value == case.value]
            cells = (case.text, case.locale, case.value, ours, theirs, " and ".join(right) or "neither")
            print("| " + " | ".join("refused" if each is None else str(each) for each in cells) + " |")
    return wrong


def compare_prices(python: Path) -> bool:
    """Print the figures of the price texts; return whether they are as good as promised."""
    counts, wrong, refused = Counter[str](), list[str](), list[str]()
    for text, amount, separator in price_texts(python):
        ours = scrapeq(Case("number", text, "", amount), separator)
        one = amount is not None and has_one_meaning(text, separator)
        counts["with a price"] += amount is not None
        counts["with one meaning"] += one
        if ours is not None and ours == amount:
            counts["right"] += 1
            counts["right, with one meaning"] += one
        elif ours is not None:
            wrong.append(f"{text!r}: {ours}, price-parser {amount}; {JUDGED.get(text, 'NOT JUDGED')}")
            counts["wrong"] += text not in JUDGED
        elif amount is not None:
            refused.append(f"{text!r} (price-parser {amount}){', one meaning' if one else ''}")
    print("\n".join(["", *wrong, "", f"Refused ({len(refused)}):", *refused, ""]))
    share = counts["right, with one meaning"] / counts["with one meaning"]
    print(f"{dict(counts)}: {share:.1%} of those with one meaning are read")
    return counts["wrong"] == 0 and share >= 0.95


def main() -> None:
    """Print all comparisons."""
    python = install()
    wrong = compare_cases(python, NUMBERS) + compare_cases(python, DATES)
    if not compare_prices(python) or wrong:
        sys.exit(1)


if __name__ == "__main__":
    main()
