"""What changed before a problem began, and which versions bring it back, by the real command."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import END, NOW, Line, Workplace, World, before, call, calls_of, hours_of

from tgt import config, cycle
from tgt.engine.duckdb.queries import DuckDBSnapshot
from tgt.tasks.card import format_time

OLD, NEW = "1.9", "1.10"
FAULT = 55
"""So many minutes before NOW reading begins to fail."""
SUBJECT = "tool_call/read_file"


class Watched(World):
    """A world where the command looks for it."""

    @property
    def logs(self) -> Path:
        return self.path / ".forgekeeper" / "context_log"


def write(place: Workplace, lines: Iterable[Line]) -> None:
    world = Watched(place.path)
    world.logs.mkdir(parents=True, exist_ok=True)
    world.write(*lines)


def usual(service: str = "shop", version: str | None = OLD, **keys: Any) -> Iterable[Line]:
    """Two days up to two hours ago, in which one call in 25 fails."""
    told = {"version": version} if version else {}
    return hours_of(calls_of(service=service, **told, **keys), after=2)


def calls(
    first: float, last: float, version: str | None, *, failing: bool, every: float = 2, **keys: Any
) -> Iterable[Line]:
    """Calls from one minute before NOW to another, each of a conversation of its own; those that
    are ``failing`` do so half of the time."""
    told = {"service": "shop", **({"version": version} if version else {}), **keys}
    for number in range(int((first - last) / every)):
        status = "error" if failing and number % 2 else "ok"
        conv = f"{version}-{first}-{number}"
        yield call(first - number * every, conv, status=status, **told)


def run(
    place: Workplace, now: str = NOW, *arguments: str, analyzer: str = "error_spike"
) -> dict[str, Any]:
    result = place.tgt("run", "--json", "--now", now, *arguments, TASKGEN_ANALYZERS=analyzer)
    assert (result.status, result.err) == (0, "")
    told: dict[str, Any] = result.json["result"]
    return told


def card_of(place: Workplace) -> dict[str, Any]:
    (card,) = place.tgt("list", "--all", "--json").json["tasks"]
    assert card["subject"] == SUBJECT
    return dict(card)


# --- what changed --------------------------------------------------------------------------------


def test_a_release_an_hour_before_the_fault_is_named(workplace: Workplace) -> None:
    release = FAULT + 60
    write(workplace, usual())
    write(workplace, calls(120, release, OLD, failing=False))
    write(workplace, calls(release, FAULT, NEW, failing=False))
    write(workplace, calls(FAULT, 0, NEW, failing=True))
    run(workplace)
    (change,) = card_of(workplace)["changes"]
    assert {key: change[key] for key in ("kind", "name", "at", "service", "sideBySide")} == {
        "kind": "release",
        "name": NEW,
        "at": format_time(END - timedelta(minutes=release)),
        "service": "shop",
        "sideBySide": False,
    }
    assert change["before"] == {
        "value": pytest.approx(20 / 482, rel=0.01),
        "unit": "share",
        "n": 482,
        "text": "20 of 482 (4.1%)",
    }
    assert (change["after"]["n"], change["after"]["text"]) == (57, "13 of 57 (22.8%)")
    told = "release 1.10 of shop, 2025-11-03 14:05 UTC: before 20 of 482 (4.1%), after 13 of 57"
    assert told in " ".join(workplace.tgt("show", SUBJECT, COLUMNS="300").out.split())
    markdown = workplace.tgt("show", SUBJECT, "--format", "markdown").out
    assert "## What changed" in markdown
    assert "before 20 of 482 (4.1%)" in markdown


def test_a_release_a_day_before_the_fault_is_not(workplace: Workplace) -> None:
    minutes = 24 * 60 + FAULT
    for line in usual():
        is_new = line["ts"] > before(minutes)
        write(workplace, [line | {"version": NEW if is_new else OLD}])
    write(workplace, calls(120, FAULT, NEW, failing=False))
    write(workplace, calls(FAULT, 0, NEW, failing=True))
    run(workplace)
    card = card_of(workplace)
    assert card["changes"] == []
    assert "What changed" not in workplace.tgt("show", SUBJECT).out
    assert [(each["version"], each["failed"]) for each in card["versions"]] == [
        (NEW, True),
        (OLD, False),
    ]


def test_two_versions_side_by_side_are_compared(workplace: Workplace) -> None:
    write(workplace, usual())
    write(workplace, calls(120, 0, OLD, failing=False, every=3))
    write(workplace, calls(FAULT, 0, NEW, failing=True, every=1))
    run(workplace)
    (change,) = card_of(workplace)["changes"]
    assert (change["name"], change["sideBySide"]) == (NEW, True)
    assert change["before"]["text"] == "0 of 18 (0.0%)"
    assert change["after"]["text"] == "27 of 55 (49.1%)"
    shown = " ".join(workplace.tgt("show", SUBJECT, COLUMNS="300").out.split())
    assert "in the same time the old 0 of 18 (0.0%), the new 27 of 55 (49.1%)" in shown


def test_marks_near_the_onset_are_named_with_both_sides(workplace: Workplace) -> None:
    write(workplace, usual(version=None))
    write(workplace, calls(120, FAULT, None, failing=False))
    write(workplace, calls(FAULT, 0, None, failing=True))
    for name, minutes, service in (
        ("a day before", 24 * 60, ""),
        ("an hour before", FAULT + 60, ""),
        ("of the shop", FAULT + 5, "shop"),
        ("of another", FAULT + 5, "bank"),
        ("long after", 5, ""),
    ):
        at = before(minutes)
        workplace.tgt("mark", name, "--at", at, *(["--service", service] if service else []))
    run(workplace)
    changes = card_of(workplace)["changes"]
    assert [(each["kind"], each["name"], each["service"]) for each in changes] == [
        ("mark", "of the shop", "shop"),
        ("mark", "an hour before", None),
    ], "the nearest first"
    assert changes[0]["before"]["n"] == 480 + 32 - 1
    assert changes[0]["after"]["text"] == "13 of 28 (46.4%)"


def test_models_and_prompts_are_changes_too(workplace: Workplace) -> None:
    keys: dict[str, Any] = {"model": "small", "prompt_name": "plan", "prompt_version": "1"}
    write(workplace, usual(**keys))
    write(workplace, calls(120, FAULT, OLD, failing=False, **keys))
    write(workplace, calls(FAULT, 30, OLD, failing=True, **{**keys, "prompt_version": "2"}))
    write(workplace, calls(30, 0, OLD, failing=True, **{**keys, "prompt_version": "2"}))
    write(workplace, calls(FAULT + 20, FAULT, OLD, failing=False, model="large"))
    run(workplace)
    changes = card_of(workplace)["changes"]
    assert [(each["kind"], each["name"]) for each in changes] == [
        ("prompt", "plan@2"),
        ("model", "large"),
    ]


def test_what_is_told_for_the_first_time_is_no_change(workplace: Workplace) -> None:
    write(workplace, usual(version=None))
    write(workplace, calls(120, FAULT, None, failing=False))
    write(workplace, calls(FAULT, 0, "1.0", failing=True))
    run(workplace)
    assert card_of(workplace)["changes"] == [], "there was no other version before"


def test_a_new_project_of_an_agent_is_no_new_version(workplace: Workplace) -> None:
    write(workplace, usual(service="claude-code:site", version="2.0.1"))
    write(workplace, usual(service="claude-code:site", version="2.0.0"))
    write(workplace, calls(FAULT, 0, "2.0.1", failing=True, service="claude-code:other"))
    run(workplace)
    assert card_of(workplace)["changes"] == []


def test_a_version_of_an_agent_is_one(workplace: Workplace) -> None:
    write(workplace, usual(service="claude-code:site", version="2.0.1"))
    write(workplace, calls(FAULT, 0, "2.0.2", failing=True, service="claude-code:other"))
    run(workplace)
    (change,) = card_of(workplace)["changes"]
    assert (change["kind"], change["name"], change["service"]) == (
        "version",
        "2.0.2",
        "claude-code",
    )


def test_an_error_that_recurs_has_an_onset_too(workplace: Workplace) -> None:
    write(workplace, usual())
    write(workplace, calls(120, FAULT, OLD, failing=False))
    write(workplace, calls(FAULT, 0, NEW, failing=True, error="no such table: users"))
    run(workplace, analyzer="recurring_error")
    (card,) = workplace.tgt("list", "--json").json["tasks"]
    (change,) = card["changes"]
    assert (change["name"], change["before"]["text"], change["after"]["text"]) == (
        NEW,
        "0 of 512 (0.0%)",
        "13 of 27 (48.1%)",
    )
    assert [(each["version"], each["failed"]) for each in card["versions"]] == [
        (NEW, True),
        (OLD, False),
    ]


def test_of_a_loop_changes_are_named_without_figures(workplace: Workplace) -> None:
    write(workplace, usual())
    loop = [
        call(30 - n, "loop", status="error", service="shop", args_preview="x") for n in range(9)
    ]
    write(workplace, loop)
    workplace.tgt("mark", "new prompt", "--at", before(40))
    workplace.tgt("mark", "too old", "--at", before(200))
    run(workplace, analyzer="retry_loop")
    (card,) = workplace.tgt("list", "--json").json["tasks"]
    (change,) = card["changes"]
    assert (change["name"], change["before"], change["after"]) == ("new prompt", None, None)


def test_slower_calls_are_compared_by_their_latency(workplace: Workplace) -> None:
    write(workplace, hours_of(calls_of(service="shop", version=OLD, elapsed_ms=100), after=2))
    write(workplace, calls(120, FAULT, OLD, failing=False, elapsed_ms=100))
    write(workplace, calls(FAULT, 0, NEW, failing=False, every=1, elapsed_ms=2500))
    run(workplace, analyzer="performance")
    (change,) = card_of(workplace)["changes"]
    assert (change["name"], change["before"]["unit"]) == (NEW, "ms")
    assert (change["before"]["text"], change["after"]["text"]) == (
        "p95 100 ms of 492",
        "p95 2.5 s of 55",
    )


def test_what_is_no_card_is_asked_nothing(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that sees again what a card covers does no more than before."""
    write(workplace, usual())
    write(workplace, calls(120, FAULT, OLD, failing=False))
    write(workplace, calls(FAULT, 0, NEW, failing=True))
    monkeypatch.chdir(workplace.path)
    asked = []
    for name in ("uses", "parts", "course"):
        usually = getattr(DuckDBSnapshot, name)

        def ask(self: Any, *what: Any, _usually: Any = usually, **how: Any) -> Any:
            asked.append(what)
            return _usually(self, *what, **how)

        monkeypatch.setattr(DuckDBSnapshot, name, ask)
    settings = config.load(environ={"TASKGEN_ANALYZERS": "error_spike"})
    assert cycle.run(settings, END).saved == 1
    assert asked
    asked.clear()
    report = cycle.run(settings, END + timedelta(minutes=1))
    assert (report.saved, report.covered, asked) == (0, 1, [])


