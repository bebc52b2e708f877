"""``tgt init`` in a fresh account: one command from nothing to the first cards."""

from __future__ import annotations

import json
import os
import pty
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from conftest import END, NOW, Result, Workplace, call
from writes_claude import write_sessions

_CRONTAB = """case "$1" in
-l) [ -f {home}/table ] && exec /bin/cat {home}/table; echo 'no crontab for x' >&2; exit 1 ;;
*) /bin/cat > {home}/new && exec /bin/mv {home}/new {home}/table ;;
esac"""
_SYSTEMCTL = """echo "$*" >> {home}/systemctl.log
case "$2" in
enable) : > {home}/active ;;
list-timers) [ "$1" = --user ] && [ -f {home}/active ] && echo tgt.timer; exit 0 ;;
esac"""
_NONE = "echo 'Failed to connect to bus' >&2; exit 1"


@dataclass(frozen=True)
class Account:
    """A home with what an agent has left there, and programs of the system's own."""

    place: Workplace
    home: Path

    def tgt(self, *arguments: str, **environment: str) -> Result:
        return self.place.tgt(*arguments, "--now", NOW, **self.environment(**environment))

    def environment(self, **more: str) -> dict[str, str]:
        return {"HOME": str(self.home), "PATH": str(self.place.path / "programs"), **more}

    def has(self, **programs: str) -> None:
        directory = self.place.path / "programs"
        directory.mkdir(exist_ok=True)
        for name, script in programs.items():
            (directory / name).write_text(f"#!/bin/sh\n{script.format(home=self.home)}\n")
            (directory / name).chmod(0o700)

    @property
    def env_file(self) -> Path:
        return self.home / ".config/tgt/tgt.env"

    def files(self) -> set[str]:
        """What there is that the agent has not written."""
        inside = {str(p.relative_to(self.home)) for p in self.home.rglob("*") if p.is_file()}
        return {name for name in inside if not name.startswith(".claude")}


@pytest.fixture
def account(workplace: Workplace) -> Account:
    return fresh_account(workplace)


def fresh_account(workplace: Workplace) -> Account:
    """An account without a scheduler."""
    home = workplace.path / "home"
    home.mkdir()
    made = Account(workplace, home)
    made.has(systemctl=_NONE, crontab="echo 'not allowed' >&2; exit 1")
    return made


@pytest.fixture
def used(account: Account) -> Account:
    """Two weeks of Claude Code; in the last days a tool fails in every second session."""
    many = write_sessions(
        account.home,
        END,
        days=14,
        per_day=10,
        fails=lambda n: n % 25 == 0 or (n > 125 and n % 2 == 1),
    )
    assert many == 140
    return account


def test_one_command_leads_to_cards(used: Account) -> None:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = replace(used, place=replace(used.place, server=None))  # its own time, from its start
    result = used.tgt("init", "--yes")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert (result.status, result.err) == (0, "")
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 10
    assert "claude-code  140 files, newest" in result.out
    assert str(used.env_file) in result.out
    assert "mcp__ledger__find_invoice" in result.out
    listed = used.tgt("list", "--json").json
    assert listed["count"] >= 1, "and plain tgt list finds them, without any setting"
    assert "mcp__ledger__find_invoice" in json.dumps(listed)
    assert used.tgt("run", "--json").status == 0


def test_what_is_written_is_told_with_how_to_undo_it(used: Account) -> None:
    told = used.tgt("init", "--yes", "--json").json
    assert told["init"]["settingsFile"]["state"] == "written"
    assert used.env_file.read_text() == told["init"]["settingsFile"]["text"]
    assert told["init"]["undo"] == [f"rm {used.env_file}"]
    (place,) = told["init"]["telemetry"]
    assert (place["source"], place["files"]) == ("claude-code", 140)
    assert place["newestAt"].startswith("2025-11-03T1")
    assert told["result"]["tasksSaved"] >= 1
    tasks = told["init"]["tasksDirectory"]
    assert tasks == f"{used.home}/.local/state/tgt"
    assert used.files() <= {
        ".config/tgt/tgt.env",
        *(str(p.relative_to(used.home)) for p in Path(tasks).rglob("*")),
    }


