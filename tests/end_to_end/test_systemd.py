"""The units: systemd accepts them, they are as tight as they say, and they start what exists."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tgt.config import default_text

UNITS = Path(__file__).parents[2] / "systemd"
TGT = Path(sys.executable).with_name("tgt")
SHARED = ("tgt.timer", "tgt-failure@.service")
EXPOSURE = {
    "tgt.service": 1.0,
    "user/tgt.service": 1.5,
    "tgt-notify.service": 1.5,
    "user/tgt-notify.service": 2.2,
}
STARTED = {
    "tgt.service": "/opt/tgt/bin/tgt",
    "user/tgt.service": "%h/.local/bin/tgt",
    "tgt-notify.service": "/opt/tgt/bin/tgt",
    "user/tgt-notify.service": "%h/.local/bin/tgt",
}
NOTIFIES = [unit for unit in EXPOSURE if "notify" in unit]

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def values(unit: str, key: str) -> list[str]:
    """Every value of a directive, in order."""
    lines = (UNITS / unit).read_text(encoding="utf-8").splitlines()
    return [line.partition("=")[2] for line in lines if line.startswith(f"{key}=")]


def analyze(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments],
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(tmp_path),
            "XDG_RUNTIME_DIR": str(tmp_path),
            "TZ": "UTC",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@needs_systemd
@pytest.mark.parametrize("service", EXPOSURE)
def test_systemd_accepts_the_units_without_a_complaint(service: str, tmp_path: Path) -> None:
    text = (UNITS / service).read_text(encoding="utf-8")
    installed = text.replace(STARTED[service], str(TGT))
    assert installed != text
    run = (UNITS / service).with_name("tgt.service").read_text(encoding="utf-8")
    run = run.replace(STARTED[service], str(TGT))
    (tmp_path / "tgt.service").write_text(run, encoding="utf-8")
    (tmp_path / Path(service).name).write_text(installed, encoding="utf-8")
    for name in SHARED:
        shutil.copy(UNITS / name, tmp_path)
    scope = "--user" if service.startswith("user/") else "--system"

    answer = analyze(
        tmp_path,
        "verify",
        scope,
        *map(str, sorted(tmp_path.iterdir())),
    )

    assert (answer.returncode, answer.stderr) == (0, "")


@needs_systemd
@pytest.mark.parametrize(("service", "most"), EXPOSURE.items())
def test_the_sandbox_keeps_the_exposure_low(service: str, most: float, tmp_path: Path) -> None:
    answer = analyze(
        tmp_path,
        "security",
        "--user" if service.startswith("user/") else "--system",
        "--offline=true",
        "--no-pager",
        f"--threshold={most * 10:.0f}",
        str(UNITS / service),
    )

    assert answer.returncode == 0, answer.stdout.splitlines()[-1]


@needs_systemd
def test_the_timer_ticks_as_often_as_tgt_expects(tmp_path: Path) -> None:
    (calendar,) = values("tgt.timer", "OnCalendar")

    answer = analyze(tmp_path, "calendar", "--iterations=3", calendar)

    assert answer.returncode == 0, answer.stderr
    minutes = [int(m) for m in re.findall(r"\d\d:(\d\d):00", answer.stdout.split("elapse:")[1])]
    interval = int(default_text("TASKGEN_INTERVAL_MIN"))
    steps = {(b - a) % 60 for a, b in itertools.pairwise(minutes) if a != b}
    assert steps == {interval}


@pytest.mark.parametrize(("service", "program"), STARTED.items())
def test_a_unit_starts_a_command_that_the_installed_program_has(service: str, program: str) -> None:
    (start,) = values(service, "ExecStart")
    path, *arguments = start.split()
    assert path == program

    answer = subprocess.run(
        [str(TGT), *arguments, "--help"], capture_output=True, text=True, check=False, timeout=60
    )

    assert (answer.returncode, answer.stderr) == (0, "")
    assert "--dry-run" in answer.stdout


@pytest.mark.parametrize("service", EXPOSURE)
def test_every_failed_run_is_reported(service: str) -> None:
    """Exit status 4 too: nothing declares it a success, and nothing hides it behind a retry."""
    assert values(service, "OnFailure") == ["tgt-failure@%N.service"]
    assert (UNITS / "tgt-failure@.service").is_file()
    assert values(service, "Type") == ["oneshot"]
    assert values(service, "SuccessExitStatus") == []
    assert values(service, "Restart") == []


@pytest.mark.parametrize("service", ["tgt", "tgt-notify"])
def test_the_only_writable_place_is_where_the_unit_works(service: str) -> None:
    assert values(f"{service}.service", "WorkingDirectory") == ["%S/tgt"]
    assert values(f"{service}.service", "StateDirectory") == ["tgt"]
    assert values(f"{service}.service", "ReadWritePaths") == []
    home = values(f"user/{service}.service", "WorkingDirectory")
    assert home == values(f"user/{service}.service", "ReadWritePaths") == ["%h/.local/share/tgt"]


def directives(unit: str) -> dict[str, list[str]]:
    """All values of each directive, in order: a filter of system calls has two lines."""
    text = (UNITS / unit).read_text(encoding="utf-8")
    return {key: values(unit, key) for key in re.findall(r"^([A-Z]\w+)=", text, re.MULTILINE)}


def changed(one: dict[str, list[str]], other: dict[str, list[str]]) -> set[str]:
    """The directives that both have, with other values."""
    return {key for key in one.keys() & other.keys() if one[key] != other[key]}


ONLY_OF_THE_SYSTEM = {
    "AmbientCapabilities",
    "DevicePolicy",
    "Group",
    "ProcSubset",
    "ProtectKernelLogs",
    "ProtectProc",
    "RemoveIPC",
    "StateDirectory",
    "StateDirectoryMode",
    "User",
}


@pytest.mark.parametrize(
    ("service", "missing", "other"),
    [("tgt", {"After", "IPAddressDeny"}, set()), ("tgt-notify", set(), {"After"})],
)
def test_the_user_unit_differs_only_where_the_account_s_manager_does(
    service: str, missing: set[str], other: set[str]
) -> None:
    """A directive added to one unit is not forgotten in the other."""
    system, user = (directives(f"{place}{service}.service") for place in ("", "user/"))
    assert user.keys() - system.keys() == {"ReadWritePaths"}
    assert system.keys() - user.keys() == ONLY_OF_THE_SYSTEM | missing
    places = {"ExecStart", "EnvironmentFile", "WorkingDirectory", "ProtectHome"} | other
    assert changed(system, user) == places


@pytest.mark.parametrize("place", ["", "user/"])
def test_the_network_is_where_people_are_told_and_nowhere_else(place: str) -> None:
    """The sandbox is otherwise the same."""
    run, notify = (directives(f"{place}{name}.service") for name in ("tgt", "tgt-notify"))
    assert (run["PrivateNetwork"], run["RestrictAddressFamilies"]) == (["yes"], ["none"])
    assert notify["RestrictAddressFamilies"] == ["AF_INET AF_INET6 AF_UNIX"]
    assert run.keys() - notify.keys() == {"PrivateNetwork", "IPAddressDeny"} & run.keys()
    assert notify.keys() - run.keys() == {"WantedBy", "After"} - run.keys()
    assert changed(run, notify) - {"After"} == {
        "Description",
        "ExecStart",
        "MemoryMax",
        "RestrictAddressFamilies",
    }


@pytest.mark.parametrize("unit", NOTIFIES)
def test_people_are_told_after_each_run_if_somebody_enabled_that(unit: str) -> None:
    assert values(unit, "WantedBy") == ["tgt.service"]
    assert values(unit, "After")[0].split()[0] == "tgt.service"
    assert values(unit, "Requires") == [], "a run that failed may have saved something"
