"""The triage screen by its keys, over a real journal that others write to as well."""

from __future__ import annotations

import json
import resource
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from conftest import END, NOW, Workplace
from screens import Seen, cards, ids, run, shown

from tgt.board import Query
from tgt.listing import Asked
from tgt.tasks.card import format_time

Card = Callable[..., dict[str, Any]]
IDS = ids(40)


@pytest.fixture
def five(workplace: Workplace, card_data: Card) -> Workplace:
    workplace.write_journal(*cards(card_data, 5))
    return workplace


def lines_of(place: Workplace) -> list[dict[str, Any]]:
    path = place.tasks / "generated_tasks.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


# --- deciding ------------------------------------------------------------------------------------


def test_every_decision_has_a_key_and_writes_what_the_command_writes(five: Workplace) -> None:
    async def decide() -> None:
        async with shown(five) as seen:
            await seen.press("a")
            assert seen.here == "problem 1", "one goes on to the next"
            await seen.press("d")
            await seen.type("noise, again")
            await seen.press("enter")
            await seen.press("z", "ctrl+u")
            await seen.type("2d until the release")
            await seen.press("enter", "c")
            await seen.press("n")
            await seen.type("look here")
            await seen.press("enter")
            await seen.until(lambda: "notes" in seen.journal[IDS[4]])
            await seen.press("o")
            await seen.type("grace")
            await seen.press("enter")
            await seen.until(lambda: seen.journal[IDS[4]].get("owner"))
            await seen.press("l")
            await seen.type("https://x.test/1")
            await seen.press("enter")
            await seen.until(lambda: seen.journal[IDS[4]].get("links"))
            assert seen.titles == ["problem 0", "problem 4"]

    run(decide())
    told = {card["id"]: card for card in lines_of(five)}
    approved, dismissed, snoozed, completed, noted = (told[each] for each in IDS[:5])
    assert (approved["status"], approved["approvedAt"]) == ("approved", NOW)
    assert (dismissed["status"], dismissed["dismissalReason"]) == ("dismissed", "noise, again")
    assert dismissed.get("dismissedUntil") is None
    assert snoozed["dismissedUntil"] == format_time(END + timedelta(days=2))
    assert (snoozed["status"], snoozed["dismissalReason"]) == ("dismissed", "until the release")
    assert (completed["status"], completed["completedAt"]) == ("completed", NOW)
    assert noted["notes"] == [{"at": NOW, "by": "ada", "text": "look here"}]
    assert (noted["owner"], noted["links"]) == ("grace", ["https://x.test/1"])


def test_what_cannot_be_used_is_asked_again_and_nothing_is_written(five: Workplace) -> None:
    before = lines_of(five)

    async def ask() -> None:
        async with shown(five) as seen:
            await seen.press("z", "ctrl+u")
            await seen.type("soon")
            await seen.press("enter")
            await seen.until(lambda: seen.typed == "soon")
            assert "'soon' is not usable" in seen.app.screen._told  # type: ignore[attr-defined]
            await seen.press("escape", "l")
            await seen.type("ftp")
            await seen.press("enter")
            await seen.until(lambda: seen.typed == "ftp")
            await seen.press("escape", "d", "escape")
            await seen.press("n", "enter")
            assert seen.here == "problem 0"

    run(ask())
    assert lines_of(five) == before


def test_many_are_decided_at_once(five: Workplace) -> None:
    async def decide() -> None:
        async with shown(five) as seen:
            await seen.press("space", "space", "down", "space")
            await seen.until_said("3 marked")
            await seen.press("d")
            await seen.until_said("Dismiss 3 tasks")
            await seen.type("all one cause")
            await seen.press("enter")
            await seen.until_said("dismissed 3 tasks")
            await seen.until(lambda: seen.titles == ["problem 2", "problem 4"])
            assert not seen.tasks.marks
            await seen.press("asterisk", "a")
            await seen.until_said("approved 2 tasks")
            await seen.press("asterisk", "asterisk")
            assert not seen.tasks.marks

    run(decide())
    decided = {card["id"]: card for card in lines_of(five)}
    assert [decided[each]["status"] for each in IDS[:5]] == [
        *("dismissed", "dismissed", "approved", "dismissed", "approved"),
    ]
    assert {decided[IDS[n]]["dismissalReason"] for n in (0, 1, 3)} == {"all one cause"}


