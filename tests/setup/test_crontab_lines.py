"""The line in a crontab: what cron and a shell make of it, and that all other lines stay."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from tgt.setup import crontab
from tgt.setup.crontab import MARK, UNDO, install, line_of
from tgt.setup.job import Job

_OTHERS = "MAILTO=somebody\n# a remark # by tgt init\n\n5 4 * * * backup --all\n"
_PROGRAM = """#!/bin/sh
case "$1" in
-l) if [ -f {table} ]; then /bin/cat {table}; else echo 'no crontab for somebody' >&2; exit 1; fi ;;
-) /bin/cat > {table}.new && /bin/mv {table}.new {table} ;;
esac
"""


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a crontab command of the test's own keeps its lines."""
    programs = tmp_path / "programs"
    programs.mkdir()
    path = tmp_path / "table"
    (programs / "crontab").write_text(_PROGRAM.format(table=shlex.quote(str(path))))
    (programs / "crontab").chmod(0o700)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return path


def job(tmp_path: Path, minutes: int = 15, *, name: str = "tgt") -> Job:
    return Job((str(tmp_path / name),), tmp_path / "100% mine.env", tmp_path, minutes, tmp_path)


@pytest.mark.parametrize("before", ["", "5 4 * * * backup --all", _OTHERS])
def test_other_lines_stay_and_ours_is_there_once(table: Path, tmp_path: Path, before: str) -> None:
    if before:
        table.write_text(before)
    assert crontab.is_own() is False
    assert install(job(tmp_path)).changed
    whole = before if before.endswith("\n") or not before else f"{before}\n"
    assert table.read_text() == f"{whole}{line_of(job(tmp_path))}\n"
    assert crontab.is_own()
    assert not install(job(tmp_path)).changed, "a second time"
    assert install(job(tmp_path, 30)).changed, "at another cadence"
    assert table.read_text() == f"{whole}{line_of(job(tmp_path, 30))}\n"


def test_undoing_takes_our_line_and_no_other(table: Path, tmp_path: Path) -> None:
    table.write_text("5 4 * * * backup --all\n")
    install(job(tmp_path))
    subprocess.run(["/bin/sh", "-c", *UNDO], check=True)
    assert table.read_text() == "5 4 * * * backup --all\n"


@pytest.mark.parametrize(
    ("minutes", "when"),
    [
        (1, "*/1 * * * *"),
        (15, "*/15 * * * *"),
        (25, "*/20 * * * *"),
        (60, "0 */1 * * *"),
        (300, "0 */4 * * *"),
        (1440, "0 */24 * * *"),
    ],
)
def test_it_never_comes_less_often_than_it_is_meant_to(
    tmp_path: Path, minutes: int, when: str
) -> None:
    assert line_of(job(tmp_path, minutes)).startswith(f"{when} cd ")


@pytest.mark.parametrize(("status", "told"), [(0, ""), (4, "tgt run: exit status 4\nall wrong\n")])
def test_a_run_that_did_its_work_is_silent(tmp_path: Path, status: int, told: str) -> None:
    """As cron runs it: percent signs unescaped, by a shell."""
    program = tmp_path / "t'g t"
    program.write_text(
        f'#!/bin/sh\n[ "$*" = "--env-file {tmp_path}/100% mine.env run" ] || exit 9\n'
        f"echo all wrong >&2\nexit {status}\n"
    )
    program.chmod(0o700)
    line = line_of(job(tmp_path, name="t'g t"))
    assert line.endswith(MARK)
    command = line.split(maxsplit=5)[5].replace("\\%", "%")
    assert "%" not in line.replace("\\%", "")
    done = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, check=False, cwd="/"
    )
    assert (done.stdout, done.stderr) == (told, "")


def test_a_crontab_that_cannot_be_read_is_not_written(table: Path, tmp_path: Path) -> None:
    program = tmp_path / "programs/crontab"
    program.write_text("#!/bin/sh\necho 'you may not use this program' >&2\nexit 1\n")
    assert not crontab.is_there()
    assert "you may not use this program" in install(job(tmp_path)).problem
    assert not table.exists()
