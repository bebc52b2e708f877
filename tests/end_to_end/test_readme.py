"""README.md says what the code does: its tables, documents, examples and links are held to it."""

from __future__ import annotations

import ast
import inspect
import json
import re
import shutil
import subprocess
import sys
import textwrap
import tomllib
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import tgt
from tgt import config, cycle, redact, triage
from tgt.analyzers import base, continuation, docs_gap, error_spike, performance, ux_issue
from tgt.analyzers.registry import ALL
from tgt.cli import command_line
from tgt.engine.duckdb import queries as duckdb_engine
from tgt.engine.protocol import Usage
from tgt.errors import ExitStatus, SettingsError
from tgt.outcome import Abstention, RunReport, SkipReason
from tgt.output import machine, words
from tgt.sources import claude_code, codex, contextlog
from tgt.sources import spec as places
from tgt.stats import distributions as histogram
from tgt.store import fsio, journal
from tgt.store import state_file as sidecar
from tgt.tasks import ledger
from tgt.tasks.card import (
    Card,
    Evidence,
    Finding,
    Fix,
    Severity,
    Status,
    TaskType,
    new_card,
    priority,
)
from tgt.tasks.ledger import Action, Decision

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from conftest import Workplace

    from tgt.events import Interval

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
NOW = datetime(2025, 11, 3, 16, 0, tzinfo=timezone.utc)
GROUP = command_line()
COMMANDS: dict[str, Any] = {
    name: GROUP.get_command(None, name) for name in GROUP.list_commands(None)
}
SHARED = {"--json", "--now", "--env-file", "--no-color"}
SHELL = ("sh", "-euc")


def after(mark: str) -> str:
    """What follows an HTML comment on a line of its own."""
    found = re.split(rf"^ *<!-- {re.escape(mark)} -->$\n", TEXT, flags=re.MULTILINE)
    assert len(found) == 2, f"{mark}: {len(found) - 1} times in README.md"
    return found[1]


def block(mark: str) -> str:
    """The code block that stands directly after a mark."""
    found = re.match(r"( *)```\w+\n(.*?)\n\1```$", after(mark), re.DOTALL | re.MULTILINE)
    assert found, f"no code block after {mark}"
    return textwrap.dedent(found[2])


def table(mark: str) -> list[list[str]]:
    """The rows of the table that stands directly after a mark, without its head."""
    rows = after(mark).split("\n\n", 1)[0].splitlines()
    assert set(rows[1]) == set("|- "), f"no table after {mark}"
    cells = ([c.strip().replace("\\|", "|") for c in re.split(r"(?<!\\)\|", row)] for row in rows)
    return [row[1:-1] for row in list(cells)[2:]]


def coded(cell: str) -> list[str]:
    """What a cell has in code type."""
    return re.findall(r"`([^`]+)`", cell)