def test_an_answer_is_for_the_cards_it_was_asked_of(five: Workplace) -> None:
    """Whatever moves in the list while somebody types."""

    async def ask() -> None:
        async with shown(five) as seen:
            await seen.press("d")
            await seen.type("because")
            seen.tasks.move(3)
            await seen.press("enter")
            await seen.until(lambda: seen.journal[IDS[0]]["status"] == "dismissed")
            assert seen.journal[IDS[3]]["status"] == "generated"

    run(ask())


# --- taking back ---------------------------------------------------------------------------------


def test_decisions_are_taken_back_one_after_the_other_by_one_more_line(five: Workplace) -> None:
    before = {card["id"]: card for card in lines_of(five)}

    async def undo() -> None:
        async with shown(five) as seen:
            await seen.press("u")
            await seen.until_said("Nothing to take back")
            await seen.press("space", "space", "c")
            await seen.until_said("completed 2 tasks")
            await seen.press("d")
            await seen.type("noise")
            await seen.press("enter")
            await seen.until_said("dismissed")
            await seen.press("u")
            await seen.until_said("undone: dismissed")
            await seen.until(lambda: seen.here == "problem 2", "where it was")
            await seen.press("u")
            await seen.until_said("undone: completed 2 tasks")
            await seen.until(lambda: len(seen.titles) == 5)
            await seen.press("u")
            await seen.until_said("Nothing to take back")

    run(undo())
    lines = lines_of(five)
    assert len(lines) == 5 + 3 + 3, "nothing is taken out of the journal"
    for card in {card["id"]: card for card in lines}.values():
        said = {k: v for k, v in card.items() if k not in {"undone", "updatedAt"}}
        assert said == before[card["id"]]
        assert next(iter(card)) == "id", "where readers of the journal look for it"
    dismissed = next(card for card in reversed(lines) if card["id"] == IDS[2])
    assert dismissed["undone"] == {"at": NOW, "text": "dismissed: noise"}
    told = five.tgt("log", IDS[2]).out
    assert [line.split()[3] for line in told.splitlines()] == ["found", "dismissed", "undone"]
    assert "undone" in five.tgt("show", IDS[2]).out


def test_what_somebody_else_has_changed_since_is_not_taken_back(five: Workplace) -> None:
    async def undo() -> None:
        async with shown(five) as seen:
            await seen.press("a")
            await seen.until_said("approved A000")
            await seen.press("d", "enter")
            await seen.until_said("dismissed A001")
            assert five.tgt("reopen", IDS[1]).status == 0
            before = lines_of(five)
            await seen.press("u")
            await seen.until_said("cannot take that back")
            assert lines_of(five) == before
            await seen.press("u")
            await seen.until_said("undone: approved A000")
            assert seen.journal[IDS[0]]["status"] == "generated"
            assert seen.journal[IDS[1]]["status"] == "generated"

    run(undo())


# --- others --------------------------------------------------------------------------------------


def test_what_others_do_is_seen_at_once_and_disturbs_nothing(
    workplace: Workplace, card_data: Card
) -> None:
    workplace.write_journal(*cards(card_data, 40))

    async def watch() -> None:
        async with shown(workplace) as seen:
            await seen.press(*["down"] * 12, "space")
            assert seen.here == "problem 13"
            await seen.press("d")
            await seen.type("half a rea")
            at = seen.row("problem 13")
            marked = IDS[12]
            assert workplace.tgt("dismiss", IDS[13], IDS[3], "--reason", "theirs").status == 0
            assert workplace.tgt("approve", marked).status == 0
            await seen.until(lambda: "problem 3" not in seen.titles)
            assert seen.typed == "half a rea"
            assert (seen.here, seen.row("problem 13")) == ("problem 13", at)
            await seen.until(lambda: seen.tasks.card and seen.tasks.card.status == "dismissed")
            assert seen.tasks.marks == {marked}
            new = card_data("01K94XYZ00B7T4M8R2VXCDGNEW", title="quite new", priority=99)
            with (workplace.tasks / "generated_tasks.jsonl").open("a") as journal:
                journal.write(json.dumps(new) + "\n")
            await seen.until(lambda: seen.titles[0] == "quite new")
            assert (seen.here, seen.row("problem 13")) == ("problem 13", at)
            await seen.type("son")
            assert seen.typed == "half a reason"
            await seen.press("enter")
            await seen.until(lambda: seen.journal[marked]["status"] == "dismissed")
            assert seen.journal[marked]["dismissalReason"] == "half a reason"
            await seen.press("up")
            await seen.until(lambda: "problem 13" not in seen.titles, "it was left")

    run(watch())