def test_marks_that_cannot_be_read_keep_no_card_back(workplace: Workplace) -> None:
    write(workplace, usual())
    write(workplace, calls(120, FAULT, OLD, failing=False))
    write(workplace, calls(FAULT, 0, NEW, failing=True))
    workplace.tasks.mkdir(parents=True)
    (workplace.tasks / "marks.jsonl").symlink_to(workplace.path / "elsewhere")
    result = workplace.tgt("run", "--json", "--now", NOW, TASKGEN_ANALYZERS="error_spike")
    assert result.json["result"]["tasksSaved"] == 1
    assert "marks.jsonl: it is a symbolic link" in str(result.json["result"]["warnings"])
    assert [each["name"] for each in card_of(workplace)["changes"]] == [NEW]


def test_a_dry_run_writes_nothing_and_hostile_names_stay_text(workplace: Workplace) -> None:
    name = "1.10'); DROP TABLE events; --\x1b[31m" + "x" * 500
    write(workplace, usual())
    write(workplace, calls(120, FAULT, OLD, failing=False))
    write(workplace, calls(FAULT, 0, name, failing=True))
    assert run(workplace, NOW, "--dry-run")["tasksSaved"] == 1
    assert not (workplace.tasks / "generated_tasks.jsonl").exists()
    run(workplace)
    (change,) = card_of(workplace)["changes"]
    assert change["name"].startswith("1.10'); DROP TABLE events; --")
    assert len(change["name"]) <= 80
    assert "\x1b" not in workplace.tgt("show", SUBJECT).out


