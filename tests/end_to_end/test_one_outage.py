"""The symptoms of one outage are cards that name each other, the likely first before all; faults
that only coincide do not."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta
from typing import Any

import outages
import pytest
from command_server import Server
from conftest import END, Workplace

PER_HOUR = 60
ALL = {"TASKGEN_MAX_TASKS": "30", "TASKGEN_MAX_PER_HOUR": "30"}
DOCUMENTED = "search, web_fetch and summarise\n"
NEVER_OTHERWISE = {"continuation_issue", "error_spike", "performance_degradation", "retry_loop"}


def _placed(workplace: Workplace, how: Any, **world: Any) -> Workplace:
    (workplace.path / "README.md").write_text(DOCUMENTED)
    directory = workplace.path / ".forgekeeper" / "context_log"
    outages.write(directory, END, how, **{"per_hour": PER_HOUR, **world})
    return workplace


def _run(workplace: Workplace, minutes: float = 0, **settings: str) -> Any:
    """One run so many minutes before the end."""
    now = (END - timedelta(minutes=minutes)).isoformat()
    done = workplace.tgt("run", "--json", "--now", now, **{**ALL, **settings})
    assert (done.status, done.err) == (0, "")
    return done.json


def _cards(workplace: Workplace) -> dict[str, Any]:
    return {each["id"]: each for each in workplace.tgt("list", "--json").json["tasks"]}


def _told(cards: dict[str, Any]) -> dict[str, set[str]]:
    """Of each card the subjects that it names."""
    return {
        f"{card['type']} {card['subject']}": {cards[e["id"]]["subject"] for e in card["related"]}
        for card in cards.values()
    }


def outage(since: float, share: float) -> Any:
    def how(minutes: float, chance: random.Random) -> outages.Write:
        return outages.struck if minutes < since and chance.random() < share else outages.usual

    return how


@pytest.fixture(scope="module")
def struck(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Workplace:
    """A place after the run that saw an outage of fifty minutes."""
    place = Workplace(tmp_path_factory.mktemp("outage"), server)
    workplace = _placed(place, outage(50, 0.85), seed=2)
    assert "of one incident" in _run(workplace)["message"]
    return workplace


def test_twelve_symptoms_of_one_outage_are_one_incident(struck: Workplace) -> None:
    cards = _cards(struck)
    symptoms = {key for key, card in cards.items() if card["related"]}
    assert len(symptoms) >= 12
    kinds = Counter(cards[key]["type"] for key in symptoms)
    assert kinds.keys() >= {*NEVER_OTHERWISE, "recurring_error", "ux_issue"}
    (first,) = (key for key in symptoms if cards[key]["subject"] == "upstream/http_529")
    for key in symptoms:
        entries = cards[key]["related"]
        assert {each["id"] for each in entries} == symptoms - {key}
        assert cards[key]["metadata"]["relatedTasks"] == [each["id"] for each in entries]
        named = [each["id"] for each in entries if each["relation"] == "first"]
        assert named == ([] if key == first else [first])
        assert {each["relation"] for each in entries} <= {"first", "same_incident"}
        overlaps = {each["id"]: each["overlap"] for each in entries}
        assert all(0 <= overlap <= 1 for overlap in overlaps.values())
        assert key == first or overlaps[first] >= 0.8


def test_what_was_always_so_is_none_of_it(struck: Workplace) -> None:
    alone = [card for card in _cards(struck).values() if not card["related"]]
    assert alone
    assert all("no such page" in card["subject"] for card in alone)


def test_a_list_folds_what_belongs_together(struck: Workplace) -> None:
    cards = _cards(struck)
    symptoms = sum(bool(card["related"]) for card in cards.values())
    lines = struck.tgt("list", "--fold").out.splitlines()
    folded = [line for line in lines if "symptoms" in line and "upstream" in line]
    assert len(folded) == 1
    assert f"(+{symptoms - 1} symptoms)" in folded[0]
    assert len(struck.tgt("list", "--fold", "--ids").out.split()) == len(cards) - symptoms + 1
    assert len(struck.tgt("list", "--ids").out.split()) == len(cards), "nothing is hidden"
    assert struck.tgt("list", "--fold", "--json").json == struck.tgt("list", "--json").json
    assert any("folded into them" in line for line in lines)
    assert "folded" not in struck.tgt("list").out


def test_a_card_names_the_others(struck: Workplace) -> None:
    cards = _cards(struck)
    first = next(c for c in cards.values() if c["subject"] == "upstream/http_529")
    other = next(c for c in cards.values() if c["subject"] == "conversations/aborted")
    shown = struck.tgt("show", other["id"]).out
    assert "Same incident" in shown
    line = next(line for line in shown.splitlines() if first["title"] in line)
    assert "likely first" in line
    assert "%" in line
    assert "This is likely the first" in struck.tgt("show", first["id"]).out
    body = struck.tgt("show", other["id"], "--format", "markdown").out
    assert "## Same incident" in body
    assert first["id"] in body
    assert "likely first" in body


def test_a_run_that_finds_nothing_new_changes_nothing(struck: Workplace) -> None:
    before = _cards(struck)
    journal = struck.tasks / "generated_tasks.jsonl"
    size = journal.stat().st_size
    document = _run(struck)
    assert document["result"]["tasksSaved"] == 0
    assert journal.stat().st_size == size
    after = _cards(struck)
    assert {key: card["related"] for key, card in after.items()} == {
        key: card["related"] for key, card in before.items()
    }


def test_two_faults_that_coincide_are_two(workplace: Workplace) -> None:
    """Two tools fail in half of the conversations each, from the same minute on."""

    def how(minutes: float, chance: random.Random) -> outages.Write:
        broken = {
            tool: error
            for tool, error in (("search", "index is locked"), ("web_fetch", "proxy refused"))
            if minutes < 50 and chance.random() < 0.5
        }

        def talk(talk: outages.Talk) -> None:
            talk.ask()
            for tool in ("search", "web_fetch", "summarise"):
                for _ in range(2):
                    talk.call(tool, error=broken.get(tool, ""))
            talk.answer()

        return talk

    _run(_placed(workplace, how))
    cards = _cards(workplace)
    spikes = [card for card in cards.values() if card["type"] == "error_spike"]
    assert {card["subject"] for card in spikes} == {"tool_call/search", "tool_call/web_fetch"}
    for spike in spikes:
        tools = {cards[e["id"]]["subject"].split(":")[0] for e in spike["related"]}
        assert tools.isdisjoint({other["subject"] for other in spikes} - {spike["subject"]})


def test_what_appears_an_hour_later_joins(workplace: Workplace) -> None:
    """An upstream fails for two hours; for the last fifty minutes a tool fails because of it."""

    def how(minutes: float, chance: random.Random) -> outages.Write:
        struck = minutes < 115 and chance.random() < 0.6

        def talk(talk: outages.Talk) -> None:
            talk.ask()
            talk.call("search")
            if struck:
                talk.say(1, "upstream_error", actor="system", status=529, message="overloaded")
                talk.call("web_fetch", seconds=5)
            else:
                talk.call("web_fetch")
            fails = struck and minutes < 50 and chance.random() < 0.9
            talk.call("summarise", error="no answer of the model" if fails else "")
            talk.answer()

        return talk

    _placed(workplace, how)
    _run(workplace, minutes=60)
    early = _cards(workplace)
    told = _told(early)
    before = {"upstream/http_529", "tool_call/web_fetch", "conversations/long_wait"}
    assert {name: before - {name.split()[1]} for name in told} == told
    assert len(told) == 3
    journal = workplace.tasks / "generated_tasks.jsonl"
    lines = len(journal.read_text().splitlines())
    document = _run(workplace)
    assert document["message"].endswith("2 tasks saved, one incident")
    assert len(journal.read_text().splitlines()) == lines + 2, "the earlier cards are not written"
    cards = _cards(workplace)
    after = before | {"tool_call/summarise", "conversations/error_heavy"}
    told = _told(cards)
    assert {name: after - {name.split()[1]} for name in told} == told
    assert len(told) == 5
    first = next(c["id"] for c in cards.values() if c["subject"] == "upstream/http_529")
    for card in cards.values():
        named = [e["id"] for e in card["related"] if e["relation"] == "first"]
        assert named == ([] if card["id"] == first else [first])


def test_with_little_traffic_an_outage_is_one_incident(workplace: Workplace) -> None:
    _run(_placed(workplace, outage(55, 0.7), per_hour=14, seed=3))
    cards = _cards(workplace)
    first = next(card for card in cards.values() if card["subject"] == "upstream/http_529")
    assert len(first["related"]) >= 4
    assert {each["relation"] for each in first["related"]} == {"same_incident"}


def test_a_dry_run_says_the_same(workplace: Workplace) -> None:
    _placed(workplace, outage(50, 0.85))
    done = workplace.tgt("run", "--dry-run", "--now", END.isoformat(), **ALL)
    assert "to save, " in done.out
    assert "one incident" in done.out
    assert not workplace.tasks.exists() or not any(workplace.tasks.iterdir())