def section(heading: str) -> str:
    """A section's text on one line, down to the next heading."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", TEXT, re.DOTALL | re.MULTILINE)
    assert found, heading
    return " ".join(found[1].split())


def options(command: str) -> set[str]:
    own = COMMANDS[command].params
    return {name for p in own if p.param_type_name == "option" for name in _names(p)}


def _names(parameter: Any) -> Iterator[str]:
    yield from (name for name in (*parameter.opts, *parameter.secondary_opts) if name[:2] == "--")


def a_finding() -> Finding:
    return Finding(
        analyzer="error_spike",
        type=TaskType.ERROR_SPIKE,
        subject="tool_call/read_file",
        severity=Severity.HIGH,
        title="Errors of read_file",
        description="It fails.",
        evidence=Evidence("failing_conversations", "25%", "3 × usual", "60 minutes"),
        fix=Fix("find_common_cause", ("Look",)),
        acceptance=("It works",),
        confidence=0.93,
        impact=0.25,
    )


# --- the two commands, and installing ------------------------------------------------------------


def test_the_main_command_installs_tgt_and_runs_the_demo() -> None:
    assert block("main-command") == (
        "python3 -m venv .venv && .venv/bin/pip install -q . && .venv/bin/tgt demo"
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "tgt" in project["scripts"]
    assert "demo" in COMMANDS


def test_the_test_command_installs_what_the_tests_need() -> None:
    command = block("test-command")
    assert command == (
        "python3 -m venv .venv && .venv/bin/pip install -q -e '.[dev]'"
        " && .venv/bin/python -m pytest -q -n 2"
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert any(need.startswith("pytest-xdist") for need in project["optional-dependencies"]["dev"])


def directive(unit: str, key: str) -> str:
    lines = (ROOT / "systemd" / unit).read_text(encoding="utf-8").splitlines()
    (value,) = (line.partition("=")[2] for line in lines if line.startswith(f"{key}="))
    return value


def test_an_account_has_everything_where_its_unit_and_cron_look(tmp_path: Path) -> None:
    steps = block("account-install")
    assert "pipx install ." in steps  # which puts the program into ~/.local/bin
    files = "\n".join(s for s in steps.splitlines() if not s.startswith("pipx"))
    subprocess.run([*SHELL, files], cwd=ROOT, env={"HOME": str(tmp_path)}, check=True)

    def place(value: str) -> Path:
        return Path(value.removeprefix("-").replace("%h", str(tmp_path)))

    unit = "user/tgt.service"
    assert directive(unit, "ExecStart") == "%h/.local/bin/tgt run"
    assert place(directive(unit, "EnvironmentFile")).is_file()
    assert place(directive(unit, "WorkingDirectory")).is_dir()
    for name in (unit, "tgt.timer", directive(unit, "OnFailure").replace("%N", "")):
        assert (tmp_path / ".config/systemd/user" / Path(name).name).is_file()
    cron = (ROOT / "crontab.example").read_text(encoding="utf-8")
    for path in re.findall(r'"\$HOME/([^"]+)"', cron):
        assert path == ".local/bin/tgt" or (tmp_path / path).exists(), path


def test_a_machine_has_everything_where_its_unit_looks(tmp_path: Path) -> None:
    steps = block("machine-install")
    assert directive("tgt.service", "ExecStart") == "/opt/tgt/bin/tgt run"
    assert "python3 -m venv /opt/tgt\n/opt/tgt/bin/pip install .\n" in steps
    assert f"/var/lib/{directive('tgt.service', 'StateDirectory')} " in steps
    assert re.search(rf"^useradd .* {directive('tgt.service', 'User')}$", steps, re.MULTILINE)
    (tmp_path / "etc/systemd/system").mkdir(parents=True)
    files = "\n".join(s for s in steps.splitlines() if s.startswith(("mkdir", "cp")))
    here = files.replace(" /etc/", f" {tmp_path}/etc/")

    subprocess.run([*SHELL, here], cwd=ROOT, check=True)

    settings = directive("tgt.service", "EnvironmentFile").removeprefix("-/")
    assert (tmp_path / settings).is_file()
    names = {path.name for path in (tmp_path / "etc/systemd/system").iterdir()}
    assert names == {"tgt.service", "tgt.timer", "tgt-failure@.service"}


def test_the_tasks_go_where_the_units_may_write() -> None:
    writable = directive("user/tgt.service", "ReadWritePaths").replace("%h", "~")
    assert f"FGK_TASKS_DIR={writable}/tasks" in TEXT
    assert f"FGK_TASKS_DIR=/var/lib/{directive('tgt.service', 'StateDirectory')}/tasks" in TEXT


def test_every_example_of_settings_loads(tmp_path: Path) -> None:
    blocks = re.findall(r"^```sh\n((?:[A-Z_]+=.*\n)+)```$", TEXT, re.MULTILINE)
    assert len(blocks) >= 2
    for text in blocks:
        (tmp_path / ".env").write_text(text, encoding="utf-8")
        config.load(environ={}, env_file=tmp_path / ".env")
        assert {line.partition("=")[0] for line in text.splitlines()} <= set(config.VARIABLES)


# --- settings and commands -----------------------------------------------------------------------


def accepted(variable: str) -> str:
    """What a refusal says; empty where everything is accepted."""
    try:
        config.load({variable: "\0"}, environ={})
    except SettingsError as refusal:
        return refusal.message.partition("accepted is ")[2]
    return ""


def test_the_settings() -> None:
    assert table("settings") == [
        [f"`{v}`", f"`{config.default_text(v)}`", config.description(v), accepted(v)]
        for v in config.VARIABLES
    ]


def test_the_commands_with_their_summaries() -> None:
    rows = {coded(usage)[0].split()[1]: does for usage, does in table("commands")}
    assert rows == {name: command.get_short_help_str(200) for name, command in COMMANDS.items()}
    assert list(rows) == list(COMMANDS), "in the order of tgt --help"


def test_the_summaries_fit_into_the_help(workplace: Workplace) -> None:
    told = workplace.tgt("--help").out
    for usage, does in table("commands"):
        assert re.search(
            rf"^ +{coded(usage)[0].split()[1]} +{re.escape(does)}$", told, re.MULTILINE
        )


@pytest.mark.parametrize("usage", [coded(row[0])[0] for row in table("commands")])
def test_the_options_and_arguments_of_a_command(usage: str) -> None:
    name = usage.split()[1]
    assert set(re.findall(r"--[a-z-]+", usage)) == options(name) - SHARED - {"--help"}
    arguments = [p for p in COMMANDS[name].params if p.param_type_name == "argument"]
    assert ("TASK" in usage) == bool(arguments)
    assert ("TASK…" in usage) == any(p.nargs == -1 for p in arguments)


def test_the_shared_options() -> None:
    told = {coded(option)[0]: meaning for option, meaning in table("shared-options")}
    for command in COMMANDS.values():
        own = {name: p.help for p in command.params for name in _names(p) if name in SHARED}
        assert own == told


def test_every_call_of_tgt_in_the_text_is_possible() -> None:
    """Inside code: the command exists, and so does each of its options."""
    code = re.findall(r"```sh\n(.*?)```|`([^`\n]+)`", TEXT, re.DOTALL)
    calls = [
        call
        for texts in code
        for line in "".join(texts).splitlines()
        for call in re.findall(r"(?:^|[ /])tgt ((?:--env-file \S+ )?[a-z]+\b[^|#;&]*)", line)
        if not line.startswith(("useradd", "#"))
    ]
    assert len(calls) > 30
    for call in calls:
        name = re.sub(r"--env-file \S+ ", "", call).split()[0]
        assert name in COMMANDS, call
        assert set(re.findall(r"--[a-z-]+", call)) <= options(name) | {"--help"}, call


def test_the_exit_statuses() -> None:
    assert [int(row[0]) for row in table("exit-statuses")] == sorted(ExitStatus)


# --- JSON ----------------------------------------------------------------------------------------

MAPS = {"analyzers", "byStatus", "bySeverity", "byType", "byAnalyzer"}


def shape(value: Any, key: str = "") -> Any:
    """The keys of a document, however deep; of lists and maps by name those of the first item."""
    if isinstance(value, dict):
        if key in MAPS:
            return [shape(item) for item in list(value.values())[:1]]
        return {name: shape(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [shape(item) for item in value[:1]]
    return "scalar"


def test_the_document_of_a_run() -> None:
    card = new_card(a_finding(), NOW)
    report = RunReport(
        "Analysis complete: 1 task saved",
        abstained=(Abstention("performance", "tool_call/git_diff", "11 of 20 calls"),),
        decisions=(Decision(a_finding(), Action.SAVE, ledger.NEW, card),),
        tasks=(card,),
    )
    assert shape(json.loads(block("json: run"))) == shape(machine.run(report))


def test_the_example_of_a_run_adds_up() -> None:
    result = json.loads(block("json: run"))["result"]
    parts = ("tasksSaved", "tasksSkipped", "tasksDeferred", "tasksReopened")
    assert result["tasksFiltered"] == sum(result[part] for part in parts)
    assert len(result["tasks"]) == result["tasksSaved"]


def test_the_outcomes_of_a_run() -> None:
    reports = [RunReport("", reason) for reason in SkipReason]
    reports += [RunReport("", rate_limited=True), RunReport("", dry_run=True)]
    documents = [*map(machine.run, reports), machine.run_failure("…")]
    told = [json.loads("{" + coded(row[0])[0] + "}") for row in table("outcomes")]
    assert len(told) == len(documents)
    for outcome in told:
        assert any(outcome.items() <= _scalars(d["result"]).items() for d in documents), outcome


def _scalars(document: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in document.items() if not isinstance(v, list | dict)}


def test_the_document_of_the_statistics(
    workplace: Workplace, card_data: Callable[..., dict[str, Any]]
) -> None:
    workplace.write_journal(card_data())
    document = workplace.tgt("stats", "--json").json
    assert shape(json.loads(block("json: stats"))) == shape(document)


def test_the_keys_of_each_document(
    workplace: Workplace, card_data: Callable[..., dict[str, Any]]
) -> None:
    """By running each command but the demo, which takes its time and has a test of its own."""
    card = card_data()
    workplace.write_journal(card)
    (workplace.path / ".forgekeeper" / "context_log").mkdir()
    told = {coded(name)[0].removeprefix("tgt "): coded(keys) for name, keys in table("documents")}
    assert list(told.items())[-1] == ("demo", ["demo"])
    del told["demo"]
    assert {*told, "demo"} == set(COMMANDS)
    for name, keys in told.items():
        tasks = [p for p in COMMANDS[name].params if p.param_type_name == "argument"]
        needed = {"backtest": ["--since", "1h"], "annotate": ["--owner", "ada"]}.get(name, [])
        result = workplace.tgt(name, *([card["id"]] if tasks else []), *needed, "--json")
        assert list(result.json) == keys, name


def prepare(workplace: Workplace, card_data: Callable[..., dict[str, Any]]) -> dict[str, str]:
    """A task, a log with something to abstain from, and ``tgt`` as of NOW on the path."""
    workplace.write_journal(card_data(severity="critical"))
    write_log(workplace.path, conversations=3, calls=2)
    program = workplace.path / "bin" / "tgt"
    program.parent.mkdir()
    stamp = NOW.isoformat()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tgt --now {stamp} "$@"\n')
    program.chmod(0o755)
    path = f"{program.parent}:{Path(shutil.which('jq') or '/usr/bin/jq').parent}:/usr/bin:/bin"
    return workplace.environment(PATH=path)


def write_log(directory: Path, *, conversations: int, calls: int) -> None:
    log = directory / ".forgekeeper" / "context_log"
    log.mkdir(parents=True, exist_ok=True)
    with (log / "ctx-20251103-15.jsonl").open("w", encoding="utf-8") as lines:
        for conversation in range(conversations):
            for call in range(calls):
                at = NOW - timedelta(minutes=40, seconds=-call - 60 * conversation)
                event = {
                    "ts": at.isoformat(),
                    "act": "tool_call",
                    "name": "read_file",
                    "status": "error" if conversation else "ok",
                    "conv_id": f"conv-{conversation}",
                    "elapsed_ms": 20,
                }
                lines.write(json.dumps(event) + "\n")


EXAMPLES = [line for line in block("jq").splitlines() if not line.startswith("#")]


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_with_jq_prints_something(
    example: str, workplace: Workplace, card_data: Callable[..., dict[str, Any]]
) -> None:
    environment = prepare(workplace, card_data)
    if shutil.which("jq") is None:
        first = example.partition("|")[0].removeprefix("tgt ").replace(" --json", "").split()
        document = json.dumps(workplace.tgt("--now", NOW.isoformat(), "--json", *first).json)
        program = example.split("'")[1]
        for key in re.findall(r"\.([a-zA-Z]+)", program):
            assert key in {"key", "value"} or f'"{key}": ' in document, key
        return

    done = subprocess.run(
        [*SHELL, example],
        cwd=workplace.path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()
    assert "null" not in done.stdout


# --- the card ------------------------------------------------------------------------------------


def test_the_keys_of_a_card(tmp_path: Path) -> None:
    """Those that a card has by the time that everything was done to it."""
    store = journal.Journal(tmp_path)
    card = new_card(a_finding(), NOW)
    with store.writing() as writer:
        writer.append([card])
    triage.approve(store, [card.id], NOW, note="yes")
    until = NOW + timedelta(days=1)
    triage.dismiss(store, [card.id], NOW, reason="no", until=until)
    triage.complete(store, [card.id], NOW, note="done")
    triage.reopen(store, [card.id], NOW, note="not done")
    triage.annotate(store, [card.id], NOW, owner="ada", links=["https://a.example"], note="well")
    whole = store.read().cards[card.id].data

    rows = table("card")
    assert sorted(key for row in rows for key in coded(row[0])) == sorted(whole)
    told = {key: set(coded(row[1])) for row in rows for key in coded(row[0])}
    assert told["evidence"] == set(whole["evidence"])
    assert told["suggestedFix"] == set(whole["suggestedFix"])
    assert told["status"] == set(Status)
    assert told["severity"] == set(Severity)
    came_back = Decision(a_finding(), Action.REOPEN, ledger.CAME_BACK, Card(whole))
    reopened = ledger.apply(came_back, NOW)
    assert reopened is not None
    assert told["metadata"] < set(reopened.data["metadata"])
    assert set(reopened.data) == set(whole)


def test_the_priority() -> None:
    weights = ", ".join(str(priority(s, 1.0, 0.0)) for s in list(Severity)[:-1])
    lowest = priority(Severity.LOW, 1.0, 0.0)
    most = priority(Severity.LOW, 1.0, 1.0) - lowest
    told = f"severity ({weights} or {lowest}), plus up to {most} for the share"
    assert told in section("The card")


def test_the_reasons_of_decisions() -> None:
    rows = [(coded(action)[0], coded(reason)[0]) for action, reason, _ in table("reasons")]
    assert {action for action, _ in rows} == set(Action)
    reasons = [reason for _, reason in rows]
    assert sorted(reasons) == sorted(words.REASONS)
    tree = ast.parse(inspect.getsource(ledger))
    constants = {
        node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
    }
    assert {c for c in constants if isinstance(c, str)} == set(reasons)


# --- the analyzers -------------------------------------------------------------------------------


def test_the_analyzers_and_their_types() -> None:
    rows = table("analyzers")
    assert [coded(row[0])[0] for row in rows] == [a.name for a in ALL] == list(config.ANALYZERS)
    for row, analyzer in zip(rows, ALL, strict=True):
        source = inspect.getsource(inspect.getmodule(type(analyzer)) or analyzer.analyze)
        types = {TaskType[name] for name in re.findall(r"type=TaskType\.(\w+)", source)}
        assert types == {coded(row[1])[0]}
        assert set(coded(row[3])) <= set(config.VARIABLES)
        section(f"`{analyzer.name}`")


WINDOWS = "`continuation` at {}, `error_spike` at {} and `performance` at {} hours"


def test_the_longer_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that each analyzer asks for in a real cycle."""
    asked: list[tuple[int, ...]] = []
    ask = base.Context.longer_windows

    def listen(context: base.Context, *hours: int) -> list[Interval]:
        asked.append(hours)
        return ask(context, *hours)

    monkeypatch.setattr(base.Context, "longer_windows", listen)
    write_log(tmp_path, conversations=1, calls=1)
    monkeypatch.chdir(tmp_path)

    assert cycle.run(config.load(environ={}), NOW).warnings == ()

    told = [" and ".join(", ".join(map(str, hours)).rsplit(", ", 1)) for hours in asked]
    assert WINDOWS.format(*told) in section("How the analyzers decide")


