"""Measure the processor time of extracting real pages: `python -m benchmarks.extraction_cost [--tree DIR]`.

300 pages of Python's manual (Debian's package python3-doc) are extracted by two recipes: one reads title,
headings, links and the first paragraph of a page, the other the entries of its definition lists. Each part
of the work is measured alone, and so are loops over parsel and lxml that read what the first recipe reads.
With `--tree DIR` the code of another checkout is measured alternately, part by part.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

HERE = Path(__file__).parents[1]
MANUAL = Path("/usr/share/doc/python3-doc/html")
PAGES = 300
MAX_PAGE_BYTES = 250_000  #: a larger page is extracted on a level of its own
PAGE = {
    "title": {"css": "title", "required": True},
    "headings": {"css": "h1, h2, h3", "many": True},
    "links": {"css": "a::attr(href)", "many": True},
    "first": {"css": "p"},
}
ENTRY = {
    "name": {"css": "dt", "required": True},
    "link": {"css": "a.headerlink::attr(href)", "type": "url"},
    "text": {"css": "dd > p"},
    "version": {"xpath": ".//span[contains(@class, 'versionmodified')]", "re": r"(\d+\.\d+)"},
}
Part = Callable[[], float]  #: measures one part of the work; returns milliseconds of processor time per page


def read_pages() -> Iterator[tuple[str, bytes]]:
    """Yield URL and body of the pages, which are spread evenly over the manual."""
    if not MANUAL.is_dir():
        sys.exit(f"{MANUAL} is missing; install Debian's package python3-doc")
    files = [file for file in sorted(MANUAL.rglob("*.html")) if file.stat().st_size <= MAX_PAGE_BYTES]
    for number in range(PAGES):
        file = files[number * len(files) // PAGES]
        yield f"http://manual.test/{file.relative_to(MANUAL)}", file.read_bytes()


def bare_loops(bodies: list[bytes]) -> dict[str, Part]:
    """Return the parts that show what the libraries need without Scrapeq."""
    from lxml import etree  # noqa: PLC0415 - the process that prints the table needs no parser
    from parsel import Selector  # noqa: PLC0415 - the process that prints the table needs no parser

    texts = etree.XPath("string()", smart_strings=False)
    paths = [
        etree.XPath(path, smart_strings=False)
        for path in ("//title", "//h1 | //h2 | //h3", "//a/@href", "//p")
    ]

    def lxml(body: bytes) -> object:
        root = etree.fromstring(body, etree.HTMLParser(encoding="utf-8", huge_tree=True))
        titles, headings, links, paragraphs = (path(root) for path in paths)
        return list(map(texts, titles)), list(map(texts, headings)), links, list(map(texts, paragraphs[:1]))

    def parsel(body: bytes) -> object:
        page = Selector(text=body.decode(), type="html")
        return (
            page.css("title").xpath("string()").get(),
            page.css("h1, h2, h3").xpath("string()").getall(),
            page.css("a::attr(href)").getall(),
            page.css("p")[:1].xpath("string()").get(),
        )

    def parsing(body: bytes) -> object:
        return etree.fromstring(body, etree.HTMLParser(encoding="utf-8", huge_tree=True))

    loops = {"parse only, lxml": parsing, "bare loop, lxml": lxml, "bare loop, parsel": parsel}
    return {name: lambda loop=loop: timed(loop, bodies) for name, loop in loops.items()}  # type: ignore[misc]  # mypy cannot infer the type of a lambda's default


def timed(function: Callable[[bytes], object], arguments: list[bytes]) -> float:
    """Return milliseconds of processor time per call."""
    started = time.process_time()
    for argument in arguments:
        function(argument)
    return (time.process_time() - started) * 1000 / len(arguments)


def parts() -> dict[str, Part]:
    """Return the parts by name; the classes come from the checkout that is first on `sys.path`."""
    from gevent import monkey  # noqa: PLC0415 - the process that prints the table needs no gevent

    from process_pool.processes import ForkServerProcess  # noqa: PLC0415 - imported before gevent's patch

    server = ForkServerProcess("extraction.extract_items:run")
    server.ensure_started()
    monkey.patch_all()
    from contract.job import Job  # noqa: PLC0415 - imported after gevent's patch
    from contract.job_id import identify  # noqa: PLC0415 - imported after gevent's patch
    from contract.recipe import Recipe  # noqa: PLC0415 - imported after gevent's patch
    from extraction.document import Document  # noqa: PLC0415 - imported after gevent's patch
    from extraction.extract import Reader  # noqa: PLC0415 - imported after gevent's patch
    from extraction.selectors import CHECKS, JOB_CHECKS  # noqa: PLC0415 - imported after gevent's patch
    from process_pool.pool import ProcessPool  # noqa: PLC0415 - imported after gevent's patch
    from worker.budget import PageBudget  # noqa: PLC0415 - imported after gevent's patch
    from worker.child_extraction import MIB, ChildExtraction, levels  # noqa: PLC0415 - imported after gevent's patch
    from worker.page import FetchedPage  # noqa: PLC0415 - imported after gevent's patch

    whole = Recipe.from_document({"name": "page", "fields": PAGE}, CHECKS)
    entries = Recipe.from_document({"name": "entries", "items": "dl", "fields": ENTRY}, CHECKS)
    pages = [FetchedPage(url, 200, "text/html", body) for url, body in read_pages()]
    now = datetime.now(UTC)
    jobs = [
        Job(
            job_id=identify("run-1", page.url, whole),
            run_id="run-1",
            crawl="bench",
            url=page.url,
            recipe=whole,
            dispatched_at=now,
        ).encode()
        for page in pages
    ]
    pool_levels = levels(1, 10.0, 256 * MIB)
    extraction = ChildExtraction(ProcessPool(server, pool_levels), pool_levels[-1].limits)

    def parse() -> float:
        started = time.process_time()
        for page in pages:
            Document(page, whole.markup).root  # noqa: B018 - a property that parses the page
        return (time.process_time() - started) * 1000 / PAGES

    def select(recipe: Recipe) -> float:
        taken = 0.0
        for page in pages:
            document = Document(page, recipe.markup)
            document.root  # noqa: B018 - a property that parses the page
            started = time.process_time()
            Reader(recipe, document).extract(may_be_empty=True)
            taken += time.process_time() - started
        return taken * 1000 / PAGES

    def in_child(clock: Callable[[], float]) -> float:
        started = clock()
        for page in pages:
            extraction(whole, page, PageBudget(600), may_be_empty=True)
        return (clock() - started) * 1000 / PAGES

    return {
        **bare_loops([page.body for page in pages]),
        "decode a job and its recipe": lambda: timed(lambda data: Job.decode(data, JOB_CHECKS), jobs),
        "decode and parse a page": parse,
        "select and convert the fields of a page": lambda: select(whole),
        "select and convert the entries of lists": lambda: select(entries),
        "a page in the worker's process": lambda: in_child(time.process_time),
        "a page in the child": lambda: in_child(seconds_of_children),
    }


def seconds_of_children() -> float:
    """Return the processor time of the fork server and of its children, also of those that have ended."""
    total = 0
    waiting = ["self"]
    while waiting:
        process = waiting.pop()
        try:
            children = Path(f"/proc/{process}/task").glob("*/children")
            waiting += [pid for file in children for pid in file.read_text().split()]
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        total += 0 if process == "self" else sum(map(int, fields[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def serve() -> None:
    """Measure the parts that are named on the standard input, one in each line."""
    sys.path.pop(0)  # the directory of this file, whose modules have the names of packages
    known = parts()
    for part in known.values():
        part()  # compiles the selectors, and starts the child
    print(*known, sep="\t", flush=True)
    for line in sys.stdin:
        print(known[line.strip()](), flush=True)


def main() -> None:
    """Run the rounds and print the table."""
    options = argparse.ArgumentParser(description="processor time of extracting real pages, by part")
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--tree", type=Path, help="directory of another checkout, for comparison")
    chosen = options.parse_args()
    if sys.platform != "linux":
        sys.exit("the processor time of children is read from /proc, which only Linux has")
    trees = [HERE, *([chosen.tree.resolve()] if chosen.tree else [])]
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, "serve"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(tree)},
            cwd=tree,  # the fork server is started by `python -m`, which imports from here first
        )
        for tree in trees
    ]
    [names, *_] = [str(process.stdout.readline()).strip().split("\t") for process in processes]  # type: ignore[union-attr]  # both are pipes
    figures: dict[str, list[tuple[float, ...]]] = defaultdict(list)
    for _ in range(chosen.rounds):
        for name in names:
            figures[name].append(tuple(measure(process, name) for process in processes))
    for process in processes:
        process.communicate()
    print("| ms of processor time per page | " + " | ".join(tree.name for tree in trees) + " | ratio |")
    print("|---|" + "---|" * (len(trees) + 1))
    for name, rounds in figures.items():
        medians = (f"{statistics.median(column):.3f}" for column in zip(*rounds, strict=True))
        ratio = statistics.median(each[0] / each[-1] for each in rounds)
        print(f"| {name} | {' | '.join(medians)} | {f'{ratio:.2f}' if len(trees) > 1 else ''} |")
    print(f"load {os.getloadavg()[0]:.1f}")


def measure(process: subprocess.Popen[str], name: str) -> float:
    """Return the milliseconds of one part, measured in a process."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{name}\n")
    process.stdin.flush()
    return float(process.stdout.readline())


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["serve"] else main()
