"""
A model's answer, made into a program: the code is found, its imports and helpers
are kept, and what is only talk or a demonstration is left out.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator

from ollama_twisted.humaneval.prompt import STOPS

_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n]*\n(.*?)(?:^[ \t]*\1[ \t]*$|\Z)", re.S | re.M)
_THINKING = re.compile(r"<think(?:ing)?>.*?(?:</think(?:ing)?>|\Z)", re.S)
_CODE_BEGINS = re.compile(r"^(?:from\s+\S+\s+import|import\s|def\s|async\s+def\s|class\s|@)", re.M)
_LONGEST = 200_000
_MOST_CUTS = 300
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


def program(prompt: str, entry_point: str, raw: str, continues: bool = False) -> str:
    """
    The program that an answer stands for.

    ``continues``: the model was asked to continue the prompt, so that text
    without a definition of the function is its body.
    """
    text = _THINKING.sub("", raw)[:_LONGEST].replace("\r\n", "\n")
    blocks = [textwrap.dedent(each[2]) for each in _FENCE.finditer(text)]
    whole = _whole(blocks, text, entry_point)
    if whole is not None:
        return _assemble(_prelude(prompt, entry_point), _without_demonstration(whole, entry_point))
    if continues and not blocks:
        return prompt + _until_stop(text)
    body = next((each for each in blocks if each.strip()), text)
    return _with_body(prompt, body, entry_point)


def _whole(blocks: list[str], text: str, name: str) -> str | None:
    """The code that defines the function, with the helpers that stand in other blocks."""
    for each in blocks:
        code = _parsable(each, name)
        if code is not None:
            return _helpers([other for other in blocks if other != each], code) + code
    if blocks:
        return None
    for found in _CODE_BEGINS.finditer(text):
        code = _parsable(text[found.start() :], name)
        if code is not None:
            return code
    return None


def _parsable(code: str, name: str) -> str | None:
    """The code if it defines the function, without last lines that are none; else nothing."""
    if not re.search(rf"\bdef\s+{re.escape(name)}\b", code):
        return None
    lines = code.rstrip().split("\n")
    for cut in range(min(len(lines), _MOST_CUTS)):
        kept = "\n".join(lines[: len(lines) - cut]) + "\n"
        if (tree := _parse(kept)) is not None:
            return kept if _defines(tree, name) else None
    return None


def _parse(code: str) -> ast.Module | None:
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _defines(tree: ast.Module, name: str) -> bool:
    """Whether the function is there with a body: the question repeated is no answer."""
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name == name
        and not (len(node.body) == 1 and _is_text(node.body[0]))
        for node in tree.body
    )


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and (isinstance(node.value.value, str) or node.value.value is Ellipsis)
    )


def _helpers(others: list[str], code: str) -> str:
    """Blocks of definitions that the code has not, as some models give them one by one."""
    have, found = _names(code), ""
    for each in others:
        tree = _parse(each)
        if tree is None or not all(
            isinstance(node, (*_DEFINITIONS, ast.Import, ast.ImportFrom)) for node in tree.body
        ):
            continue
        if _names(each) - have and not _names(each) & have:
            found += each.rstrip() + "\n\n"
            have |= _names(each)
    return found


def _names(code: str) -> set[str]:
    tree = _parse(code)
    found: set[str] = set()
    for node in tree.body if tree else ():
        if isinstance(node, _DEFINITIONS):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {each.asname or each.name for each in node.names}
    return found


def _prelude(prompt: str, name: str) -> str:
    """What the prompt has before the function: its imports and helpers."""
    found = list(re.finditer(rf"^(?:async\s+)?def\s+{re.escape(name)}\b", prompt, re.M))
    return prompt[: found[-1].start()] if found else ""


def _without_demonstration(code: str, name: str) -> str:
    """The code without what only shows it at work: it would run, print, ask or fail."""
    tree = _parse(code)
    lines = code.split("\n")
    for node in reversed(tree.body if tree else []):
        if _demonstrates(node, name):
            lines[node.lineno - 1 : node.end_lineno] = []
    return "\n".join(lines)


def _demonstrates(node: ast.stmt, name: str) -> bool:
    if isinstance(node, ast.Assert):
        return True
    if not isinstance(node, ast.Expr | ast.If | ast.For | ast.While | ast.Try | ast.Assign):
        return False
    inside = list(ast.walk(node))
    if isinstance(node, ast.Assign):  # of what the function returns, not of the function
        called = [each.func for each in inside if isinstance(each, ast.Call)]
        return any(isinstance(each, ast.Name) and each.id in {name, "input"} for each in called)
    used = {each.id for each in inside if isinstance(each, ast.Name)}
    return bool(used & {name, "print", "input", "__name__", "doctest", "unittest"})


def _assemble(prelude: str, code: str) -> str:
    lines = code.split("\n")
    future = [each for each in lines if each.startswith("from __future__")]
    rest = [each for each in lines if not each.startswith("from __future__")]
    if "\n".join(rest).lstrip().startswith(prelude.strip()):
        prelude = ""
    return "\n".join([*future, prelude.rstrip(), "", *rest]).strip("\n") + "\n"


def _until_stop(text: str) -> str:
    ends = [at for at in (text.find(each) for each in STOPS) if at >= 0]
    return text[: min(ends)] if ends else text


def _with_body(prompt: str, text: str, name: str) -> str:
    """The prompt with the answer as its function's body, however that is indented."""
    possible = []
    for body in _bodies(text):
        tree = _parse(prompt + body)
        if tree is not None and _defines(tree, name):
            if getattr(tree.body[-1], "name", "") == name:
                return prompt + body
            possible.append(body)  # of which some lines are no part of the function
    return prompt + (possible[0] if possible else text)


def _bodies(text: str) -> Iterator[str]:
    text = text.strip("\n").rstrip() + "\n"
    yield text
    yield "    " + text
    yield textwrap.indent(textwrap.dedent(text), "    ")
    first, _, rest = text.partition("\n")
    yield textwrap.indent(first.strip() + "\n" + textwrap.dedent(rest), "    ")