NUMBERS = [
    ("`continuation`", "Needs {} responses with a known end", continuation.MIN_RESPONSES),
    ("`continuation`", "cut-off ones in {} conversations", continuation.MIN_CONVERSATIONS),
    ("`error_spike`", "Needs {} errors", error_spike.MIN_ERRORS),
    ("`error_spike`", "errors in {} conversations", error_spike.MIN_CONVERSATIONS),
    ("`error_spike`", "and {} hours of baseline", base.MIN_HOURS_OBSERVED),
    ("`error_spike`", "with {} failing", error_spike.MIN_BASELINE_FAILING),
    ("`error_spike`", "failing or {} conversations in it", error_spike.MIN_BASELINE_UNITS),
    ("`error_spike`", "most of at least {} calls", error_spike.MIN_NEW_CALLS),
    ("`error_spike`", "less than once in {:,.0f})", 1 / error_spike.CRITICAL_TAIL),
    ("`docs_gap`", "Needs {} conversations", docs_gap.MIN_CONVERSATIONS),
    ("`performance`", "Needs {} calls", performance.MIN_CALLS),
    ("`performance`", "calls ({} in", performance.MIN_TAIL_CALLS),
    ("`performance`", "in {} conversations where only", performance.MIN_TAIL_CONVERSATIONS),
    ("`performance`", "and {} hours of baseline", base.MIN_HOURS_OBSERVED),
    ("`performance`", "with {} calls in it", performance.MIN_BASELINE_CALLS),
    ("`performance`", "in steps of {:.0f}%", 100 * (histogram.BASE - 1)),
    ("`ux_issue`", "no event for {:.0f} minutes", duckdb_engine.IDLE.total_seconds() / 60),
    ("`ux_issue`", "more than {:.0f} seconds", duckdb_engine.LONG_WAIT_MS / 1000),
    ("`ux_issue`", "more than {:.0%} of the events", duckdb_engine.ERROR_HEAVY_SHARE),
    ("`ux_issue`", "Needs {} finished conversations", ux_issue.MIN_CONVERSATIONS),
    ("`ux_issue`", "conversations, {} of them bad", ux_issue.MIN_BAD),
    ("How the analyzers decide", "is then at most {}", base.LOOSE_CONFIDENCE),
    ("Security and privacy", "each at most {} characters", base._SAMPLE_TEXT),
]


