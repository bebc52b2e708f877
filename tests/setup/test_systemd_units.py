"""The units that tgt init writes: as systemd reads them, and nobody else's is touched."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tgt.errors import StoreError
from tgt.setup import systemd
from tgt.setup.job import Job
from tgt.setup.systemd import install, paths, rendered
from tgt.store import fsio

_PROGRAM = """#!/bin/sh
echo "$*" >> {log}
[ "$2" != enable ] || [ ! -f {refuses} ] || {{ echo 'Failed to connect to bus' >&2; exit 1; }}
"""


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a systemctl of the test's own was told; it refuses while there is a file ``refuses``."""
    programs = tmp_path / "programs"
    programs.mkdir()
    script = _PROGRAM.format(log=tmp_path / "log", refuses=tmp_path / "refuses")
    (programs / "systemctl").write_text(script)
    (programs / "systemctl").chmod(0o700)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "log"


def job(tmp_path: Path, minutes: int = 15) -> Job:
    command = (str(Path(sys.executable).with_name("tgt")),)
    tasks = tmp_path / "my tasks"
    return Job(command, tmp_path / "config/tgt/tgt.env", tasks, minutes, tasks)


def units() -> dict[str, str]:
    return {path.name: path.read_text() for path in paths() if path.exists()}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("minutes", [1, 15, 60, 360])
def test_systemd_accepts_them_without_a_complaint(tmp_path: Path, minutes: int) -> None:
    for name, text in rendered(job(tmp_path, minutes)).items():
        (tmp_path / name).write_text(text)
    names = [str(tmp_path / name) for name in rendered(job(tmp_path))]
    answer = subprocess.run(
        ["systemd-analyze", "verify", "--user", *names],
        env={"PATH": os.defpath, "HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.returncode, answer.stderr) == (0, "")


@pytest.mark.parametrize(
    ("unit", "command"), [("tgt.service", "run"), ("tgt-notify.service", "notify")]
)
def test_they_keep_the_sandbox_and_name_the_paths_of_this_account(
    tmp_path: Path, unit: str, command: str
) -> None:
    service = rendered(job(tmp_path))[unit]
    shipped = (Path(__file__).parents[2] / "systemd/user" / unit).read_text()
    ours = {line for line in service.splitlines() if "=" in line and line[0] != "#"}
    theirs = {line for line in shipped.splitlines() if "=" in line and line[0] != "#"}
    temporary = ["PrivateTmp"] if str(tmp_path).startswith("/tmp/") else []
    assert {line.split("=")[0] for line in theirs - ours} == {
        *("ExecStart", "EnvironmentFile", "WorkingDirectory", "ReadWritePaths", *temporary)
    }
    assert ours - theirs == {
        f"ExecStart={job(tmp_path).command[0]} --env-file {tmp_path}/config/tgt/tgt.env {command}",
        f"WorkingDirectory={tmp_path}/my tasks",
        f'ReadWritePaths="{tmp_path}/my tasks"',
        *(f"{name}=no" for name in temporary),
    }


@pytest.mark.parametrize(
    ("place", "value"), [("/home/a/.claude", "yes"), ("/var/tmp/log", "no"), ("/tmpfiles", "yes")]
)
def test_telemetry_among_temporary_files_stays_visible(place: str, value: str) -> None:
    home = Path("/home/a/tasks")
    task = Job(("/opt/tgt",), Path("/home/a/tgt.env"), home, 15, home, (place,))
    for unit in ("tgt.service", "tgt-notify.service"):
        assert f"\nPrivateTmp={value}\n" in rendered(task)[unit]


def test_the_timer_is_started_once(log: Path, tmp_path: Path) -> None:
    assert install(job(tmp_path)).changed
    assert set(units()) == {
        *("tgt.service", "tgt.timer", "tgt-failure@.service", "tgt-notify.service")
    }
    assert log.read_text().splitlines() == [
        "--user daemon-reload",
        "--user enable --now tgt.timer",
    ], "the unit that may use the network is enabled by nobody but its user"
    before = units()
    assert not install(job(tmp_path)).changed
    assert units() == before
    assert install(job(tmp_path, 30)).changed
    assert "OnCalendar=*:0/30" in units()["tgt.timer"]


def test_what_somebody_else_wrote_is_left_alone(log: Path, tmp_path: Path) -> None:
    service = paths()[0]
    service.parent.mkdir(parents=True)
    service.write_text("[Service]\nExecStart=/bin/true\n")
    outcome = install(job(tmp_path))
    assert f"{service} is not of tgt init" in outcome.problem
    assert units() == {"tgt.service": "[Service]\nExecStart=/bin/true\n"}
    assert not log.exists()


def test_a_timer_that_cannot_be_started_leaves_nothing(log: Path, tmp_path: Path) -> None:
    (tmp_path / "refuses").touch()
    assert "Failed to connect to bus" in install(job(tmp_path)).problem
    assert units() == {}
    assert "--user disable --now tgt.timer" in log.read_text()
    (tmp_path / "refuses").unlink()
    assert install(job(tmp_path)).changed, "and the next time it works"


@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5])
def test_an_interruption_leaves_nothing_half(
    log: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    """Whether it comes between two units or while systemd is told."""
    calls = []
    real = fsio.replace

    def interrupted(*arguments: Any) -> None:
        calls.append(arguments)
        if len(calls) == nth:
            raise KeyboardInterrupt
        real(*arguments)

    monkeypatch.setattr(fsio, "replace", interrupted)
    if nth > len(rendered(job(tmp_path))):
        monkeypatch.setattr(systemd, "_start", interrupted)
    with pytest.raises(KeyboardInterrupt):
        install(job(tmp_path))
    assert units() == {}


def test_a_place_that_takes_no_units_is_named(log: Path, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("no directory")
    with pytest.raises(StoreError, match="config"):
        install(job(tmp_path))
