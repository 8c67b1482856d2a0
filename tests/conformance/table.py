"""Writes the table of behaviours into localpubsub/README.md: ``python -m tests.conformance.table``.

The command runs the suite; with ``--junit FILE`` it reads the results of an earlier run (``pytest --junit-xml
FILE tests/conformance tests/localpubsub``) instead. The docstring of a test begins with the numbers of its
behaviours ("Behaviours 13, 21 and 26: …"). The ``@emulator_differs`` mark of a test states what the official
emulator does instead.
"""

import argparse
import ast
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from benchmarks.pubsub_process import measured_on_emulator
from tests.conformance.behaviours import BEHAVIOURS, SOURCES
from tests.conformance.differences import DIFFERENCES, MEASURED
from tests.repository.tree import ROOT

README: Final = ROOT / "localpubsub" / "README.md"
FOLDERS: Final = ("tests/conformance", "tests/localpubsub")
BEGIN: Final = "<!-- conformance: written by python -m tests.conformance.table -->"
END: Final = "<!-- conformance: end -->"
#: The behaviours that floci-gcp lacks, because according to its documentation it sends no pushes.
FLOCI_NEVER: Final = range(11, 20)

Result = Literal["passed", "differs", "failed", "skipped"]
_NAMED: Final = re.compile(r"Behaviours? ([\d, and]+):")


@dataclass
class Evidence:
    """The test results of one behaviour.

    Attributes:
        ours: the results on localpubsub.
        emulator: the results on the official emulator.
        differences: what the official emulator does instead.
    """

    ours: list[Result] = field(default_factory=list)
    emulator: list[Result] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)


def named_behaviours(docstring: str | None) -> set[int]:
    """Return the numbers of the behaviours at the beginning of a docstring."""
    found = _NAMED.match(docstring or "")
    return {int(number) for number in re.findall(r"\d+", found.group(1))} if found else set()


def behaviours_of_tests() -> dict[tuple[str, str], set[int]]:
    """Return ``{(module, function): behaviours}`` of the tests whose docstring has behaviours."""
    found = {}
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("test_*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef) and (
                    numbers := named_behaviours(ast.get_docstring(node))
                ):
                    module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                    found[module, node.name] = numbers
    return found


def results(junit: Path) -> Iterator[tuple[str, str, str, Result, str]]:
    """Yield module, function, parameters, result and reason of every test in a JUnit file."""
    for case in ET.parse(junit).iter("testcase"):  # noqa: S314 - pytest wrote the file
        name, _, parameters = case.attrib["name"].partition("[")
        module = ".".join(part for part in case.attrib["classname"].split(".") if not part.startswith("Test"))
        result: Result = "passed"
        reason = ""
        if (skipped := case.find("skipped")) is not None:
            reason = skipped.attrib.get("message", "")
            result = "differs" if reason.startswith("official emulator: ") else "skipped"
        elif case.find("failure") is not None or case.find("error") is not None:
            result = "failed"
        yield module, name, parameters, result, reason.removeprefix("official emulator: ")


def gather(junit: Path) -> dict[int, Evidence]:
    """Return ``{behaviour: evidence}`` of a JUnit file."""
    named = behaviours_of_tests()
    found: defaultdict[int, Evidence] = defaultdict(Evidence)
    for module, name, parameters, result, reason in results(junit):
        for number in named.get((module, name), ()):
            evidence = found[number]
            if "emulator" not in parameters.rstrip("]").split("-"):
                evidence.ours.append(result)
                continue
            evidence.emulator.append(result)
            if result == "differs" and reason not in evidence.differences:
                evidence.differences.append(reason)
    return found


def table(found: dict[int, Evidence], emulator: str) -> str:
    """Return the table in Markdown.

    Args:
        found: the test results by behaviour.
        emulator: the head of the official emulator's column, with its version and the date of the run.
    """
    lines = [f"| | behaviour | localpubsub | {emulator} | floci-gcp | source |", "|---|---|---|---|---|---|"]
    for number, sentence in BEHAVIOURS.items():
        evidence = found.get(number, Evidence())
        cells = (
            _localpubsub_cell(evidence),
            _emulator_cell(evidence),
            "never pushes" if number in FLOCI_NEVER else "",
            f"[documentation]({SOURCES[number]})" if number in SOURCES else "",
        )
        lines.append(f"| {number} | {sentence} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _localpubsub_cell(evidence: Evidence) -> str:
    ran = [result for result in evidence.ours if result != "skipped"]
    if not ran:
        return "not tested"
    return "✓" if all(result == "passed" for result in ran) else "✗"


def _emulator_cell(evidence: Evidence) -> str:
    ran = [result for result in evidence.emulator if result != "skipped"]
    if not ran:
        return ""
    if "failed" in ran:
        return "✗"
    if "differs" not in ran:
        return "✓"
    return ("in part: " if "passed" in ran else "no: ") + "; ".join(map(cited, evidence.differences))


def cited(difference: str) -> str:
    """Return what the emulator does, with the source of what the service does instead, in Markdown."""
    source = DIFFERENCES[difference]
    return f"{difference} ({source})" if source == MEASURED else f"[{difference}]({source})"


def replace_table(readme: str, text: str) -> str:
    """Return the README with another table between the marks."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def main() -> None:
    """Run the suite, or read the results of a run, and write the table."""
    options = argparse.ArgumentParser(description="write the conformance table into localpubsub/README.md")
    options.add_argument("--junit", type=Path, help="results of an earlier run (default: run the suite)")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        junit = arguments.junit or Path(directory) / "results.xml"
        if arguments.junit is None:
            command = [sys.executable, "-m", "pytest", "-q", f"--junit-xml={junit}", *FOLDERS]
            subprocess.run(command, cwd=ROOT, check=False)
        text = table(gather(junit), measured_on_emulator())
    README.write_text(replace_table(README.read_text(encoding="utf-8"), text), encoding="utf-8")
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    main()
