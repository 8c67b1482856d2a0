"""A crawl written as YAML, read strictly: every fault at once, each with its line."""

from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from console.complaint import WrongUsage
from contract.crawl import MAX_CRAWL_BYTES, Crawl
from contract.faults import Fault, UnreadableCrawl

MAX_VALUES = 1_000_000  #: after aliases are written out; a few lines of YAML can stand for billions


class _Located(NamedTuple):
    line: int  #: from 1
    why: str


def load_crawl(path: Path) -> Crawl:
    """Read the crawl in a file.

    Raises:
        WrongUsage: with a line for each fault: `books.yaml:12: recipe.fields.price.type: …`.
    """
    return read_crawl(_read(path), str(path))


def read_crawl(text: bytes, name: str) -> Crawl:
    """Read a crawl from YAML; see `load_crawl`."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        faults = _unusable(node)
        if node is None or faults:
            raise WrongUsage(_sentence(name, faults))
        document = _Loader(text).get_single_data()
    except yaml.YAMLError as wrong:
        raise WrongUsage(_sentence(name, [_yaml_fault(wrong)])) from None
    except RecursionError:
        raise WrongUsage(_sentence(name, [_Located(1, "nested too deeply")])) from None
    except ValueError as wrong:  # bytes that are no text
        raise WrongUsage(f"{name}: not YAML: {wrong}") from None
    try:
        return Crawl.from_document(document)
    except UnreadableCrawl as wrong:
        located = [_Located(_line_of(node, fault), str(fault)) for fault in wrong.faults]
        raise WrongUsage(_sentence(name, located)) from None


def name_run(crawl: Crawl, now: datetime) -> str:
    """Return the run's id: the file's own, else name and UTC second, so that a repeat makes the same jobs."""
    return crawl.run_id or f"{crawl.name}-{now:%Y-%m-%dT%H:%M:%SZ}"


class _Loader(yaml.SafeLoader):
    """Leaves dates as they are written: JSON has none."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way to declare them
        first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith(":timestamp")]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            text = file.read(MAX_CRAWL_BYTES + 1)
    except OSError as wrong:
        raise WrongUsage(f"{path} cannot be read: {wrong.strerror}.") from None
    if len(text) > MAX_CRAWL_BYTES:
        raise WrongUsage(f"{path} has more than {MAX_CRAWL_BYTES} bytes, which is the largest crawl.")
    return text


def _unusable(node: yaml.Node | None) -> list[_Located]:
    """Return what is wrong with the file before it is looked at as a crawl."""
    if not isinstance(node, yaml.MappingNode):
        return [_Located(1, "a crawl is a mapping: name, sources, recipe")]
    faults = list[_Located]()
    if _weigh(node, {}, faults) > MAX_VALUES:
        faults.append(_Located(1, f"with its aliases written out it has more than {MAX_VALUES:,} values"))
    return faults


def _weigh(node: yaml.Node, known: dict[int, int], faults: list[_Located]) -> int:
    """Count the values below a node, aliases written out, and note keys given twice and endless aliases."""
    if id(node) in known:
        if not known[id(node)]:
            faults.append(_Located(_line(node), "an alias inside of what it stands for"))
        return known[id(node)]
    known[id(node)] = 0
    children = list[yaml.Node]()
    if isinstance(node, yaml.MappingNode):
        faults.extend(_repeated_keys(node))
        children = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    known[id(node)] = 1 + sum(_weigh(child, known, faults) for child in children)
    return known[id(node)]


def _repeated_keys(node: yaml.MappingNode) -> list[_Located]:
    seen, faults = set[Any](), list[_Located]()
    for key, _ in node.value:
        if isinstance(key.value, str):
            if key.value in seen:
                faults.append(_Located(_line(key), f"{key.value} is given twice"))
            seen.add(key.value)
    return faults


def _line_of(node: yaml.Node, fault: Fault) -> int:
    """Return the line of the deepest part of a fault's path that the file has."""
    line = _line(node)
    for part in fault.path.split("."):
        found = _child(node, part)
        if found is None:
            break
        key, node = found
        line = _line(key)
    return line


def _child(node: yaml.Node, part: str) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        return next(((key, value) for key, value in node.value if key.value == part), None)
    if isinstance(node, yaml.SequenceNode) and part.isdigit() and int(part) < len(node.value):
        return node.value[int(part)], node.value[int(part)]
    return None


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _yaml_fault(wrong: yaml.YAMLError) -> _Located:
    mark = getattr(wrong, "problem_mark", None)
    said = getattr(wrong, "problem", None) or str(wrong)
    return _Located(mark.line + 1 if mark else 1, f"not YAML: {said}")


def _sentence(name: str, faults: list[_Located]) -> str:
    lines = [f"{name}:{fault.line}: {fault.why}" for fault in sorted(faults)]
    return "\n".join(["The crawl was not dispatched.", *lines])
