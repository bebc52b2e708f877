"""The telemetry lines behind a card: as many as counted, and what is left where they are gone."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from conftest import END, Line, World, call, calls_of, hours_of, response
from invented_secrets import filled

from tgt import evidence
from tgt.tasks.card import Card, format_time

ERROR = "ENOENT: no such file, open 'a.yml'"


def lines(world: World, card: Card, most: int = 20, **changes: Any) -> evidence.Lines:
    return evidence.lines(world.settings(**changes), card, most)


def said(world: World, told: evidence.Lines) -> list[Line]:
    """The lines of telemetry that the places name, parsed."""
    found = []
    for each in told.lines:
        assert each.file is not None
        assert each.line is not None
        with open(each.file, encoding="utf-8") as stream:  # noqa: PTH123 a name of any kind
            found.append(json.loads(stream.read().splitlines()[each.line - 1]))
        assert each.file.startswith(str(world.logs))
    return found


def failures(many: int, **keys: Any) -> list[Line]:
    """Conversations with a call that fails and one that does not."""
    return [
        line
        for n in range(many)
        for line in (
            call(2 * n + 1, f"c{n}", status="error", error=ERROR, **keys),
            call(2 * n + 0.5, f"c{n}"),
        )
    ]


def spike(world: World, *, bad_of: int = 0) -> Card:
    world.write(*hours_of(calls_of(), bad_of=bad_of), *failures(12))
    world.run(analyzers=("error_spike",))
    return world.card()


@pytest.fixture(scope="module")
def spiked(tmp_path_factory: pytest.TempPathFactory) -> tuple[World, Card]:
    """A world with a spike, which nobody changes, and its card."""
    world = World(tmp_path_factory.mktemp("spiked"))
    return world, spike(world)


def test_the_events_that_counted_with_the_lines_where_they_stand(
    spiked: tuple[World, Card],
) -> None:
    world, card = spiked
    told = lines(world, card)
    assert (len(told.lines), told.message, told.warnings) == (12, "", ())
    assert [line["error"] for line in said(world, told)] == [ERROR] * 12
    assert [each.at for each in told.lines] == sorted(each.at for each in told.lines)
    last = told.lines[-1]
    assert (last.subject, last.conv_id, last.text) == ("tool_call/read_file", "c0", ERROR)
    assert len(card.mapping("evidence")["samples"]) == 3, "a card quotes less"


def test_at_most_so_many_the_newest_of_different_conversations(
    spiked: tuple[World, Card],
) -> None:
    world, card = spiked
    told = lines(world, card, 4)
    assert [each.conv_id for each in told.lines] == ["c3", "c2", "c1", "c0"]
    before = world.tree()
    lines(world, card)
    assert world.tree() == before, "looking writes nothing"


@pytest.mark.parametrize(
    "keys",
    [
        {"status": "dismissed", "dismissedAt": format_time(END)},
        {"status": "completed", "completedAt": format_time(END)},
        {"fingerprint": None},
        {"metadata": {}},
        {"lastSeenAt": "2030-01-01T00:00:00.000Z"},
    ],
)
def test_whatever_became_of_the_card(spiked: tuple[World, Card], keys: dict[str, Any]) -> None:
    world, card = spiked
    assert len(lines(world, card.changed(**keys)).lines) == 12


def test_those_of_the_last_time_that_it_was_seen(world: World) -> None:
    card = spike(world)
    later = END + timedelta(minutes=45)
    world.write(call(-44, "late", status="error", error="EACCES"))
    told = lines(world, card.changed(lastSeenAt=format_time(later)))
    assert told.lines[-1].text == "EACCES"
    assert len(lines(world, card).lines) == 12, "and before then nothing that came after"


def test_of_a_problem_that_lasts_its_own_hours_are_no_baseline(world: World) -> None:
    """Dismissed or not: the run that saw it last knew of it, too."""
    world.write(*hours_of(calls_of(), after=6, bad_of=0), *failures(12))
    for hour in range(6):
        world.write(*(call(60 * hour + 4 * n, f"h{hour}-{n}", status="error") for n in range(14)))
    first = END - timedelta(hours=5)
    world.run(first, analyzers=("error_spike",))
    card = world.card().changed(
        lastSeenAt=format_time(END), status="dismissed", dismissedAt=format_time(END)
    )
    told = lines(world, card, 100)
    assert told.message == ""
    assert max(each.at for each in told.lines) > END - timedelta(minutes=5)


def test_the_window_of_a_run_that_looked_further_back(world: World) -> None:
    """As the first run of ``tgt init`` does."""
    asked = {"args_preview": "{}", "result_preview": "no"}
    world.write(*(call(2000 - n, "c", "Bash", **asked) for n in range(8)))
    world.run(analyzers=("retry_loop",), window_min=10080)
    assert len(lines(world, world.card(), window_min=60).lines) == 8


def test_all_calls_of_a_loop_and_no_others(world: World) -> None:
    asked = {"args_preview": "{}", "result_preview": "no"}
    loop = [call(30 - n / 6, "c", "Bash", **asked) for n in range(8)]
    world.write(response(40, "c"), call(39, "c", "Bash"), *loop, call(29.9, "other", "Bash"))
    world.run(analyzers=("retry_loop",))
    assert said(world, lines(world, world.card())) == loop


def test_the_failures_of_a_recurring_error(world: World) -> None:
    world.write(*failures(5), call(2.8, "x", status="error", error="EACCES: permission denied"))
    world.run(analyzers=("recurring_error",))
    (card,) = (card for card in world.cards.values() if "ENOENT" in card.title)
    told = lines(world, card)
    assert [line["error"] for line in said(world, told)] == [ERROR] * 5
    assert {each.subject for each in told.lines} == {"tool_call/read_file"}


def test_texts_are_masked_and_cut(world: World) -> None:
    secret = filled("ghp_{alnum:36}")
    world.write(*hours_of(calls_of(), bad_of=0))
    world.write(
        *(call(n, f"c{n}", status="error", error=f"{secret} {'x' * 900}") for n in range(1, 12))
    )
    world.run(analyzers=("error_spike",))
    told = lines(world, world.card())
    assert len(told.lines) == 11
    for each in told.lines:
        assert each.text is not None
        assert secret not in each.text
        assert len(each.text) <= evidence.LONGEST_TEXT


def test_where_settings_are_others_the_samples_of_the_card_have_their_lines(world: World) -> None:
    card = spike(world, bad_of=25)
    told = lines(world, card, error_spike_multiplier="50")
    assert len(told.lines) == 3
    assert [line["error"] for line in said(world, told)] == [ERROR] * 3
    assert "does not show the problem (any more) as of 2025-11-03 16:00 UTC" in told.message
    assert told.message.endswith("these are the samples of the card, with their lines")


def test_where_telemetry_is_gone_the_card_has_its_samples(world: World) -> None:
    card = spike(world)
    (log,) = world.logs.iterdir()
    whole = log.read_bytes()
    log.write_bytes(b"")
    told = lines(world, card)
    assert [each.text for each in told.lines] == [ERROR] * 3
    assert {each.file for each in told.lines} == {str(log)}
    assert all(each.line for each in told.lines), "where they stood"
    assert told.message.endswith("the samples of the card, with their lines")
    older = [{"timestamp": format_time(each.at), "text": each.text} for each in told.lines]
    evidence = {**card.mapping("evidence"), "samples": older}
    untold = lines(world, card.changed(evidence=evidence))
    assert {(each.file, each.line) for each in untold.lines} == {(None, None)}
    assert untold.message.endswith("the samples of the card, where they stood is not known")
    log.unlink()
    world.logs.rmdir()
    told = lines(world, card)
    assert "context_log" in told.message, "and there is no directory either"
    assert len(told.lines) == 3
    world.write(whole)
    assert len(lines(world, card).lines) == 12, "it is back"


def test_a_sample_that_says_where_it_stood_is_believed(spiked: tuple[World, Card]) -> None:
    stored = {"timestamp": format_time(END), "file": "/var/log/a.jsonl", "line": 7, "text": "no"}
    world, card = spiked
    card = card.changed(evidence={**card.mapping("evidence"), "samples": [stored]}, fingerprint="x")
    (line,) = lines(world, card).lines
    assert (line.file, line.line, line.text) == ("/var/log/a.jsonl", 7, "no")


def test_events_that_are_missing_cannot_be_shown(world: World) -> None:
    world.write(*hours_of(lambda m, conv, _: [call(m, conv)], hours=24 * 8, per_hour=4, after=6))
    world.run(analyzers=("telemetry_silence",))
    told = lines(world, world.card())
    assert told == evidence.Lines(
        (), "No event counts for this card: it is about events that are missing."
    )


def test_a_card_of_another_writer(world: World) -> None:
    world.write(*failures(3))
    told = lines(world, Card({"id": "x"}))
    assert told.lines == ()
    assert "does not say when" in told.message
    told = lines(world, Card({"id": "x", "type": "custom", "savedAt": format_time(END)}))
    assert told.message == "No analyzer makes cards of the type custom; and the card has no samples"
    gone = {"analyzer": "no_such_plug_in"}
    told = lines(world, spike(world).changed(metadata=gone))
    assert told.message.startswith("analyzer no_such_plug_in cannot be used: there is none; these")
    assert all(each.line for each in told.lines)