def test_a_second_time_changes_nothing(used: Account) -> None:
    used.tgt("init", "--yes")
    before = used.env_file.read_bytes()
    cards = used.tgt("list", "--json").json["count"]
    used.env_file.write_bytes(before + b"TASKGEN_MAX_TASKS=7\n")
    again = used.tgt("init", "--yes", "--source", "codex:elsewhere,claude-code", "--json")
    assert again.json["init"]["settingsFile"]["state"] == "kept"
    assert again.json["init"]["undo"] == []
    assert used.env_file.read_bytes() == before + b"TASKGEN_MAX_TASKS=7\n"
    assert used.tgt("list", "--json").json["count"] == cards
    assert "is there already: it stays as it is" in used.tgt("init", "--yes").out


def test_a_dry_run_writes_nothing_at_all(used: Account) -> None:
    result = used.tgt("init", "--dry-run", "--timer")
    assert "would be written to" in result.out
    assert "would be saved" in result.out
    assert used.files() == set()
    assert used.place.tasks.exists() is False


def test_nobody_to_be_asked_is_told_what_to_do(used: Account) -> None:
    for more in ((), ("--json",)):
        result = used.tgt("init", *more)
        assert result.status == 2
        assert "--yes" in result.err
    assert used.files() == set()


def test_no_telemetry_is_told_with_where_it_was_looked_for(account: Account) -> None:
    result = account.tgt("init", "--yes")
    assert result.status == 1
    assert "~/.claude/projects" in result.err
    assert "--source" in result.err
    (account.home / ".claude/projects").mkdir(parents=True)
    result = account.tgt("init", "--yes", "--json")
    assert result.status == 1
    assert f"there is no telemetry yet in {account.home}/.claude/projects" in result.json["error"]
    assert account.files() == set()


def test_too_little_telemetry_is_an_honest_report(account: Account) -> None:
    write_sessions(account.home, END, days=1, per_day=3)
    result = account.tgt("init", "--yes")
    assert result.status == 0
    assert "0 tasks saved" in result.out
    assert "Not judged, for lack of data" in result.out
    coverage = account.tgt("init", "--yes", "--json").json["init"]["coverage"]
    spikes = next(each for each in coverage if each["analyzer"] == "error_spike")
    assert spikes["judgeable"] == 0
    assert spikes["waiting"] > 0
    assert spikes["missing"] in result.out.replace("\n" + " " * 15, " ")


def test_telemetry_of_long_ago_is_told_with_what_shows_it(account: Account) -> None:
    write_sessions(account.home, END - timedelta(days=30), days=2, per_day=5)
    result = account.tgt("init", "--yes")
    assert result.status == 0
    assert "no events in the last 7d" in result.out
    assert "tgt run --now 2025-10-04T" in result.out


def test_a_source_can_be_named(account: Account) -> None:
    logs = account.place.path / "logs"
    write_sessions(account.place.path, END, days=3, per_day=5)
    (account.place.path / ".claude/projects").rename(logs)
    told = account.tgt("init", "--yes", "--json", "--source", "claude-code:logs").json
    assert told["result"]["eventsAnalyzed"] > 0
    assert f"TASKGEN_SOURCE=claude-code:{logs}\n" in account.env_file.read_text()
    assert account.tgt("init", "--yes", "--source", "otlp:gone", "--here").status == 1
    assert not (account.place.path / ".env").exists()


def test_a_context_log_comes_first(used: Account) -> None:
    logs = used.place.path / ".forgekeeper/context_log"
    logs.mkdir(parents=True)
    (logs / "a.jsonl").write_text(json.dumps(call(30, "c1")) + "\n")
    told = used.tgt("init", "--yes", "--json").json
    assert told["result"]["eventsAnalyzed"] == 1
    text = used.env_file.read_text()
    assert "TASKGEN_SOURCE=contextlog\n" in text
    assert f"FGK_CONTEXTLOG_DIR={logs}\n" in text


