"""What may import what: read from the sources, so that the map in the documentation stays true."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from twisted.trial.unittest import SynchronousTestCase

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "ollama_twisted"

# What is pure takes `now` and a `Random` as arguments: no reactor, no socket,
# no child process, no clock.  Packages are named without `ollama_twisted.`.
PURE = {"audio", "config", "errors", "gauges", "metrics", "pool", "pulse", "series", "wire"}
PURE |= {"exporter.collector", "exporter.topology", "web.changes", "web.loaded"}
PURE |= {f"probe.{each}" for each in ("connection", "ss", "proc", "netstat", "lsof", "powershell")}
PURE |= {"probe.diag"}
PURE |= {f"probe.{each}" for each in ("traffic", "command", "snapshot", "hint")}

PURE |= {f"top.{each}" for each in ("document", "models", "screen", "table", "words")}

PURE |= {f"humaneval.{each}" for each in ("estimate", "extract", "prompt", "tally", "verdict")}

IMPURE_LIBRARIES = {
    "asyncio",
    "concurrent",
    "http.client",
    "http.server",
    "multiprocessing",
    "requests",
    "select",
    "selectors",
    "socket",
    "socketserver",
    "ssl",
    "subprocess",
    "threading",
    "time",
    "treq",
    "twisted",
    "urllib.request",
}

# The loader of the configuration reads files and the environment; that is what it is for.
READS_FILES = {"config"}

# Lower may never import higher; of two names side by side, neither may import the other.
NEVER = {
    "pool": {"pulse", "wire", "gateway", "exporter", "simulator", "probe", "web", "config.load"},
    "wire": {"pulse", "pool", "gateway", "exporter", "simulator", "probe", "web", "config"},
    "config": {"pool", "wire", "gateway", "exporter", "simulator", "probe", "web"},
    "metrics": {"pool", "gateway", "exporter", "simulator", "web"},
    "errors": {"pool", "wire", "config", "gateway", "exporter", "simulator", "probe", "web"},
    "gateway": {"exporter", "simulator", "probe", "humaneval"},
    "exporter": {"gateway", "simulator", "humaneval"},
    "simulator": {"gateway", "exporter", "humaneval"},
    "probe": {"gateway", "exporter", "simulator", "pool", "web", "humaneval"},
    "pulse": {"wire", "gateway", "exporter", "simulator", "probe", "web.events", "web.site"},
    "web": {"pulse", "gateway", "exporter", "simulator", "pool", "probe", "humaneval"},
    "humaneval": {"gateway", "exporter", "simulator", "pool", "probe", "web"},
    "top": {"gateway", "exporter", "simulator", "pool", "probe", "humaneval"},
}

LONGEST = 300


class Module(NamedTuple):
    """One module of the package, as it stands in the checkout."""

    name: str  # "pool.line", "pool" for pool/__init__.py
    path: Path

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.path.read_text(encoding="utf-8"), str(self.path))


def modules() -> list[Module]:
    """Every module of the package."""
    package = ROOT / PACKAGE
    found = []
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package).with_suffix("").parts
        found.append(Module(".".join(parts).removesuffix("__init__").strip("."), path))
    return found


def within(name: str, places: Iterable[str]) -> bool:
    """Whether a dotted name is one of the places or lies inside one."""
    return any(name == place or name.startswith(place + ".") for place in places)


def imports(tree: ast.Module, name: str, is_package: bool = False) -> Iterator[str]:
    """
    The full names a module imports, wherever in it the statement stands.

    ``from a import b`` gives both ``a`` and ``a.b``, as b may be a module.
    Imports for the type checker alone bind nothing at run time and are left out.
    """
    here = [PACKAGE, *name.split(".")] if name else [PACKAGE]
    nodes: list[ast.AST] = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = node.level - 1 if is_package else node.level
                base = ".".join([*here[: len(here) - above], *filter(None, [node.module])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            nodes.extend(node.orelse)
        else:
            nodes.extend(ast.iter_child_nodes(node))


def imported(module: Module) -> set[str]:
    """What a module of ours imports."""
    return set(imports(module.tree, module.name, module.path.name == "__init__.py"))


class ImportTests(SynchronousTestCase):
    """Who may know of whom."""

    def test_pure(self) -> None:
        """
        Deciding takes no reactor, no socket, no child process and no clock.
        """
        faults = [
            f"{module.name} imports {name}"
            for module in modules()
            if within(module.name, PURE)
            for name in sorted(imported(module))
            if within(name, IMPURE_LIBRARIES)
        ]
        self.assertEqual(faults, [])

    def test_files(self) -> None:
        """
        Of what is pure, only the configuration's loader looks at files or the environment.
        """
        faults = [
            f"{module.name} imports {name}"
            for module in modules()
            if within(module.name, PURE - READS_FILES)
            for name in sorted(imported(module))
            if within(name, {"os", "pathlib", "tempfile", "shutil"})
        ]
        self.assertEqual(faults, [])

    def test_downward(self) -> None:
        """
        Imports go downward only; gateway and exporter, pool and wire do not know of each other.
        """
        faults = [
            f"{module.name} imports {name}"
            for module in modules()
            for place, above in NEVER.items()
            if within(module.name, {place})
            for name in sorted(imported(module))
            if within(name, {f"{PACKAGE}.{each}" for each in above})
        ]
        self.assertEqual(faults, [])

    def test_no_global_reactor(self) -> None:
        """
        The reactor is handed down; only the command lines ask for the global one.
        """
        faults = [
            module.name
            for module in modules()
            if "twisted.internet.reactor" in imported(module)
            and not module.name.endswith((".tap", ".cli"))
        ]
        self.assertEqual(faults, [])

    def test_no_cycles(self) -> None:
        """
        No module imports itself, by whatever detour.
        """
        names = {f"{PACKAGE}.{each.name}".rstrip(".") for each in modules()}
        graph = {
            f"{PACKAGE}.{module.name}".rstrip("."): imported(module) & names for module in modules()
        }
        # `from ollama_twisted.pool import node` names the package as well, which is empty.
        packages = {name for name in names if not graph[name]}
        while True:
            leaves = {name for name, needs in graph.items() if not needs - packages}
            if not leaves:
                break
            packages |= leaves
            graph = {name: needs for name, needs in graph.items() if name not in leaves}
        self.assertEqual(graph, {})


class LayoutTests(SynchronousTestCase):
    """What a contributor may rely on when opening a file."""

    def test_length(self) -> None:
        """
        A module is one noun: none is longer than can be read at one go.
        """
        lengths = {each.name: len(each.path.read_text().splitlines()) for each in modules()}
        self.assertEqual({name: n for name, n in lengths.items() if n > LONGEST}, {})

    def test_opening(self) -> None:
        """
        Every module opens by saying what it is about.
        """
        self.assertEqual([each.name for each in modules() if not ast.get_docstring(each.tree)], [])

    def test_packages_hold_nothing(self) -> None:
        """
        Nothing is re-exported for convenience: one thing has one name.
        """
        busy = [
            each.name
            for each in modules()
            if each.path.name == "__init__.py" and each.name and len(each.tree.body) > 1
        ]
        self.assertEqual(busy, [])

    def test_plugin_folders(self) -> None:
        """
        Twisted's plugin folders are no packages: with an ``__init__.py`` they would hide Twisted.
        """
        self.assertEqual([str(each) for each in (ROOT / "twisted").rglob("__init__.py")], [])

    def test_plugins_are_lazy(self) -> None:
        """
        The file that twistd reads at each start of any program imports nothing of ours.
        """
        path = ROOT / "twisted" / "plugins" / "ollama_twisted_plugins.py"
        names = set(imports(ast.parse(path.read_text(encoding="utf-8")), "plugins"))
        self.assertEqual([each for each in names if within(each, {PACKAGE})], [])


class ReadingTests(SynchronousTestCase):
    """That the above sees what it should: a rule nobody can break protects nothing."""

    def found(self, source: str, name: str = "pool.line", is_package: bool = False) -> set[str]:
        return set(imports(ast.parse(source), name, is_package))

    def test_forms(self) -> None:
        """
        Every form of the import statement is seen, inside functions too.
        """
        self.assertEqual(
            self.found("import socket\ndef f():\n    from twisted.internet import reactor"),
            {"socket", "twisted.internet", "twisted.internet.reactor"},
        )

    def test_relative(self) -> None:
        """
        Relative imports are resolved, from a module and from a package.
        """
        self.assertEqual(
            self.found("from ..wire import head"),
            {"ollama_twisted.wire", "ollama_twisted.wire.head"},
        )
        self.assertEqual(
            self.found("from . import node", "pool", is_package=True),
            {"ollama_twisted.pool", "ollama_twisted.pool.node"},
        )

    def test_type_checking(self) -> None:
        """
        What only the type checker reads is not an import, its alternative is.
        """
        self.assertEqual(
            self.found("if TYPE_CHECKING:\n    import ssl\nelse:\n    import socket"), {"socket"}
        )
