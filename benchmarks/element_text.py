"""Measure the extraction of real pages: `python -m benchmarks.element_text [--tree BEFORE]`.

The pages are those of Python's manual (Debian's package python3-doc). Each page is extracted with two
recipes: a typical one (headings, links, first paragraph), and one that selects the text of the whole body.
With `--tree`, another checkout is measured alternately, and the ratio is that of the same round.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parents[1]
PAGES = Path("/usr/share/doc/python3-doc/html")
RECIPES = {
    "h1 to h3, links, first paragraph": {
        "title": {"css": "h1"},
        "headings": {"css": "h2, h3", "many": True},
        "links": {"css": "a::attr(href)", "many": True, "type": "url"},
        "first": {"css": "p"},
    },
    "text of the body": {"body": {"css": "body"}},
}
#: This program runs in each checkout. It prints the processor seconds for each recipe.
PROGRAM = """
import json, sys, time
from pathlib import Path
from contract.recipe import Recipe
from extraction.extract import extract
from extraction.page import SavedPage
paths, recipes = json.loads(sys.stdin.read())
html = "text/html; charset=utf-8"
pages = [SavedPage("https://docs.example/" + path, html, Path(path).read_bytes()) for path in paths]
seconds = {}
for name, fields in recipes.items():
    recipe = Recipe.model_validate({"name": "r", "fields": fields})
    extract(recipe, pages[0])
    started = time.process_time()
    for page in pages:
        extract(recipe, page)
    seconds[name] = time.process_time() - started
print(json.dumps(seconds))
"""


def measure(tree: Path, pages: list[str]) -> dict[str, float]:
    """Return the processor seconds that the code in `tree` needs for all pages, by recipe."""
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input=json.dumps([pages, RECIPES]),
        env=os.environ | {"PYTHONPATH": str(tree)},
        cwd=tree,
        capture_output=True,
        text=True,
        check=True,
    )
    seconds: dict[str, float] = json.loads(result.stdout)
    return seconds


def main() -> None:
    """Run the rounds and print the table."""
    options = argparse.ArgumentParser(description="processor time of extracting real pages")
    options.add_argument("--tree", type=Path, help="directory of another checkout, for comparison")
    options.add_argument("--pages", type=int, default=200)
    options.add_argument("--rounds", type=int, default=5)
    chosen = options.parse_args()
    pages = [str(path) for path in sorted(PAGES.rglob("*.html"))[: chosen.pages]]
    trees = [HERE, *([chosen.tree.resolve()] if chosen.tree else [])]
    rounds = [[measure(tree, pages) for tree in trees] for _ in range(chosen.rounds)]
    print("| recipe | ms per page | before | ratio |\n|---|---|---|---|")
    for name in RECIPES:
        times = [[each[name] * 1000 / len(pages) for each in measured] for measured in rounds]
        medians = [statistics.median(column) for column in zip(*times, strict=True)]
        ratio = statistics.median(each[0] / each[-1] for each in times)
        print(f"| {name} | {medians[0]:.2f} | {medians[-1]:.2f} | {ratio:.2f} × |")
    print(f"{len(pages)} pages, {chosen.rounds} rounds, load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
