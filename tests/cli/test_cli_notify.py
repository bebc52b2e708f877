"""``tgt notify``, with real commands as targets that record what they are given.

Where what matters is what becomes of the cards and the targets, the command is called in this
process, and only its targets are processes; where it is how the program behaves, it is the program.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from conftest import NOW, Result, Workplace

from tgt.cli.notify import notify
from tgt.cli.request import Request, parse_now

Make = Callable[..., dict[str, Any]]
A, B, C = (f"01K94XYZ00{letter}7T4M8R2VXCDGH1A" for letter in "ABC")
NOON = "2025-11-04T12:00:00Z"
BY_TGT = {
    "status": "completed",
    "completedAt": "2025-11-04T11:00:00.000Z",
    "completedBy": "tgt",
    "verification": {"state": "holds", "text": "0 of 310 calls failed; 19 would have"},
}


@dataclass
class Office:
    """A workplace with cards, and with people who are told."""

    place: Workplace
    make: Make
    patch: pytest.MonkeyPatch

    def add(self, card_id: str, **changes: Any) -> None:
        """One more line of a card, as a run or a person would append it."""
        journal = self.place.tasks / "generated_tasks.jsonl"
        journal.parent.mkdir(parents=True, exist_ok=True)
        with journal.open("a") as appended:
            appended.write(json.dumps(self.make(card_id, **changes)) + "\n")

    def script(self, name: str, text: str) -> str:
        """A command that does this; as a target."""
        path = self.place.path / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o700)
        return f"exec:{path}"

    def recorder(self, name: str = "told") -> str:
        return self.script(f"{name}.sh", f'cat >> "{self.place.path}/{name}"')

    def told(self, name: str = "told") -> list[dict[str, Any]]:
        """The notifications that a recorder got."""
        path = self.place.path / name
        lines = path.read_text().splitlines() if path.exists() else []
        return [json.loads(line)["notification"] for line in lines]

    def changes(self, name: str = "told") -> list[list[str]]:
        """Of each notification the changes and the first letters that tell cards apart."""
        return [[f"{t['change']} {t['id'][10]}" for t in n["tasks"]] for n in self.told(name)]

    def program(self, *words: str, targets: str, now: str = NOON, **settings: str) -> Result:
        return self.place.tgt("notify", *words, "--now", now, TASKGEN_NOTIFY=targets, **settings)

    def notify(self, *words: str, targets: str, now: str = NOON, **settings: str) -> Result:
        """The same in this process."""
        request = Request(json="--json" in words, now_option=parse_now(now))
        with self.patch.context() as patch, redirect_stderr(StringIO()) as err:
            patch.chdir(self.place.path)
            for name, value in {"TASKGEN_NOTIFY": targets, **settings}.items():
                patch.setenv(name, value)
            status = notify(request, dry_run="--dry-run" in words, test="--test" in words)
        return Result(int(status), "".join(request.answer), err.getvalue())

    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads((self.place.tasks / "notify_state.json").read_text())
        return state


@pytest.fixture
def office(workplace: Workplace, card_data: Make, monkeypatch: pytest.MonkeyPatch) -> Office:
    """One card is there when somebody is to be told for the first time."""
    office = Office(workplace, card_data, monkeypatch)
    office.add(A)
    return office


@pytest.fixture
def begun(office: Office) -> Office:
    """Telling has begun, for any target."""
    assert office.notify(targets=office.recorder()).status == 0
    return office


def test_telling_begins_with_what_comes_next(office: Office) -> None:
    target = office.recorder()
    first = office.program(targets=target)
    assert (first.status, first.err) == (0, "")
    assert first.out == "Telling begins now: of the 1 open task that there are nobody is told\n"
    office.add(B)
    second = office.program(targets=target)
    assert (second.status, second.err) == (0, "")
    assert second.out == (
        "1 target told\n"
        f"  told     exec:{office.place.path}/told.sh  1 task\n"
        f"  new    high      read_file fails in 25% of the conversations that use it  ({B})\n"
    )
    third = office.program(targets=target)
    assert (third.status, third.out) == (0, "Nothing to tell\n  nothing  " + target + "\n")
    assert office.changes() == [["new B"]]


def test_what_was_found_before_there_was_a_journal_is_told(office: Office) -> None:
    (office.place.tasks / "generated_tasks.jsonl").unlink()
    target = office.recorder()
    office.notify(targets=target)
    office.add(A)
    office.notify(targets=target)
    assert office.changes() == [["new A"]]


def test_the_document_of_a_command(begun: Office) -> None:
    begun.add(B, severity="critical")
    begun.notify(targets=begun.recorder())
    assert begun.told() == [
        {
            "at": "2025-11-04T12:00:00.000Z",
            "kind": "digest",
            "tasks": [
                {
                    "id": B,
                    "change": "new",
                    "severity": "critical",
                    "subject": "tool_call/read_file",
                    "title": "read_file fails in 25% of the conversations that use it",
                    "text": "14 of 56 conversations saw read_file fail; 3.1% did in the week"
                    " before.",
                }
            ],
        }
    ]


def test_every_change_in_one_message_the_new_ones_first(begun: Office) -> None:
    target = begun.recorder()
    begun.add(B, severity="medium")
    begun.add(C, status="completed", completedAt=NOW, completedBy="ada")
    begun.notify(targets=target)
    begun.add(A, **BY_TGT)
    begun.add(B, severity="critical")
    reopened = {"at": NOW, "reason": "came_back"}
    begun.add(C, reopenedAt=NOW, metadata={"reopened": reopened})
    begun.add("01K94XYZ00D7T4M8R2VXCDGH1A")
    begun.notify(targets=target)
    assert begun.changes() == [["new D", "worse B", "back C", "fixed A"]]
    assert [task["text"] for task in begun.told()[0]["tasks"][1:]] == [
        "from medium to critical; 25% (14 of 56)",
        "came back after it was completed",
        "0 of 310 calls failed; 19 would have",
    ]


@pytest.mark.parametrize(
    ("least", "told"),
    [
        ("critical", ["new B"]),
        ("high", ["new B", "new C"]),
        ("low", ["new B", "new C", "new D", "new E"]),
    ],
)
def test_only_what_is_severe_enough(begun: Office, least: str, told: list[str]) -> None:
    for letter, severity in zip("BCDE", ("critical", "high", "low", "blocker"), strict=True):
        begun.add(f"01K94XYZ00{letter}7T4M8R2VXCDGH1A", severity=severity)
    begun.notify(targets=begun.recorder(), TASKGEN_NOTIFY_MIN_SEVERITY=least)
    assert sorted(begun.changes()[0]) == told


def test_what_people_have_closed_meanwhile_is_told_to_nobody(begun: Office) -> None:
    broken = begun.script("broken.sh", "exit 7")
    for card_id in (B, C):
        begun.add(card_id)
    begun.notify(targets=broken)
    assert begun.place.tgt("dismiss", B).status == 0
    begun.notify(targets=begun.recorder(), now="2025-11-05T12:00:00Z")
    assert begun.changes() == [["new C"]]


# --- targets that fail ---------------------------------------------------------------------------


def test_a_target_that_fails_costs_nobody_else_anything_and_is_tried_again(begun: Office) -> None:
    works = begun.recorder()
    broken = begun.script("broken.sh", "cat >/dev/null; echo 'no such list' >&2; exit 7")
    targets = f"{broken}, nobody, {works} slak://x/y"
    begun.add(B)
    failed = begun.program(targets=targets)
    assert failed.status == 4
    assert failed.err.splitlines() == [
        f"tgt: warning: {broken} was not told: the command ended with status 7: no such list;"
        " tried again from 2025-11-04 12:05 UTC on",
        "tgt: warning: … was not told: this is no target: accepted are the URLs of Apprise and"
        " exec:COMMAND; tried again from 2025-11-04 12:05 UTC on",
        "tgt: warning: slak://… was not told: Apprise knows no such service, or cannot use its"
        " URL; tried again from 2025-11-04 12:05 UTC on",
    ]
    assert begun.changes() == [["new B"]]
    begun.add(C)
    waiting = begun.program("--json", targets=targets, now="2025-11-04T12:04:00Z")
    assert (waiting.status, waiting.err) == (0, "")
    results = {t["target"]: (t["result"], t["tasks"]) for t in waiting.json["targets"]}
    assert results == {
        broken: ("waiting", 2),
        "…": ("waiting", 2),
        works: ("told", 1),
        "slak://…": ("waiting", 2),
    }
    begun.script("broken.sh", f"cat >> {begun.place.path}/mended")
    again = begun.program(targets=targets, now="2025-11-04T12:06:00Z")
    assert again.status == 4, "the others are still misspelt"
    assert begun.changes() == [["new B"], ["new C"]], "never twice"
    assert [sorted(message) for message in begun.changes("mended")] == [["new B", "new C"]]


def test_one_that_goes_on_failing_is_tried_less_and_less_often(begun: Office) -> None:
    begun.add(B)
    now = datetime(2025, 11, 4, 12, tzinfo=timezone.utc)
    waits = []
    for _ in range(9):
        result = begun.notify("--json", targets="nobody", now=now.isoformat())
        (target,) = result.json["targets"]
        assert target["result"] == "failed"
        until = datetime.fromisoformat(target["nextAttemptAt"])
        waits.append((until - now) / timedelta(minutes=1))
        early = begun.notify("--json", targets="nobody", now=(until - ALMOST).isoformat())
        assert early.json["targets"][0]["result"] == "waiting"
        now = until
    assert waits == [5, 10, 20, 40, 80, 160, 240, 240, 240]
    past = begun.notify("--json", targets="nobody", now="2025-11-03T00:00:00Z")
    assert past.json["targets"][0]["result"] == "failed", "a clock that was wrong stops nobody"


ALMOST = timedelta(seconds=1)


def test_one_that_was_misspelt_is_told_what_it_missed_once_it_is_not(begun: Office) -> None:
    works = begun.recorder("works")
    begun.add(B)
    begun.notify(targets=f"{works}, exce:{begun.place.path}/told.sh")
    begun.add(C)
    begun.notify(targets=f"{works}, {begun.recorder()}", now="2025-11-04T12:01:00Z")
    assert begun.changes("works") == [["new B"], ["new C"]]
    assert [sorted(message) for message in begun.changes()] == [["new B", "new C"]]


def test_a_target_that_is_new_begins_with_what_comes_next(begun: Office) -> None:
    first, second = begun.recorder("first"), begun.recorder("second")
    begun.add(B)
    begun.notify(targets=first)
    begun.notify(targets=f"{first}, {second}")
    begun.add(C)
    begun.notify(targets=f"{first}, {second}")
    assert begun.changes("first") == [["new B"], ["new C"]]
    assert begun.changes("second") == [["new C"]]


def test_killed_before_it_could_write_down_that_a_target_took_it(begun: Office) -> None:
    """That one is told again; who was told before it is not."""
    first = begun.recorder("first")
    killer = begun.script(
        "killer.sh",
        f'cat >> "{begun.place.path}/second"\n'
        '[ -e once ] || { touch once; kill -9 "$(cut -d" " -f4 "/proc/$PPID/stat")"; }',
    )
    begun.add(B)
    assert begun.program(targets=f"{first} {killer}").status == -signal.SIGKILL
    assert begun.program(targets=f"{first} {killer}").status == 0
    assert begun.changes("first") == [["new B"]]
    assert begun.changes("second") == [["new B"], ["new B"]]
    assert begun.program(targets=f"{first} {killer}").out.startswith("Nothing to tell")


def test_two_at_once_tell_everybody_once(begun: Office) -> None:
    slow = begun.script("slow.sh", f'sleep 1; cat >> "{begun.place.path}/told"')
    begun.add(B)
    words = [sys.executable, "-m", "tgt", "notify", "--now", NOON]
    environment = begun.place.environment(TASKGEN_NOTIFY=slow)
    several = [
        subprocess.Popen(words, cwd=begun.place.path, env=environment, stdout=subprocess.PIPE)
        for _ in range(3)
    ]
    answers = sorted(each.communicate()[0].decode().splitlines()[0] for each in several)
    assert [each.returncode for each in several] == [0, 0, 0]
    skipped = "Skipped: another tgt notify is at work"
    assert set(answers[1:]) <= {skipped, "1 target told", "Nothing to tell"}
    assert answers.count("1 target told") == 1
    assert begun.changes() == [["new B"]]


def ends(pid: int) -> bool:
    """Whether a process ends; one that nobody asks for keeps its number, without its words."""
    words = Path(f"/proc/{pid}/cmdline")
    for _ in range(500):
        if not words.exists() or words.read_bytes() == b"":
            return True
        time.sleep(0.02)
    return False


def test_an_interrupted_one_leaves_no_process_and_tells_it_again(begun: Office) -> None:
    slow = begun.script("slow.sh", "echo $$ > pid; exec sleep 60")
    begun.add(B)
    words = [sys.executable, "-m", "tgt", "notify", "--now", NOON]
    child = subprocess.Popen(
        words, cwd=begun.place.path, env=begun.place.environment(TASKGEN_NOTIFY=slow)
    )
    pid = begun.place.path / "pid"
    while not pid.exists() or not pid.read_text().endswith("\n"):
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    assert child.wait(20) == 130
    assert ends(int(pid.read_text()))
    begun.notify(targets=begun.recorder())
    assert begun.changes() == [["new B"]]


# --- the journal ---------------------------------------------------------------------------------


@pytest.mark.parametrize("cleans_up", [True, False])
def test_a_journal_that_was_cleaned_up_loses_and_repeats_nothing(
    begun: Office, cleans_up: bool
) -> None:
    target = begun.recorder()
    begun.add(B, severity="medium")
    begun.add(C, status="dismissed", dismissedAt="2025-01-01T00:00:00.000Z")
    begun.notify(targets=target)
    for severity in ("high", "critical"):
        begun.add(B, severity=severity, updatedAt=NOW)
    begun.add(A, **BY_TGT)
    if cleans_up:
        assert begun.place.tgt("cleanup").out == "Dropped 1 dismissed task older than 30 days\n"
    begun.notify(targets=target)
    assert begun.changes() == [["worse B", "fixed A"]]
    if cleans_up:
        begun.place.tgt("cleanup")
    begun.notify(targets=target)
    assert len(begun.told()) == 1


def test_a_journal_that_is_there_by_halves_for_a_moment_repeats_nothing(begun: Office) -> None:
    """As an editor writes it, or a backup is put back."""
    target = begun.recorder()
    begun.add(B)
    begun.notify(targets=target)
    journal = begun.place.tasks / "generated_tasks.jsonl"
    whole = journal.read_text()
    for text in ("", whole[: len(whole) // 2], whole):
        journal.write_text(text)
        begun.notify(targets=target)
    journal.rename(begun.place.path / "away")
    begun.notify(targets=target)
    (begun.place.path / "away").rename(journal)
    begun.notify(targets=target)
    assert begun.changes() == [["new B"]]


def test_what_is_remembered_is_readable_by_nobody_else_and_damage_is_told(begun: Office) -> None:
    target = begun.recorder()
    state = begun.place.tasks / "notify_state.json"
    assert state.stat().st_mode & 0o777 == 0o600
    for text in ("", "{", '{"version": 99}', '{"version": 1, "cards": []}', "[" * 9000):
        state.write_text(text)
        result = begun.notify(targets=target)
        assert result.status == 0
        assert f"{state.relative_to(begun.place.path)} makes no sense" in result.err
        assert result.out.startswith("Telling begins now")
    assert len(list(state.parent.glob("notify_state.json.damaged-*"))) == 5
    begun.add(B)
    begun.notify(targets=target)
    assert begun.changes() == [["new B"]]


def test_parts_that_make_no_sense_stop_nobody(begun: Office) -> None:
    target = begun.recorder()
    begun.add(B)
    state = begun.state()
    key = next(iter(state["targets"]))
    bad: list[Any] = [None, 7, "x", [], {}, [1, 2], {"owed": {B: ["new"]}}, {"retryAt": "x"}]
    bad += [{"owed": [B], "failures": -1}, {"owed": {B: ["odd", "high", ""]}, "failures": "x"}]
    for value in bad:
        damaged = state | {"journal": value, "targets": {key: value, "other": value}}
        (begun.place.tasks / "notify_state.json").write_text(json.dumps(damaged))
        assert begun.notify("--dry-run", targets=target).status == 0, value
    begun.notify(targets=target)
    assert begun.changes() == [["new B"]]


# --- quiet hours ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "times"),
    [
        (
            {"TASKGEN_NOTIFY_QUIET_HOURS": "22:00-07:00 Europe/Berlin"},
            ("2025-11-04T21:30:00Z", "2025-11-05T05:59:00Z", "2025-11-05T06:00:00Z"),
        ),
        (
            {"TASKGEN_NOTIFY_QUIET_HOURS": "22:00-07:00", "TZ": "America/New_York"},
            ("2025-11-05T03:30:00Z", "2025-11-05T11:59:00Z", "2025-11-05T12:00:00Z"),
        ),
    ],
)
def test_what_comes_up_in_quiet_hours_is_told_at_their_end(
    begun: Office, settings: dict[str, str], times: tuple[str, str, str]
) -> None:
    """Whatever its severity, and in one message."""
    target = begun.recorder()
    for card_id, now in zip((B, C), times[:2], strict=True):
        begun.add(card_id, severity="critical")
        quiet = begun.program("--json", targets=target, now=now, **settings)
        assert quiet.status == 0
        assert quiet.json["notification"]["tasks"] == []
        assert quiet.json["targets"][0]["result"] == "quiet"
        assert quiet.json["targets"][0]["nextAttemptAt"] == times[2].replace("Z", ".000Z")
    begun.program(targets=target, now=times[2], **settings)
    assert [sorted(message) for message in begun.changes()] == [["new B", "new C"]]


# --- dry run and test ----------------------------------------------------------------------------


def test_a_dry_run_tells_nobody_and_writes_nothing(begun: Office) -> None:
    begun.add(B)

    def tree() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for path in begun.place.path.rglob("*")}

    target = begun.recorder()
    before = tree()
    dry = begun.notify("--dry-run", "--json", targets=target)
    assert (dry.status, dry.json["message"]) == (0, "1 target would be told")
    assert [task["id"] for task in dry.json["notification"]["tasks"]] == [B]
    assert tree() == before
    assert begun.told() == []


def test_a_dry_run_before_the_first_one_writes_nothing(office: Office) -> None:
    before = sorted(office.place.path.rglob("*"))
    dry = office.program("--dry-run", targets="exec:true")
    assert (dry.status, dry.out[:18]) == (0, "Telling begins now")
    assert sorted(office.place.path.rglob("*")) == before


def test_a_test_reaches_every_target_at_any_hour_and_moves_nothing(begun: Office) -> None:
    works, broken = begun.recorder(), begun.script("broken.sh", "exit 7")
    begun.add(B)
    begun.notify(targets=broken)
    before = begun.state()
    result = begun.notify(
        *("--test", "--json"),
        targets=f"{broken} {works}",
        TASKGEN_NOTIFY_QUIET_HOURS="00:00-23:59 UTC",
    )
    assert result.status == 4
    assert [target["result"] for target in result.json["targets"]] == ["failed", "told"]
    (told,) = begun.told()
    assert told == result.json["notification"]
    assert (told["kind"], len(told["tasks"])) == ("test", 1)
    assert begun.state() == before


def test_a_target_that_took_a_test_is_not_waited_for(begun: Office) -> None:
    target = begun.script("told.sh", "exit 7")
    begun.add(B)
    begun.notify(targets=target)
    begun.recorder()
    assert begun.notify("--test", targets=target).status == 0
    begun.notify(targets=target, now="2025-11-04T12:01:00Z")
    assert [task["id"] for told in begun.told() for task in told["tasks"]] == ["TEST", B]


def test_nobody_to_tell(office: Office) -> None:
    result = office.program(targets="")
    assert (result.status, result.out) == (0, "Nobody to tell: TASKGEN_NOTIFY is not set\n")
    assert not (office.place.tasks / "notify_state.json").exists()
    test = office.program("--test", targets="")
    assert (test.status, test.out) == (2, "")
    assert "set TASKGEN_NOTIFY" in test.err
    both = office.program("--test", "--dry-run", targets="exec:true")
    assert (both.status, both.out) == (2, "")


# --- what is hostile, and what is secret ---------------------------------------------------------

KEY = "AKIA" + "Q7XW3NZP5M2K9RTD"
HOSTILE = f"\x1b[2J$(touch x)`touch x`; touch x\u202e {KEY} é\ud800"


def test_nothing_of_telemetry_reaches_a_command_but_on_its_standard_input(begun: Office) -> None:
    spy = begun.script(
        "spy.sh",
        'cat > told; cat "/proc/$$/cmdline" "/proc/$PPID/cmdline" > words;'
        ' cat "/proc/$$/environ" "/proc/$PPID/environ" > variables',
    )
    begun.add(B, title=HOSTILE, subject=HOSTILE, description=HOSTILE * 200)
    secret = "exec:true hunter2-S3cret"
    begun.program(targets=f"{spy} {secret}", FOR_THE_COMMAND="kept")
    (task,) = json.loads((begun.place.path / "told").read_text())["notification"]["tasks"]
    for key in ("title", "subject", "text"):
        assert KEY not in task[key]
        assert "touch x" in task[key]
        assert task[key].isprintable()
        assert len(task[key]) < 600, "cut"
    words = (begun.place.path / "words").read_text()
    variables = (begun.place.path / "variables").read_text()
    assert "touch x" not in words + variables
    assert "hunter2" not in words + variables, "what is for other targets is for them"
    assert "FOR_THE_COMMAND=kept" in variables
    assert not (begun.place.path / "x").exists()


def test_a_command_is_split_into_words_and_no_shell_reads_it(begun: Office) -> None:
    begun.script("words.sh", 'for word in "$@"; do printf "%s|" "$word"; done > words')
    begun.add(B)
    command = f"exec:{begun.place.path}/words.sh 'a b' \"$HOME; touch x\" c\\ d *"
    assert begun.notify(targets=command).status == 0
    assert (begun.place.path / "words").read_text() == "a b|$HOME; touch x|c d|*|"
    assert not (begun.place.path / "x").exists()


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("exec:", "there is no command behind exec:"),
        ("exec:/no/such/program x", "the command cannot be started: No such file or directory"),
        ("exec:'sh", "the command cannot be split into words: No closing quotation"),
        ("exec:sh -c 'kill -9 $$'", "the command was ended by signal 9"),
        ("other:place", "notifier other cannot be used: there is none"),
    ],
)
def test_a_command_that_cannot_be_used_is_a_reason(begun: Office, target: str, reason: str) -> None:
    begun.add(B)
    result = begun.notify("--json", targets=target)
    assert result.status == 4
    assert result.json["targets"][0]["reason"] == reason


@pytest.mark.parametrize(
    "target",
    [
        "exec:sh -c 'echo hunter2-S3cret >&2; exit 1' hunter2-S3cret",
        "json://hunter2-S3cret@127.0.0.1:1/hunter2-S3cret",
        "hunter2-S3cret",
    ],
)
def test_a_credential_of_a_target_is_shown_nowhere(begun: Office, target: str) -> None:
    begun.add(B)
    results = [
        begun.notify(targets=target),
        begun.notify("--json", targets=target),
        begun.notify("--test", "--json", targets=target),
        begun.place.tgt("config", TASKGEN_NOTIFY=target),
        begun.place.tgt("config", "--json", TASKGEN_NOTIFY=target),
        begun.place.tgt("list", TASKGEN_NOTIFY=target, TASKGEN_NOTIFY_MIN_SEVERITY="all"),
    ]
    shown = "".join(result.out + result.err for result in results) + json.dumps(begun.state())
    assert "hunter2" not in shown
    assert "was not told" in shown
    assert results[-1].status == 2


def test_a_command_that_reads_nothing_and_one_that_says_a_lot(begun: Office) -> None:
    deaf = "exec:true"
    loud = begun.script("loud.sh", "yes | head -c 3000000; echo the end; exit 9")
    lasting = begun.script("lasting.sh", "sleep 20 & echo $! > pid")
    for number in range(200):
        begun.add(f"01K94XYZ00{number:04}T4M8R2VXCDGH1", description="word " * 100)
    began = time.monotonic()
    result = begun.notify("--json", targets=f"{deaf} {loud} {lasting}")
    assert time.monotonic() - began < 15, "what a command leaves behind is not waited for"
    told = [(target["result"], target["reason"]) for target in result.json["targets"]]
    reason = "the command ended with status 9: the end"
    assert told == [("told", None), ("failed", reason), ("told", None)]
    os.kill(int((begun.place.path / "pid").read_text()), signal.SIGKILL)


def test_what_is_muted_is_told_when_that_ends_if_it_is_news_still(begun: Office) -> None:
    target, mute = begun.recorder(), ("--now", "2025-11-04T11:00:00Z")
    assert begun.place.tgt("mute", "muted/*", "--for", "2d", *mute).status == 0
    begun.add(B, subject="muted/b")
    begun.add(C, subject="tool_call/c")
    assert begun.notify(targets=target).status == 0
    assert begun.changes() == [["new C"]]
    begun.add(A, subject="muted/a", severity="critical")
    silent = begun.notify(targets=target, now="2025-11-04T13:00:00Z")
    assert (silent.status, silent.out.splitlines()[0]) == (0, "Nothing to tell")
    assert begun.notify("--dry-run", targets=target, now="2025-11-04T13:00:00Z").status == 0
    assert begun.changes() == [["new C"]]
    begun.add(B, subject="muted/b", status="dismissed", dismissedAt="2025-11-04T14:00:00.000Z")
    begun.notify(targets=target, now="2025-11-04T15:00:00Z")
    begun.notify(targets=target, now="2025-11-06T11:00:00Z")
    assert begun.changes() == [["new C"], ["worse A"]], "what people closed meanwhile is none"


def test_what_is_muted_takes_no_place_of_what_is_told(
    begun: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tgt.notify.telling.MOST", 1)
    begun.place.tgt("mute", "muted/*", "--now", "2025-11-04T11:00:00Z")
    begun.add(B, subject="muted/b")
    begun.add(C, subject="tool_call/c")
    result = begun.notify("--json", targets=begun.recorder())
    assert begun.changes() == [["new C"]]
    assert json.loads(result.out)["targets"][0]["tasks"] == 1
    begun.place.tgt("unmute", "muted/*", "--now", "2025-11-04T11:30:00Z")
    begun.notify(targets=begun.recorder())
    assert begun.changes() == [["new C"], ["new B"]]


def test_mutes_that_cannot_be_read_keep_nobody_from_being_told(begun: Office) -> None:
    (begun.place.tasks / "mutes.jsonl").mkdir()
    begun.add(B)
    result = begun.notify(targets=begun.recorder())
    assert begun.changes() == [["new B"]]
    assert "nothing is muted: " in result.err