def test_a_file_of_another_program_is_not_touched_but_named(used: Account) -> None:
    foreign = used.place.path / ".env"
    foreign.write_text("DATABASE_URL=x\n")
    result = used.tgt("init", "--yes")
    assert foreign.read_text() == "DATABASE_URL=x\n"
    assert used.env_file.is_file()
    assert f"in this directory {foreign.name} comes first" in result.out.replace(
        f"{used.place.path}/", ""
    )


def test_settings_can_stay_here(used: Account) -> None:
    told = used.tgt("init", "--yes", "--here", "--json").json
    assert told["init"]["settingsFile"]["path"] == str(used.place.path / ".env")
    assert told["init"]["tasksDirectory"] == str(used.place.tasks)
    assert used.files() == set()
    assert used.tgt("list", "--json").json["count"] >= 1


def test_a_home_that_takes_nothing_is_named(used: Account) -> None:
    (used.home / ".config").write_text("no directory")
    result = used.tgt("init", "--yes")
    assert result.status == 1
    assert f"{used.home}/.config" in result.err
    assert "--env-file" in result.err
    assert used.files() == {".config"}
    (used.home / ".local").write_text("no directory")
    elsewhere = used.place.path / "mine.env"
    result = used.tgt("init", "--yes", "--env-file", str(elsewhere))
    assert result.status == 1
    assert f"{used.home}/.local" in result.err
    assert not elsewhere.exists(), "settings that name what is not possible are none"
    (used.home / ".local").unlink()
    result = used.tgt("init", "--yes", "--env-file", str(elsewhere))
    assert result.status == 0, result.err
    assert elsewhere.is_file()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_home_is_named(used: Account) -> None:
    used.home.chmod(0o500)
    try:
        result = used.tgt("init", "--yes")
    finally:
        used.home.chmod(0o700)
    assert result.status == 1
    assert "Permission denied" in result.err
    assert used.files() == set()


# --- the timer -----------------------------------------------------------------------------------


def test_systemd_runs_it_where_there_is_one(used: Account) -> None:
    used.has(systemctl=_SYSTEMCTL)
    timer = used.tgt("init", "--yes", "--timer", "--json").json["init"]
    assert (timer["timer"]["kind"], timer["timer"]["state"]) == ("systemd", "installed")
    assert timer["undo"][0] == "systemctl --user disable --now tgt.timer tgt-notify.service"
    service = (used.home / ".config/systemd/user/tgt.service").read_text()
    assert f"--env-file {used.env_file} run\n" in service
    assert f"ReadWritePaths={used.home}/.local/state/tgt\n" in service
    again = used.tgt("init", "--yes", "--timer", "--json").json["init"]["timer"]
    assert again["state"] == "unchanged"


def test_cron_runs_it_where_there_is_no_systemd(used: Account) -> None:
    used.has(crontab=_CRONTAB)
    (used.home / "table").write_text("5 4 * * * backup\n")
    for state in ("installed", "unchanged"):
        told = used.tgt("init", "--yes", "--timer", "--json").json["init"]["timer"]
        assert (told["kind"], told["state"]) == ("cron", state)
        assert (used.home / "table").read_text() == f"5 4 * * * backup\n{told['line']}\n"


def test_without_either_the_line_is_told(used: Account) -> None:
    result = used.tgt("init", "--yes", "--timer")
    assert result.status == 4, "it did its work, but the timer that was asked for is not there"
    assert "neither systemd nor cron" in result.out
    (line,) = (line for line in result.out.splitlines() if "*/15 * * * *" in line)
    assert line.endswith("# by tgt init"), "it is not broken into two, whatever the width"