@pytest.mark.parametrize(("where", "sentence", "value"), NUMBERS)
def test_a_number_of_an_analyzer(where: str, sentence: str, value: float) -> None:
    assert sentence.format(value) in section(where)


def test_the_confidence_of_a_documentation_gap() -> None:
    sure = [docs_gap.confidence(Usage("s", "n", 20, n, by_event=False)) for n in (3, 6, 18)]
    told = "{:.2g} for three, {:.2g} for six, {:.2g} for eighteen"
    assert told.format(*sure) in section("`docs_gap`")


def test_the_severities_of_troubled_conversations() -> None:
    told = section("`ux_issue`")
    aborted, waits, errors = ux_issue.questions(config.Settings())
    assert f"default of {aborted.threshold:.0%}, critical from {aborted.critical:.0%}" in told
    assert f"high from {aborted.high:.0%}" in told
    assert f"{waits.threshold:.0%} with a long wait, {errors.threshold:.0%} error-heavy" in told
    assert (
        f"long waits high above {waits.high:.0%}; error-heavy high above {errors.high:.0%}" in told
    )


def test_the_analyzer_of_the_example_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its code as it stands, in a real cycle over real files."""
    room: dict[str, Any] = {}
    exec(compile(block("toy-analyzer"), "README.md", "exec"), room)
    toy = room["RepeatedCallsAnalyzer"]()
    write_log(tmp_path, conversations=4, calls=15)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cycle, "chosen", lambda _names: (toy,))

    report = cycle.run(config.load(environ={}), NOW)

    (card,) = report.tasks
    assert card.title == "read_file is called again and again"
    assert card.mapping("evidence")["current"] == "15 calls"
    assert report.warnings == ()


# --- files, sources, modules, messages, links ----------------------------------------------------


def test_the_files_are_those_that_a_run_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_log(tmp_path, conversations=4, calls=15)
    monkeypatch.chdir(tmp_path)
    settings = config.load(environ={})
    assert cycle.run(settings, NOW).tasks
    written = {p.name + "/" * p.is_dir() for p in settings.tasks_dir.iterdir()}
    constant = {journal.FILE_NAME, sidecar.FILE_NAME, fsio.RUN_LOCK, fsio.WRITE_LOCK}
    assert {name for row in table("files") for name in coded(row[0])} == written
    assert constant < written
    kinds = {oct(path.stat().st_mode & 0o777) for path in settings.tasks_dir.rglob("*")}
    assert kinds == {"0o600", "0o700"}


def test_the_event_of_the_example_is_one_that_is_understood() -> None:
    (line,) = re.findall(r"^\{\"ts\".*$", TEXT, re.MULTILINE)
    assert set(json.loads(line)) <= set(contextlog.COLUMNS)


def test_the_sources() -> None:
    forms = [coded(row[0])[0] for row in table("sources")]
    assert [re.split(r"[:\[]", form)[0] for form in forms] == list(places.KINDS)
    listed = places.ACCEPTED.partition(" of ")[2].replace(" and ", ", ").split(", ")
    assert forms == listed
    for form in forms:
        config.load({"TASKGEN_SOURCE": form.replace("[", "").replace("]", "")}, environ={})
    defaults = {"claude-code": claude_code.DEFAULT, "codex": codex.DEFAULT}
    for row, kind in zip(table("sources"), places.KINDS, strict=True):
        assert kind not in defaults or str(defaults[kind]) == coded(row[1])[0]


def test_the_mapping_of_the_example_reads_its_line(tmp_path: Path) -> None:
    line = block("foreign-line")
    (tmp_path / "map.toml").write_text(block("mapping"), encoding="utf-8")
    (tmp_path / "log").mkdir()
    start = json.loads(line)["time"]
    lines = [line.replace(str(start), str(start + second)) for second in range(30)]
    (tmp_path / "log" / "tools.jsonl").write_text("\n".join(lines), encoding="utf-8")
    settings = config.load(
        {
            "TASKGEN_SOURCE": f"ndjson:{tmp_path / 'log'}?map={tmp_path / 'map.toml'}",
            "FGK_TASKS_DIR": str(tmp_path / "tasks"),
        },
        environ={},
    )
    at = datetime.fromtimestamp(start + 60, timezone.utc)

    report = cycle.run(settings, at)

    assert (report.events_analyzed, report.malformed_lines, report.warnings) == (30, 0, ())
    assert "30 errors in 1 of 3 conversations" in {a.reason for a in report.abstained}


def test_the_mask_of_a_credential() -> None:
    (mask,) = (quoted for quoted in coded(section("Security and privacy")) if quoted[0] == "[")
    assert redact.redact(f"found {'AKIA' + 'Q7XW3NZP5M2K9RTD'} in the environment") == (
        f"found {mask} in the environment"
    )


def test_the_modules() -> None:
    parts = {
        path.stem
        for path in Path(tgt.__file__).parent.iterdir()
        if (path.suffix == ".py" or (path / "__init__.py").is_file()) and path.stem[:2] != "__"
    }
    assert {part for row in table("modules") for part in coded(row[1])} == parts


def messages() -> Sequence[str]:
    rows = section("Troubleshooting").split("| --- | --- |")[1]
    cells = re.findall(r"\| ([^|]+) \| [^|]+ \|", rows)
    return [quoted for cell in cells for quoted in coded(cell)]


@pytest.mark.parametrize("message", messages())
def test_a_message_that_is_explained_is_one_that_tgt_says(message: str) -> None:
    code = "\n".join(p.read_text(encoding="utf-8") for p in Path(tgt.__file__).parent.rglob("*.py"))
    code = re.sub(r'"\n +f?"', "", code)
    for fragment in re.split(r"…|\d+ \w+|tgt stats", message):
        assert fragment.strip() in code, fragment


def slug(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_links_lead_somewhere() -> None:
    anchors = {slug(h) for h in re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)}
    targets = re.findall(r"\]\(([^)]+)\)", TEXT)
    assert len(targets) > 20
    for target in targets:
        path, _, anchor = target.partition("#")
        if not path:
            assert anchor in anchors, target
        elif not path.startswith("https://"):
            assert (ROOT / path).exists(), target
