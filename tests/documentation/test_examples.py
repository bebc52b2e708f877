"""The cards that docs/analyzers.md shows are those that the program makes of the demos."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from conftest import World, call
from demos import NOW, Demo
from pages import Page

from tgt.analyzers.registry import built_in

PAGE = Page("docs/analyzers.md")
UNPLANTED = ["telemetry_silence"]
"""What neither demo has: a service that is silent."""


def as_shown(card: Mapping[str, Any], directory: Path) -> str:
    """Title and description as the page has them, wherever the demo lies."""
    return f"{card['title']}\n{card['description']}".replace(f"{directory}/", "")


def test_the_example_of_each_analyzer_is_a_card_of_the_demos(demos: list[Demo]) -> None:
    made: dict[str, list[str]] = {}
    for demo in demos:
        for card in demo.cards:
            told = as_shown(card, demo.directory)
            made.setdefault(card["metadata"]["analyzer"], []).append(told)
    assert sorted(made) == sorted(a.name for a in built_in() if a.name not in UNPLANTED)
    for name, cards in made.items():
        example = PAGE.block(f"card: {name}")
        assert example.splitlines()[0] in [card.splitlines()[0] for card in cards], name
        assert example.split() in [card.split() for card in cards], name


def test_every_card_of_the_demos_is_explained(demos: list[Demo]) -> None:
    """By the installed command, in words and as JSON, whatever analyzer made it."""
    topics = ["counted", "usual", "limit", "confidence", "severity", "priority", "status", "end"]
    for demo in demos:
        ids = [card["id"] for card in demo.cards]
        settings = ("--env-file", str(demo.directory / ".env"), "--now", NOW)
        done = demo.workplace.tgt("show", *ids, "--why", "--json", *settings)
        why = done.json["why"]
        assert {card: list(said) for card, said in why.items()} == dict.fromkeys(ids, topics)
        shown = demo.workplace.tgt("show", *ids, "--why", *settings)
        assert (shown.status, shown.err) == (0, "")
        text = " ".join(shown.out.split())
        assert all(card["title"] in text for card in demo.cards)
        for card in demo.cards:
            # What is explained is what the card says: its confidence, its priority, its limit.
            said = why[card["id"]]
            assert said["priority"].startswith(f"{card['priority']} of 100.")
            assert said["priority"].endswith(f"that is {card['priority']}.")
            assert card["evidence"]["threshold"] in said["limit"]
            assert said["severity"].startswith(card["severity"].capitalize())
            assert "so sure is the analyzer" not in said["confidence"]


def test_the_card_explained_is_explained_so(demos: tuple[Demo, Demo]) -> None:
    service, _ = demos
    settings = ("--env-file", str(service.directory / ".env"), "--now", NOW)
    shown = service.workplace.tgt("show", "tool_call/read_file", "--why", *settings, COLUMNS="100")
    assert Page("docs/cards.md").block("why") == shown.out.partition("\n\nWords\n")[0]


def test_the_example_of_a_silent_service(world: World) -> None:
    week = (call(65 + 1.5 * n, f"c{n}", service="shop") for n in range(8 * 24 * 40 - 44))
    world.write(*week)
    world.run()
    told = as_shown(world.card().data, world.path)
    assert told.split() == PAGE.block("card: telemetry_silence").split()