def test_news_is_told_on_one_line_with_who_it_was(five: Workplace, card_data: Card) -> None:
    async def watch() -> None:
        async with shown(five, (100, 24)) as seen:
            five.tgt("dismiss", IDS[2], "--reason", "not ours")
            await seen.until_said("dismissed A002: not ours")
            five.tgt("mute", "tool_call/t4", "--now", NOW)
            await seen.until_said("1 muted")
            assert "problem 4" not in seen.titles
            await seen.press("m")
            await seen.until(lambda: "problem 4" in seen.titles)
            five.tgt("complete", IDS[3], "--now", NOW)
            await seen.until(lambda: "problem 3" not in seen.titles)
            now = {"value": 0.9, "severity": "critical", "priority": 95, "confidence": 0.99}
            seen_at = {"lastSeenAt": NOW, "occurrences": 20, "firstSeenAt": NOW}
            five.write_sidecar(sightings={IDS[1]: {**seen_at, "now": {**now, "at": NOW}}})
            await seen.until(lambda: seen.titles[0] == "problem 1", "a run saw it again")
            await seen.until_said("A001 critical")

    run(watch())


# --- finding -------------------------------------------------------------------------------------


def test_a_search_narrows_while_one_types_and_is_left_by_escape(
    workplace: Workplace, card_data: Card
) -> None:
    odd = card_data("01K94XYZ00B7T4M8R2VXCDGODD", title="Straße closed", owner="grace")
    plain = cards(card_data, 12, description="")
    workplace.write_journal(odd, *({**card, "title": f"p-{card['title'][8:]}"} for card in plain))

    async def search() -> None:
        async with shown(workplace) as seen:
            await seen.press("slash")
            await seen.type("jk")
            assert seen.typed == "jk", "letters are letters"
            await seen.press("backspace", "backspace")
            await seen.type("P-1")
            await seen.until(lambda: seen.titles == ["p-1", "p-10", "p-11"])
            assert seen.here == "p-1"
            await seen.press("down", "enter", "a")
            await seen.until(lambda: seen.journal[IDS[10]]["status"] == "approved")
            await seen.until_said("/P-1")
            await seen.press("slash", "ctrl+u")
            for words in ("STRASSE", "grace", "GODD", "enoent closed"):
                await seen.press("ctrl+u")
                await seen.type(words)
                await seen.until(lambda: "Straße closed" in seen.titles, words)
            await seen.press("escape")
            await seen.until(lambda: "p-11" in seen.titles, "as it was before")
            await seen.press("escape")
            await seen.until(lambda: len(seen.titles) == 13)
            assert seen.here == "p-11"
            await seen.press("space", "slash")
            await seen.type("nothing of the kind")
            await seen.until(lambda: seen.titles == ["p-11"], "what is marked stays")
            await seen.press("escape", "escape", "slash")
            await seen.type("nothing of the kind")
            await seen.until_said("No task fits")
            await seen.press("enter", "a", "d", "z", "space", "down", "end", "e", "escape")
            await seen.until(lambda: len(seen.titles) == 13)

    run(search())


def test_filters_offer_what_there_is_and_count_at_once(
    workplace: Workplace, card_data: Card
) -> None:
    workplace.write_journal(
        *cards(card_data, 3),
        card_data("X1AA", title="slow", type="performance_degradation", severity="low"),
        card_data("X2AA", title="old", status="dismissed"),
    )

    async def choose() -> None:
        async with shown(workplace, (90, 30)) as seen:
            await seen.press("f")
            await seen.until_said("performance_degradation  1")
            assert "[ ] dismissed  1" in seen.text
            assert "[ ] open  4" in seen.text
            while "> [ ] dismissed" not in seen.text:
                await seen.press("down")
            await seen.press("space")
            await seen.until_said("> [x] dismissed")
            await seen.press("escape")
            await seen.until(lambda: "old" in seen.titles)
            await seen.until_said("dismissed")
            await seen.press("f", "backspace", "escape")
            await seen.until(lambda: "slow" in seen.titles)
            await seen.press("s")
            await seen.until_said("by age")

    run(choose())


