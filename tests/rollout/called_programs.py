"""Finds the programs that Python code starts by their names."""

import ast
import re
from collections.abc import Iterator

NAME = re.compile(r"[a-z][a-z0-9+_-]*")
#: Functions whose first argument is a command, or the name of a program.
STARTS = {"run", "Popen", "check_call", "check_output", "call", "which", "execvp"}


def called_programs(tree: ast.AST) -> Iterator[str]:
    """Yield the names of the programs that a module starts, or looks for.

    A command is a list or a tuple with a name at its start: as the first argument of a function that starts a
    program, or as the value of a variable with the name `command` or `prefix`.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.args and _called(node) in STARTS:
            yield from _names(node.args[0], only_lists=_called(node) != "which")
        elif isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id in {"command", "prefix", "as_user"}
            for target in node.targets
        ):
            yield from _names(node.value, only_lists=True)


def _called(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        is_module = isinstance(call.func.value, ast.Name) and call.func.value.id in {
            "subprocess",
            "shutil",
            "os",
        }
        return call.func.attr if is_module else ""
    return ""


def _names(argument: ast.expr, *, only_lists: bool) -> Iterator[str]:
    if isinstance(argument, ast.List | ast.Tuple):
        argument = argument.elts[0] if argument.elts else argument
    elif only_lists:
        return
    if (
        isinstance(argument, ast.Constant)
        and isinstance(argument.value, str)
        and NAME.fullmatch(argument.value)
    ):
        yield argument.value
