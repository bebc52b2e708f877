"""Every command of every page is run as it stands, by a newcomer who has the demo's telemetry.

Each page begins with what the demo has left: the end of the log, the tasks (two of which have the
ids that the pages name), and at home the sessions of Claude Code. The clock is the demo's. What
cannot be run here is named in ``NOT_RUN`` with the reason; nothing else is left out.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from command_server import Server
from conftest import Result, Workplace
from demos import NOW, Demo
from pages import Page, pages

PAGES = {page.name: page for page in pages()}
NAMED = {
    "tool_call/read_file": "01K9CX68406N1B36G5NZPPH6PD",
    "tool_call/query_metrics": "01K9CX68406N1B36G5NZPP7QZM",
}
"""The ids of the pages, and what the tasks are about that get them."""
HOURS = {"docs/settings.md": 1, "docs/rules.md": 1}
"""Of how much of the demo's log there is telemetry, if not of six hours: these replay all of it."""
RULES = re.compile(r"^<!-- example: [^\n]*\n```toml\n(.*?)^```$", re.DOTALL | re.MULTILINE)

NOT_RUN = {
    r"pip install|^pipx |^python3 -m venv ": "installs something; .ci/run does what it needs",
    r"\.venv/bin/(python|ruff|mypy)": "is the tests, or what .ci/run calls after them",
    r"^(systemctl|loginctl|sudo|useradd) ": "needs systemd, or root",
    r"^tgt init --timer": "needs systemd or cron; tests of tgt init give it one",
    r"^tgt init --source 'clickhouse:": "needs a server; test_clickhouse_init.py makes one",
    r"^tgt triage": "needs a terminal; test_triage_terminal.py gives it one",
    r"^crontab ": "changes the account's crontab; test_crontab.py undoes what tgt init wrote",
    r"^(claude|codex|code) ": "is another program; test_agents_page.py reads what it is told",
    r"^rm .*(systemd|\.local/state)|^ +~/": "takes away what only tgt init --timer has made",
    r"^(mkdir|cp) ": "test_readme.py runs it in a home, and in a machine, of its own",
    r"^#!/bin/sh": "a script; test_notify_page.py runs it",
    r"all,long_answers": "the plug-in of the page; test_plugins_page.py installs it",
    r"\| jq -[re]|^tgt stats --json \| jq": "test_json_page.py runs it",
    r"^export |^[A-Z_]+=\S+$": "settings, which test_readme.py loads, or another program's",
}
STATUS = {
    "tgt gate --since 2h": 10,
    "tgt gate --since 30m --fail-on critical": 10,
    "tgt gate --since 2025-11-03T14:00:00Z --format junit > tgt.xml": 10,
    "tgt init": 2,
}
"""What ends with another status than 0: where something is new, or nobody can be asked."""


def commands_of(page: Page) -> list[str]:
    """The command lines of a page's blocks, without their comments; a script is one."""
    found: list[str] = []
    for block in re.findall(r"^```sh\n(.*?)^```$", page.text, re.DOTALL | re.MULTILINE):
        if block.startswith("#!"):
            found.append(block)
            continue
        lines = block.replace("\\\n", " ").splitlines()
        found += [re.sub(r"\s+# .*", "", line).rstrip() for line in lines if line[:1] != "#"]
    return found


def is_run(command: str) -> bool:
    return not any(re.search(pattern, command) for pattern in NOT_RUN)


RUN = {name: [c for c in commands_of(page) if is_run(c)] for name, page in PAGES.items()}


@dataclass(frozen=True)
class Newcomer:
    """Somebody in a directory of their own, who types what a page says."""

    place: Workplace

    def types(self, command: str) -> Result:
        simple = re.fullmatch(r"((?:[A-Z_]+=\S+ )*)tgt ([^|>;&]*)", command)
        if simple is not None:
            variables = dict(each.split("=", 1) for each in simple[1].split())
            if simple[2].startswith("demo"):
                variables["TMPDIR"] = str(self.place.path)  # a demo stays to be looked at
            return self.place.tgt(*shlex.split(simple[2]), "--now", NOW, **variables)
        done = subprocess.run(
            ["sh", "-euc", command],
            cwd=self.place.path,
            env=self.place.environment(
                PATH=f"{self.place.path / 'bin'}:/usr/local/bin:/usr/bin:/bin"
            ),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def newcomer(name: str, demos: tuple[Demo, Demo], tmp_path: Path, server: Server) -> Newcomer:
    """Whoever reads the page of this name."""
    service, sessions = demos
    settings = {
        "FGK_CONTEXTLOG_DIR": tmp_path / "log",
        "FGK_TASKS_DIR": tmp_path / "tasks",
        "TASKGEN_DOCS_PATHS": service.directory / "docs",
        "TASKGEN_NOTIFY": "exec:/bin/cat",
    }
    lines = (f"{variable}={value}\n" for variable, value in settings.items())
    (tmp_path / ".env").write_text("".join(lines), encoding="utf-8")
    (tmp_path / "log").mkdir()
    newest = sorted((service.directory / "context_log").iterdir())[-HOURS.get(name, 6) :]
    for file in newest:
        (tmp_path / "log" / file.name).symlink_to(file)
    (tmp_path / "tasks").mkdir()
    ids = {card["subject"]: card["id"] for card in service.cards}
    for state in ("generated_tasks.jsonl", "scheduler_state.json"):
        text = (service.directory / "tasks" / state).read_text(encoding="utf-8")
        for subject, new in NAMED.items():
            text = text.replace(ids[subject], new)
        (tmp_path / "tasks" / state).write_text(text, encoding="utf-8")
    rules = RULES.findall(PAGES["docs/rules.md"].text)
    assert len(rules) == 4
    (tmp_path / "rules.toml").write_text("\n".join(rules), encoding="utf-8")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".claude").symlink_to(sessions.directory / "claude")
    program = tmp_path / "bin" / "tgt"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tgt "$@" --now {NOW}\n')
    program.chmod(0o755)
    return Newcomer(Workplace(tmp_path, server))


@pytest.mark.parametrize("name", [name for name, commands in RUN.items() if commands])
def test_the_commands_of_a_page_do_what_they_are_there_for(name: str, newcomer: Newcomer) -> None:
    for command in RUN[name]:
        done = newcomer.types(command)
        assert done.status == STATUS.get(command, 0), f"{command}\n{done.out}{done.err}"
        assert done.out or ">" in command or done.status == 2, command
        assert "Traceback" not in done.err, command


def test_what_is_left_out_is_there_and_named_once() -> None:
    every = [command for page in PAGES.values() for command in commands_of(page)]
    for pattern in NOT_RUN:
        assert any(re.search(pattern, command) for command in every), f"nothing like {pattern}"
    assert set(STATUS) <= {command for commands in RUN.values() for command in commands}
    tools = {re.split(r"[ =]", command)[0] for commands in RUN.values() for command in commands}
    assert tools <= {"tgt", "TASKGEN_SOURCE"}, "the rest is named above"
