"""README.md promises commands that work as they stand, and says what the code does."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from pages import COMMANDS, ROOT, Page, coded, options, pages

from tgt import config
from tgt.analyzers import (
    baseline,
    continuation,
    docs_gap,
    error_spike,
    performance,
    recurring_error,
    silence,
    token_waste,
    ux_issue,
)
from tgt.analyzers.registry import built_in
from tgt.sources.spec import AUTO, KINDS

README = Page("README.md")
TIMER = Page("docs/timer.md")
ANALYZERS = Page("docs/analyzers.md")
SHELL = ("sh", "-euc")


# --- the two commands, and installing ------------------------------------------------------------


def test_the_main_command_installs_tgt_and_runs_the_demo() -> None:
    assert README.block("main-command") == (
        "python3 -m venv .venv && .venv/bin/pip install -q . && .venv/bin/tgt demo"
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "tgt" in project["scripts"]
    assert "demo" in COMMANDS


def test_the_test_command_installs_what_the_tests_need() -> None:
    assert README.block("test-command") == (
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
    steps = TIMER.block("account-install")
    assert "pipx install ." in steps  # which puts the program into ~/.local/bin
    files = "\n".join(s for s in steps.splitlines() if not s.startswith("pipx"))
    subprocess.run([*SHELL, files], cwd=ROOT, env={"HOME": str(tmp_path)}, check=True)

    def place(value: str) -> Path:
        return Path(value.removeprefix("-").replace("%h", str(tmp_path)))

    unit = "user/tgt.service"
    assert directive(unit, "ExecStart") == "%h/.local/bin/tgt run"
    assert place(directive(unit, "EnvironmentFile")).is_file()
    assert place(directive(unit, "WorkingDirectory")).is_dir()
    others = ("tgt-notify.service", directive(unit, "OnFailure").replace("%N", ""))
    for name in (unit, "tgt.timer", *others):
        assert (tmp_path / ".config/systemd/user" / Path(name).name).is_file()
    cron = (ROOT / "crontab.example").read_text(encoding="utf-8")
    for path in re.findall(r'"\$HOME/([^"]+)"', cron):
        assert path == ".local/bin/tgt" or (tmp_path / path).exists(), path


def test_a_machine_has_everything_where_its_unit_looks(tmp_path: Path) -> None:
    steps = TIMER.block("machine-install")
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
    assert names == {*("tgt.service", "tgt.timer", "tgt-failure@.service", "tgt-notify.service")}


def test_the_tasks_go_where_the_units_may_write() -> None:
    writable = directive("user/tgt.service", "ReadWritePaths").replace("%h", "~")
    assert f"FGK_TASKS_DIR={writable}/tasks" in TIMER.text
    state = directive("tgt.service", "StateDirectory")
    assert f"FGK_TASKS_DIR=/var/lib/{state}/tasks" in TIMER.text


# --- what can be called and found ----------------------------------------------------------------


def test_every_source_has_its_command() -> None:
    """But ``auto``, which is for people who do not know what they have."""
    calls = [coded(row[1])[0] for row in README.table("agents")]
    sources = [call.partition(" --source ")[2] for call in calls]
    assert {re.split("[:?]", source)[0] for source in sources if source} == set(KINDS) - {AUTO}
    for source in filter(None, sources):
        config.load({"TASKGEN_SOURCE": source}, environ={})


def test_what_it_finds_leads_to_every_analyzer() -> None:
    rows = README.table("finds")
    assert [coded(row[0]) for row in rows] == [[a.name] for a in built_in()]
    for row, analyzer in zip(rows, built_in(), strict=True):
        assert row[0].endswith(f"#{analyzer.name})"), "the section of this analyzer"
        assert row[1], f"what {analyzer.name} finds"


LEAST: dict[str, dict[str, tuple[int, ...]]] = {
    "an error that recurs": {"conversations": (recurring_error.MIN_CONVERSATIONS,)},
    "a tool that is documented nowhere": {
        "calls": (docs_gap.MIN_USAGE.default,),
        "conversations": (docs_gap.MIN_CONVERSATIONS,),
    },
    "answers that are cut off": {"answers": (continuation.MIN_RESPONSES,)},
    "conversations that are given up": {"finished conversations": (ux_issue.MIN_CONVERSATIONS,)},
    "more errors, longer calls or more tokens than usual": {
        "hours": (baseline.MIN_HOURS_OBSERVED,),
        "calls or answers": (
            *(error_spike.MIN_BASELINE_UNITS, performance.MIN_BASELINE_CALLS),
            token_waste.MIN_BASELINE_ANSWERS,
        ),
    },
    "a service that has fallen silent": {"days": (silence.DAYS,)},
}


def test_how_much_data_it_takes() -> None:
    """The loop of one conversation needs no number; the others are those of the analyzers."""
    rows = dict(README.table("minimum"))
    assert rows.pop("a loop of calls in vain") == "1 conversation"
    assert list(rows) == list(LEAST)
    for what, numbers in LEAST.items():
        for unit, least in numbers.items():
            assert [f"{n} {unit}" in rows[what] for n in least] == [True] * len(least), what


def test_the_analyzers_with_what_they_declare() -> None:
    rows = ANALYZERS.table("analyzers")
    assert [row[:2] for row in rows] == [[f"`{a.name}`", f"`{a.task_type}`"] for a in built_in()]
    for row, analyzer in zip(rows, built_in(), strict=True):
        assert row[3] == re.sub(r"(TASKGEN_\w+)", r"`\1`", analyzer.summary)
        assert row[2], f"what {analyzer.name} looks at"
        assert set(coded(row[3])) <= set(config.variables())


PAGES = {page.name: page for page in pages()}


def test_all_pages_are_named() -> None:
    linked = {link.partition("#")[0] for link in README.links}
    assert set(PAGES) - {"README.md"} <= linked


@pytest.mark.parametrize("name", PAGES)
def test_every_example_of_settings_loads(name: str, tmp_path: Path) -> None:
    blocks = re.findall(r"^```sh\n((?:[A-Z_]+=\S*\n)+)```$", PAGES[name].text, re.MULTILINE)
    for text in blocks:
        (tmp_path / ".env").write_text(text, encoding="utf-8")
        config.load(environ={}, env_file=tmp_path / ".env")
        assert {line.partition("=")[0] for line in text.splitlines()} <= set(config.variables())


@pytest.mark.parametrize("name", PAGES)
def test_every_call_of_tgt_is_possible(name: str) -> None:
    """Inside code: the command exists, and so does each of its options."""
    code = re.findall(r"```sh\n(.*?)```|`([^`\n]+)`", PAGES[name].text, re.DOTALL)
    calls = [
        call
        for texts in code
        for line in "".join(texts).splitlines()
        for call in re.findall(r"(?:^|[ /])tgt ((?:--env-file \S+ )?[a-z]+\b[^|#;&]*)", line)
        if not line.startswith(("useradd", "crontab", "#"))
    ]
    assert calls or name != "README.md"
    for call in calls:
        command = re.sub(r"--env-file \S+ ", "", call).split()[0]
        assert command in COMMANDS, call
        assert set(re.findall(r"--[a-z-]+", call)) <= options(command) | {"--help"}, call