def test_relative_settings_mean_the_same_for_the_timer(used: Account) -> None:
    used.has(systemctl=_SYSTEMCTL)
    used.env_file.parent.mkdir(parents=True)
    used.env_file.write_text("FGK_TASKS_DIR=tasks\n")
    used.tgt("init", "--yes", "--timer")
    service = (used.home / ".config/systemd/user/tgt.service").read_text()
    assert f"WorkingDirectory={used.place.path}\n" in service
    assert f"ReadWritePaths={used.place.path}/tasks\n" in service


def test_a_timer_of_somebody_else_is_enough(used: Account) -> None:
    used.has(crontab=_CRONTAB)
    (used.home / "table").write_text("*/5 * * * * /opt/tgt/bin/tgt run\n")
    told = used.tgt("init", "--yes", "--timer", "--json").json["init"]["timer"]
    assert told["state"] == "unchanged"
    assert (used.home / "table").read_text() == "*/5 * * * * /opt/tgt/bin/tgt run\n"


def test_the_line_of_the_crontab_works(used: Account) -> None:
    used.has(crontab=_CRONTAB)
    line = used.tgt("init", "--yes", "--timer", "--json").json["init"]["timer"]["line"]
    (used.home / ".local/state/tgt/scheduler_state.json").unlink()
    done = subprocess.run(
        ["/bin/sh", "-c", line.split(maxsplit=5)[5].replace("\\%", "%")],
        env={"HOME": str(used.home), "PATH": "/usr/bin:/bin"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert (used.home / ".local/state/tgt/scheduler_state.json").is_file()


# --- at a terminal -------------------------------------------------------------------------------


@dataclass
class Terminal:
    """The command at a terminal; ``answers`` are typed when it asks."""

    account: Account
    seen: str = ""

    def runs(self, *arguments: str, answers: str = "") -> int:
        primary, secondary = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "tgt", *arguments, "--now", NOW],
            cwd=self.account.place.path,
            env=self.account.place.environment(**self.account.environment(TERM="dumb")),
            stdin=secondary,
            stdout=secondary,
            stderr=secondary,
        )
        os.close(secondary)
        os.write(primary, answers.encode())
        seen = b""
        while True:
            try:
                block = os.read(primary, 4096)
            except OSError:
                break
            if not block:
                break
            seen += block
        os.close(primary)
        self.seen = seen.decode().replace("\r\n", "\n")
        return process.wait(60)


@pytest.mark.parametrize(
    ("answers", "has_settings", "has_timer"),
    [("\n\n", True, True), ("y\nn\n", True, False), ("n\n", False, False)],
)
def test_it_shows_and_asks_before_it_writes(
    used: Account, answers: str, has_settings: bool, has_timer: bool
) -> None:
    used.has(crontab=_CRONTAB)
    terminal = Terminal(used)
    assert terminal.runs("init", answers=answers) == 0
    shown, _, rest = terminal.seen.partition("Write these settings? [Y/n]")
    assert "140 files" in shown
    assert "TASKGEN_SOURCE=claude-code\n" in shown
    assert ("every 15 minutes from now on? [Y/n]" in rest) is has_settings
    assert used.env_file.exists() is has_settings
    assert (used.home / "table").exists() is has_timer
    assert ("would be" in rest) is not has_settings, "without settings nothing is written"


def test_an_end_of_input_is_no(used: Account) -> None:
    terminal = Terminal(used)
    assert terminal.runs("init", answers="\x04") == 0
    assert used.files() == set()


def test_an_interruption_leaves_nothing_half(used: Account) -> None:
    """Wherever it comes: no file of settings, or a whole one."""
    for delay in (0.3, 0.8, 1.5, 2.5):
        process = subprocess.Popen(
            [sys.executable, "-m", "tgt", "init", "--yes", "--now", NOW],
            cwd=used.place.path,
            env=used.place.environment(**used.environment()),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        process.wait(60)
        written = [name for name in used.files() if ".config" in name]
        assert written in ([], [".config/tgt/tgt.env"])
        if written:
            assert used.env_file.read_text().endswith(f"{used.home}/.local/state/tgt\n")
    assert used.tgt("init", "--yes").status == 0