def test_the_screen_begins_with_the_filters_it_is_given(five: Workplace) -> None:
    async def look() -> None:
        query = Query(Asked(subjects=["tool_call/t[12]"], least=10))
        async with shown(five, query=query) as seen:
            assert seen.titles == ["problem 1", "problem 2"]
            await seen.press("escape")
            await seen.until(lambda: len(seen.titles) == 5)

    run(look())


def test_of_more_than_are_held_it_says_how_many(workplace: Workplace, card_data: Card) -> None:
    workplace.write_journal(*cards(card_data, 1010, evidence={}, description=""))

    async def look() -> None:
        async with shown(workplace) as seen:
            await seen.until_said("1000 of 1,010 open tasks")
            await seen.press("end")
            assert seen.here == "problem 999"
            await seen.press("home", "slash")
            await seen.type("1009")
            await seen.until(lambda: "problem 1009" in seen.titles)

    run(look())


# --- the card ------------------------------------------------------------------------------------


def test_the_card_is_read_to_its_end_and_has_the_whole_screen(five: Workplace) -> None:
    async def read() -> None:
        async with shown(five) as seen:
            assert "lines more: PgDn" in seen.text
            seen_text = seen.text
            while "lines more: PgDn" in seen.text or "line more: PgDn" in seen.text:
                await seen.press("pagedown")
                seen_text += seen.text
            for words in ("limit 9.3%", "ENOENT", "Suggested fix", "Done when", "So far"):
                assert words in seen_text, words
            assert "tgt approve" not in seen_text, "there are keys for that"
            await seen.press("enter", "home")
            assert not any("│" in line for line in seen.lines)
            assert "14 of 56 conversations saw read_file fail; 3.1% did" in seen.text
            await seen.press("down")
            assert seen.here == "problem 0"
            await seen.press("right", "a")
            await seen.until(lambda: seen.journal[IDS[1]]["status"] == "approved")
            assert seen.here == "problem 2"
            await seen.press("escape", "down")
            assert seen.here == "problem 3"
            await seen.press("e")
            await seen.until_said("nothing is left")
            await seen.press("escape", "question_mark")
            await seen.until_said("take the last decision back")
            await seen.press("escape")

    run(read())


# --- hostile -------------------------------------------------------------------------------------

HOSTILE = (
    "[bold red]x[/] [@click=app.quit]q[/] [link=https://evil.test]l[/link]"
    " \x1b[31m\x1b]8;;https://evil.test\x07 \x9b2J \u202egnp \x00 $secret {0} :skull: \r\n"
)


def test_text_of_telemetry_is_shown_and_never_interpreted(
    workplace: Workplace, card_data: Card
) -> None:
    texts = dict.fromkeys(("title", "description", "subject", "owner"), HOSTILE)
    data = card_data(**texts, notes=[{"at": NOW, "by": HOSTILE, "text": HOSTILE}])
    data["evidence"]["samples"][0]["text"] = HOSTILE
    data["evidence"]["details"]["rule"] = HOSTILE
    other = card_data(IDS[1], title=HOSTILE, status=HOSTILE, severity=HOSTILE, type=HOSTILE)
    workplace.write_journal(data, other, card_data("\x1b[31mid", title="[/]"))

    async def look() -> None:
        query = Query(Asked(every=True))
        async with shown(workplace, (160, 60), query=query) as seen:
            whole = ""
            for key in ("down", "n", "escape", "enter", "escape", "f", "escape", "d"):
                await seen.press(key)
                await seen.pilot.pause()
                assert all(line.isprintable() for line in seen.lines), key
                assert "\u202e" not in seen.text
                whole += seen.text
            assert "[bold red]x[/] [@click=app.quit]q[/] [link=https://evil.test]l[/link]" in whole
            assert "\\x1b[31m" in whole
            await seen.type("[b]my \\x1b")
            await seen.press("enter")
            await seen.until_said("dismissed")
            strips = seen.app.screen._compositor.render_strips()
            assert not any(s.style and s.style.link for strip in strips for s in strip)

    run(look())


