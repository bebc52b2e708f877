"""crontab.example: cron accepts it, and a run that did not do its work is never silent."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tgt.config import default_text

EXAMPLE = Path(__file__).parents[2] / "crontab.example"
TGT = Path(sys.executable).with_name("tgt")
RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))


def table() -> tuple[dict[str, str], list[tuple[list[str], str]]]:
    """The variables and the jobs (five fields, command), read as cron reads them."""
    variables: dict[str, str] = {}
    jobs = []
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if match := re.fullmatch(r"([A-Z_]+)=(.*)", line):
            variables[match[1]] = match[2]
            continue
        *fields, command = line.split(maxsplit=5)
        assert not re.search(r"(?<!\\)%", command), "cron would cut the command off there"
        jobs.append((fields, command.replace(r"\%", "%")))
    return variables, jobs


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An account with tgt installed as the example expects it, and an empty ContextLog."""
    for name in (".local/bin", ".local/share/tgt", ".config/tgt", "context_log"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / ".local/bin/tgt").symlink_to(TGT)
    (tmp_path / ".config/tgt/tgt.env").write_text(
        f"FGK_CONTEXTLOG_DIR={tmp_path}/context_log\nFGK_TASKS_DIR={tmp_path}/.local/share/tgt\n",
        encoding="utf-8",
    )
    return tmp_path


def cron(home: Path, job: int) -> str:
    """What cron would mail: everything that the job prints in cron's bare environment."""
    variables, jobs = table()
    finished = subprocess.run(
        [variables["SHELL"], "-c", jobs[job][1]],
        env={"HOME": str(home), "LOGNAME": "somebody", **variables},
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=60,
    )
    return finished.stdout


def run_at(home: Path, instant: str) -> None:
    subprocess.run(
        [str(TGT), "--env-file", ".config/tgt/tgt.env", "run", "--now", instant],
        cwd=home,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        check=True,
        timeout=60,
    )


def test_cron_can_read_every_line() -> None:
    variables, jobs = table()
    assert set(variables) == {"SHELL", "PATH", "LANG", "CONTENT_TYPE"}
    assert len(jobs) == 2
    for fields, command in jobs:
        assert command.startswith('cd "$HOME/')
        for field, (low, high) in zip(fields, RANGES, strict=True):
            number = re.fullmatch(r"\*(?:/(\d+))?|(\d+)", field)
            assert number is not None, field
            assert all(low <= int(part) <= high for part in number.groups() if part)


def test_it_runs_as_often_as_tgt_expects() -> None:
    assert table()[1][0][0][0] == f"*/{default_text('TASKGEN_INTERVAL_MIN')}"


def test_a_run_that_did_its_work_is_silent(home: Path) -> None:
    assert cron(home, 0) == ""
    assert (home / ".local/share/tgt/scheduler_state.json").is_file()


def test_a_failed_run_says_its_status_and_its_reason(home: Path) -> None:
    (home / "context_log").rmdir()
    mail = cron(home, 0)
    assert mail.startswith("tgt run: exit status 1\n")
    assert str(home / "context_log") in mail


def test_an_unusable_setting_is_not_silent(home: Path) -> None:
    with (home / ".config/tgt/tgt.env").open("a", encoding="utf-8") as settings:
        settings.write("TASKGEN_MAX_TASKS=many\n")
    mail = cron(home, 0)
    assert mail.startswith("tgt run: exit status 2\n")
    assert "TASKGEN_MAX_TASKS" in mail


@pytest.mark.parametrize(
    "missing", [".local/bin/tgt", ".config/tgt/tgt.env", ".local/share/tgt"], ids=Path
)
@pytest.mark.parametrize("job", [0, 1])
def test_a_half_done_installation_is_not_silent(home: Path, missing: str, job: int) -> None:
    (home / missing).rename(home / "elsewhere")
    assert "tgt" in cron(home, job)


def test_runs_on_time_are_silent(home: Path) -> None:
    assert cron(home, 0) == ""
    assert cron(home, 1) == ""


def test_runs_that_stopped_coming_are_reported(home: Path) -> None:
    run_at(home, "2025-11-03T15:45:00Z")
    assert cron(home, 1).startswith("tgt: no run when one was due")


@pytest.mark.parametrize(("runs", "mail"), [(0, ""), (99, ""), (100, "tgt: no run"), (5000, "tgt")])
def test_runs_that_find_no_events_are_reported_after_a_day(
    home: Path, runs: int, mail: str
) -> None:
    assert cron(home, 0) == ""
    sidecar = home / ".local/share/tgt/scheduler_state.json"
    state = json.loads(sidecar.read_text(encoding="utf-8"))
    sidecar.write_text(json.dumps({**state, "runsWithoutEvents": runs}), encoding="utf-8")
    told = cron(home, 1)
    assert told.startswith(mail)
    assert bool(told) == bool(mail)