# --- which versions bring a problem back ---------------------------------------------------------

COMPLETED = format_time(END + timedelta(minutes=5))
LATER = format_time(END + timedelta(hours=3))


def completed(place: Workplace, version: str | None = OLD) -> None:
    """A card of a problem of one version, completed five minutes later."""
    write(place, usual(version=version))
    write(place, calls(120, FAULT, version, failing=False))
    write(place, calls(FAULT, 0, version, failing=True))
    run(place)
    assert place.tgt("complete", SUBJECT, "--now", COMPLETED).status == 0


def again(place: Workplace, version: str | None, *, failing: bool) -> None:
    """Calls of the third hour after NOW."""
    write(place, calls(-120, -180, version, failing=failing, every=1))


def outcome(place: Workplace) -> tuple[str, str]:
    """The status of the card after a run three hours later, and the reason."""
    run(place, LATER)
    card = card_of(place)
    return card["status"], card["metadata"].get("reopened", {}).get("reason", "")


def test_without_versions_time_decides(workplace: Workplace) -> None:
    completed(workplace, None)
    again(workplace, None, failing=True)
    assert outcome(workplace) == ("generated", "came_back")


def test_the_version_that_failed_before_reopens_while_there_is_no_other(
    workplace: Workplace,
) -> None:
    completed(workplace)
    again(workplace, OLD, failing=True)
    assert outcome(workplace) == ("generated", "came_back")


def test_old_versions_alone_do_not_reopen(workplace: Workplace) -> None:
    completed(workplace)
    again(workplace, OLD, failing=True)
    again(workplace, NEW, failing=False)
    assert outcome(workplace) == ("completed", "")
    dry = workplace.tgt("run", "--dry-run", "--now", LATER, TASKGEN_ANALYZERS="error_spike").out
    assert "only versions that are older than the fix" in " ".join(dry.split())


def test_a_newer_version_that_fails_reopens(workplace: Workplace) -> None:
    completed(workplace)
    again(workplace, OLD, failing=True)
    again(workplace, NEW, failing=True)
    assert outcome(workplace) == ("generated", "came_back")
    versions = card_of(workplace)["versions"]
    assert [(each["version"], each["failed"]) for each in versions] == [(NEW, True), (OLD, True)]


def test_versions_are_ordered_by_when_they_were_first_seen(workplace: Workplace) -> None:
    completed(workplace, NEW)
    again(workplace, NEW, failing=True)
    again(workplace, OLD, failing=False)
    assert outcome(workplace) == ("completed", ""), "1.9 is the newer one here"
