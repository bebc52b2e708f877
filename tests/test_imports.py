"""Imports point one way, and heavy ones happen only where they are used."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pages import Page, coded

import tgt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from conftest import Workplace

PACKAGE = Path(tgt.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
ARCHITECTURE = Page("docs/architecture.md")

# A part may import what stands after it: in its own layer or in one below. Each layer comes with
# what it refuses to do, which is the reason; docs/architecture.md shows this table to people.
LAYERS: dict[str, tuple[tuple[str, ...], str]] = {
    "shell": (
        ("__main__", "deliver", "cli", "mcp", "tui", "diagnostics", "output"),
        "decide anything: it parses, hands over and writes; nothing else knows a command line, a"
        " terminal or a stream",
    ),
    "work": (
        (
            *("setup", "demo_sessions", "demo", "doctor", "backtest"),
            *("gate", "judgeable", "report", "survey", "board", "listing"),
            *(
                "evidence",
                "verify",
                "cycle",
                "completing",
                "judging",
                "follow_up",
                "triage",
                "log",
                "schedule",
                "lookback",
                "marks",
            ),
            *("notify", "watch", "mutes"),
        ),
        "print or exit: a use case takes settings and a time, and returns what came of it",
    ),
    "judgement": (
        ("analyzers", "outcome"),
        "read telemetry or cards: it asks questions and judges the answers",
    ),
    "telemetry": (
        ("engine",),
        "judge: what it counts means the same to whoever asks",
    ),
    "memory": (
        ("store",),
        "know what a card means: it keeps lines, locks and files whole",
    ),
    "settings": (
        ("config", "settings", "rules"),
        "be looked up elsewhere: they are read once, and are frozen data that all above are given",
    ),
    "formats": (
        ("sources",),
        "know what is done with records, or who else tells the same",
    ),
    "cards": (
        ("tasks",),
        "touch a file or a clock: every decision is a function of cards, findings and a time",
    ),
    "ground": (
        (
            *("templates", "redact", "events", "stats", "subjects", "durations", "environment"),
            *("targets", "quiet_hours", "plugins", "options", "errors", "__init__"),
        ),
        "know any of those above",
    ),
}
ORDER = [part for parts, _ in LAYERS.values() for part in parts]

LIGHT = {"__version__", "cli", "diagnostics", "durations", "environment", "errors", "tasks"}
"""What a command may import before it is called."""

APART = [
    ("engine", "tasks", "questions do not know what becomes of the answers"),
    ("sources", "tasks", "formats do not know that there are cards"),
    ("analyzers", "store", "analyzers are given what they need to know of cards"),
    ("store", "config", "files are told where they lie"),
]
"""What does not import each other, although the layers would allow it."""


def _part(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _imports(path: Path) -> tuple[tuple[str, int], ...]:
    """Every module that a file imports at run time or for its types, with the line."""
    return tuple(_imported(ast.walk(_tree(path)), path))


@cache
def _imports_at_once(path: Path) -> tuple[tuple[str, int], ...]:
    """What a file imports when it is imported itself: not in functions, not for types alone."""
    return tuple(_imported(_executed(_tree(path).body), path))


def _executed(nodes: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        for name in ("body", "orelse", "finalbody"):
            yield from _executed(getattr(node, name, ()))


def _imported(nodes: Iterable[ast.AST], path: Path) -> Iterator[tuple[str, int]]:
    for node in nodes:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports name the whole module"
            assert node.module is not None
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node.lineno


def _parts_imported(path: Path) -> Iterator[tuple[str, int]]:
    """Other parts of tgt that a file imports, with the line."""
    for name, line in _imports(path):
        words = name.split(".")
        if words[0] == "tgt" and len(words) > 1 and words[1] not in {"__version__", _part(path)}:
            yield words[1], line


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    """The core can then be used, tested and understood without the shell around it."""
    own = _part(path)
    assert own in ORDER, f"{own} has no layer: give it one in this test"
    for other, line in _parts_imported(path):
        assert other in ORDER, f"{path.name}:{line}: {other} has no layer"
        assert ORDER.index(own) < ORDER.index(other), f"{path.name}:{line}: {own} is below {other}"
        for part, stranger, reason in APART:
            assert (own, other) != (part, stranger), f"{path.name}:{line} imports {other}: {reason}"


def test_an_engine_is_known_to_the_registry_of_engines_alone() -> None:
    """Analyzers and commands then work on any."""
    engines = {path.name for path in (PACKAGE / "engine").iterdir() if path.is_dir()}
    for path in MODULES:
        relative = path.relative_to(PACKAGE).parts
        for name, line in _imports(path):
            words = (*name.split("."), "")
            if words[:2] == ("tgt", "engine") and words[2] in engines:
                is_own = relative[:2] == ("engine", words[2])
                # What it reads it keeps in the same store, and is asked of that.
                is_kept = (relative[:2], words[2]) == (("engine", "clickhouse"), "duckdb")
                is_known = is_own or is_kept or relative == ("engine", "registry.py")
                assert is_known, f"{path.name}:{line}"


def test_the_layers_are_told_to_people() -> None:
    shown = {row[0]: (tuple(coded(row[1])), row[2]) for row in ARCHITECTURE.table("layers")}
    assert shown == LAYERS


@pytest.mark.parametrize(
    ("module", "only_in", "reason"),
    [
        ("rich", ("output",), "one place decides how things look, and machines never load it"),
        (
            "duckdb",
            ("engine", "sources", "survey.py"),
            "everything else is independent of the engine",
        ),
        ("typer", ("cli",), "only commands know that there is a command line"),
        ("fcntl", ("store",), "one place locks"),
        (
            "pydantic",
            ("config.py", "settings.py", "mcp"),
            "dictionaries are validated where they enter",
        ),
        ("mcp", ("mcp",), "only the server of agents speaks their protocol"),
        ("anyio", ("mcp",), "everything else does one thing after another"),
        ("dotenv", ("config.py",), "one place reads settings"),
        ("textual", ("tui",), "only the screen knows how a screen is drawn"),
    ],
)
def test_a_library_is_imported_in_one_place(
    module: str, only_in: tuple[str, ...], reason: str
) -> None:
    for path in MODULES:
        for name, line in _imports(path):
            if name.split(".")[0] == module:
                assert path.relative_to(PACKAGE).parts[0] in only_in, (
                    f"{path.name}:{line} imports {module}: {reason}"
                )


@pytest.mark.parametrize(
    ("module", "only_in", "reason"),
    [
        ("duckdb", ("engine/duckdb",), "the engine's library takes longer than a small command"),
        (
            "tgt.engine.duckdb",
            ("engine/duckdb", "engine/clickhouse"),
            "it brings its library with it",
        ),
        ("clickhouse_connect", (), "an extra"),
        ("rich", ("output",), "what prints JSON or a help needs no colours"),
        (
            "pydantic",
            ("config.py", "settings.py", "mcp"),
            "commands that look at cards need one setting",
        ),
        ("mcp", ("mcp",), "an extra"),
        ("dotenv", (), "most settings are no file's"),
        ("zstandard", (), "few files are compressed so"),
        ("sqlite3", (), "one format keeps a database"),
        ("textual", ("tui",), "an extra"),
        ("apprise", (), "an extra"),
        ("difflib", (), "mistakes are rare"),
        ("importlib.metadata", (), "most runs name no plug-in"),
        ("tgt.redact.own", (), "few have patterns of their own"),
    ],
)
def test_what_is_heavy_is_imported_where_it_is_used(
    module: str, only_in: tuple[str, ...], reason: str
) -> None:
    """At the top of a file only where whoever loads the file needs it; elsewhere in a function,
    which is why there is no rule against that."""
    for path in MODULES:
        place = path.relative_to(PACKAGE).as_posix()
        if place.startswith(only_in):
            continue
        for name, line in _imports_at_once(path):
            is_it = name == module or name.startswith(f"{module}.")
            assert not is_it, f"{place}:{line} imports {module} at once: {reason}"


def test_a_command_imports_little_before_it_is_called() -> None:
    """``tgt --help`` loads all of them; what a command works with is loaded when it is run."""
    for path in (PACKAGE / "cli").glob("*.py"):
        for name, line in _imports_at_once(path):
            words = name.split(".")
            assert words[0] != "tgt" or words[1] in LIGHT, f"{path.name}:{line} imports {name}"


@pytest.mark.parametrize(
    ("call", "only_in", "reason"),
    [
        ("print", (), "results go through output, messages through diagnostics"),
        ("datetime.now", ("cli",), "the core is given the time, so every run can be repeated"),
        ("datetime.utcnow", (), "naive times are mistaken for local ones"),
        ("time.time", (), "the core is given the time"),
        ("sys.exit", ("cli",), "only the command exits"),
        ("os.rename", (), "fsio replaces files durably"),
        ("os.replace", ("store",), "one place renames"),
        ("os.fsync", ("store",), "one place makes things durable"),
    ],
)
def test_an_effect_happens_in_one_place(call: str, only_in: tuple[str, ...], reason: str) -> None:
    for path in MODULES:
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == call:
                assert path.relative_to(PACKAGE).parts[0] in only_in, (
                    f"{path.name}:{node.lineno} calls {call}: {reason}"
                )


def _loaded(workplace: Workplace, *arguments: str) -> set[str]:
    """The modules that a command has loaded, in a fresh interpreter."""
    script = (
        "import atexit, json, sys\n"
        "atexit.register(lambda: print(json.dumps(sorted(sys.modules)), file=sys.stderr))\n"
        "from tgt.cli import main\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=workplace.path,
        env=workplace.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize(
    ("arguments", "unneeded"),
    [
        (["--help"], {"duckdb", "rich", "pydantic", "dotenv"}),
        (["list", "--help"], {"duckdb", "rich", "pydantic", "dotenv"}),
        (["--version"], {"duckdb", "rich", "pydantic", "dotenv"}),
        (["list"], {"duckdb", "pydantic", "dotenv"}),
        (["list", "--json"], {"duckdb", "rich", "pydantic", "dotenv"}),
        (["show", "01K", "--json"], {"duckdb", "rich", "pydantic", "dotenv"}),
        (["show", "01K", "--format", "markdown"], {"duckdb", "pydantic", "dotenv"}),
        (["list", "--new"], {"duckdb", "pydantic", "dotenv"}),
        (["log", "--since", "2d", "--json"], {"duckdb", "rich", "pydantic", "dotenv"}),
        (["approve", "01K"], {"duckdb", "rich", "pydantic", "dotenv"}),
        (["cleanup"], {"duckdb", "rich", "pydantic", "dotenv"}),
        (["pause", "--json"], {"duckdb", "rich", "pydantic", "dotenv"}),
        (["stats", "--json"], {"duckdb", "rich", "dotenv"}),
        (["config", "--json"], {"duckdb", "rich", "dotenv"}),
        (["run", "--json"], {"duckdb", "rich", "dotenv", "mcp", "tgt.mcp", "textual", "tgt.tui"}),
    ],
)
def test_a_command_loads_only_what_it_needs(
    workplace: Workplace,
    card_data: Callable[..., dict[str, Any]],
    arguments: list[str],
    unneeded: set[str],
) -> None:
    """Triage is typed by people, who wait for every library."""
    workplace.write_journal(card_data())
    (workplace.path / ".forgekeeper" / "context_log").mkdir(parents=True, exist_ok=True)
    assert not unneeded & _loaded(workplace, *arguments)


def test_a_command_loads_no_other_command(workplace: Workplace) -> None:
    """Only to list the commands, or to say that there is no such one, are all of them loaded."""
    commands = {f"tgt.cli.{path.stem}" for path in (PACKAGE / "cli").glob("*.py")}
    shared = {
        f"tgt.cli.{name}"
        for name in (
            *("__init__", "agent_tools", "completion", "filters", "lazy", "plain_settings"),
            "request",
            "tasks",
        )
    }
    for words in (["list"], ["--now", "2025-11-03T16:00:00Z", "--json", "list"]):
        assert (commands - shared) & _loaded(workplace, *words) == {"tgt.cli.list_"}
    assert commands - shared <= _loaded(workplace, "--help")