# --- terminals -----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(80, 24), (60, 20), (120, 30), (200, 50), (34, 12), (20, 6)])
def test_every_size_shows_list_card_and_keys(five: Workplace, size: tuple[int, int]) -> None:
    async def look() -> None:
        async with shown(five, size) as seen:
            await seen.pilot.pause()
            assert [len(line) for line in seen.lines] == [size[0]] * size[1]
            assert "? keys" in seen.lines[-1]
            if size[0] < 34:
                return
            assert "5 open tasks" in seen.lines[0]
            assert seen.lines[2].startswith("> A000 high")
            assert sum(line.count("problem 0") for line in seen.lines) == 2, "list and card"
            beside = [line for line in seen.lines if "│" in line]
            assert len(beside) == (size[1] - 3 if size[0] >= 76 else 0)
            await seen.pilot.resize_terminal(70, 20)
            await seen.until(lambda: len(seen.lines[0]) == 70)
            assert not any("│" in line for line in seen.lines)

    run(look())


def test_without_colours_all_is_said_in_words_and_signs(five: Workplace) -> None:
    async def look() -> None:
        async with shown(five, (100, 30), plain=True, only_ascii=True) as seen:
            await seen.press("space", "a")
            await seen.until_said("approved A000")
            for key in ("f", "escape", "question_mark", "escape", "enter", "d"):
                await seen.press(key)
                await seen.pilot.pause()
                assert seen.styles <= {"default"}
                assert seen.text.isascii()
            await seen.press("escape", "escape")
            assert seen.lines[3].startswith("> A001 high")
            assert "approved  problem 0" in seen.lines[2]

    run(look())

    async def colourful() -> None:
        async with shown(five, (100, 30)) as seen:
            assert len(seen.styles) > 2

    run(colourful())


# --- failures ------------------------------------------------------------------------------------


@pytest.fixture
def full_disk(five: Workplace) -> Iterator[Callable[[bool], None]]:
    """Makes every file as large as it may be."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = (five.tasks / "generated_tasks.jsonl").stat().st_size

    def fill(full: bool) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size if full else before[0], before[1]))

    yield fill
    fill(False)


def test_what_cannot_be_written_is_told_and_not_shown_as_done(
    five: Workplace, full_disk: Callable[[bool], None]
) -> None:
    before = lines_of(five)

    async def decide() -> None:
        async with shown(five, (120, 24)) as seen:
            full_disk(True)
            await seen.press("space", "space", "a")
            await seen.until_said("cannot write")
            assert len(seen.tasks.marks) == 2, "what was meant is still marked"
            assert not any("approved" in line.partition("│")[0] for line in seen.lines)
            full_disk(False)
            assert lines_of(five) == before
            await seen.press("a")
            await seen.until_said("approved 2 tasks")

    run(decide())


def test_a_journal_that_cannot_be_read_is_told_until_it_can(five: Workplace) -> None:
    journal = five.tasks / "generated_tasks.jsonl"

    async def look() -> None:
        async with shown(five, (120, 24)) as seen:
            aside = journal.rename(five.path / "aside")
            journal.mkdir()
            await seen.until_said("cannot read")
            assert seen.titles
            journal.rmdir()
            aside.rename(journal)
            await seen.press("s")
            await seen.until_said("by age")
            await seen.press("a")
            await seen.until_said("approved")

    run(look())


def test_without_tasks_it_says_what_brings_some_and_waits_for_them(
    workplace: Workplace, card_data: Card
) -> None:
    async def look() -> None:
        from tgt.board import Board
        from tgt.tui.app import TriageApp

        async with shown_empty(workplace) as seen:
            assert isinstance(seen.app, TriageApp)
            assert isinstance(seen.board, Board)
            await seen.until_said("No tasks yet in")
            await seen.press(
                "a", "d", "z", "space", "enter", "escape", "e", "n", "u", "down", "end"
            )
            workplace.write_journal(*cards(card_data, 2))
            await seen.until(lambda: seen.titles == ["problem 0", "problem 1"])
            await seen.press("asterisk", "c")
            await seen.until_said("All done")

    run(look())


def shown_empty(place: Workplace) -> Any:
    return shown(place, waits=False)


def test_it_ends_when_all_is_written(five: Workplace) -> None:
    async def end() -> Seen:
        async with shown(five) as seen:
            await seen.press("asterisk", "a", "q")
            await seen.until(lambda: seen.app.return_code is not None)
            return seen

    seen = run(end())
    assert set(seen.board.decided.values()) == {"approved"}
    assert len(lines_of(five)) == 10
