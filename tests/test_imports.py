"""Imports point one way, and heavy ones happen only where they are used."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import tgt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Workplace

PACKAGE = Path(tgt.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))

# A part may import the parts of its own layer and of those below it. The settings lie low because
# they are frozen data that any part may be given.
LAYERS = (
    ("__main__",),
    ("cli",),
    ("diagnostics",),
    ("output", "cycle", "demo", "backtest", "doctor", "setup", "report"),
    ("triage", "schedule", "durations", "lookback", "survey"),
    ("analyzers",),
    ("outcome",),
    ("engine", "store"),
    ("sources", "tasks", "config", "settings", "environment"),
    ("events", "stats", "redact", "subjects", "plugins", "templates"),
    ("options",),
    ("errors", "__init__"),
)
RANK = {part: len(LAYERS) - rank for rank, layer in enumerate(LAYERS) for part in layer}


def _part(path: Path) -> str:
    relative = path.relative_to(PACKAGE)
    return relative.parts[0].removesuffix(".py")


def _imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every module that a file imports at run time or for its types, with the line."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports name the whole module"
            assert node.module is not None
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node.lineno


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path: Path) -> None:
    """The core can then be used, tested and understood without the shell around it."""
    own = RANK.get(_part(path))
    assert own is not None, f"{_part(path)} has no layer: give it one in this test"
    for name, line in _imports(path):
        words = name.split(".")
        if words[0] != "tgt" or len(words) == 1 or words[1] == "__version__":
            continue
        other = RANK.get(words[1])
        assert other is not None, f"{path.name}:{line}: {name} has no layer"
        assert other <= own, f"{path.name}:{line}: {_part(path)} is below {words[1]}"


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
        ("pydantic", ("config.py", "settings.py"), "dictionaries are validated where they enter"),
        ("dotenv", ("config.py",), "one place reads settings"),
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
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
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
        (["approve", "01K"], {"duckdb", "rich", "pydantic", "dotenv"}),
        (["cleanup"], {"duckdb", "rich", "pydantic", "dotenv"}),
        (["pause", "--json"], {"duckdb", "rich", "pydantic", "dotenv"}),
        (["stats", "--json"], {"duckdb", "rich", "dotenv"}),
        (["config", "--json"], {"duckdb", "rich", "dotenv"}),
        (["run", "--json"], {"duckdb", "rich", "dotenv"}),
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
    shared = {f"tgt.cli.{name}" for name in ("__init__", "completion", "lazy", "request", "tasks")}
    for words in (["list"], ["--now", "2025-11-03T16:00:00Z", "--json", "list"]):
        assert (commands - shared) & _loaded(workplace, *words) == {"tgt.cli.list_"}
    assert commands - shared <= _loaded(workplace, "--help")
