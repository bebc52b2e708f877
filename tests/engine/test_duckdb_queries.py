"""What the engine answers whatever a log calls things, and whatever the machine is set to."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from conftest import END, Loaded, World, before, call

from tgt.analyzers.signals import ABORTS, FAILURE, LATENCY, TRAFFIC, TRUNCATION, USAGE

Load = Callable[..., Loaded]

HOSTILE = [
    "'; DROP TABLE events; --",
    "$start",
    "%s {}",
    "a/b/../c",
    "\x1b[2J",
    "漢🧨\u202e",
    "x" * 60,
]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_names_from_telemetry_are_values_and_nothing_else(
    world: World, load: Load, name: str
) -> None:
    world.write(*(call(m, name, name, id=f"{m}{name}", status="error") for m in range(1, 9)))
    read = load()
    subject = f"tool_call/{name}"
    (reading,) = read.snapshot.counts(FAILURE, read.window)
    assert (reading.subject, reading.now.n) == (subject, 8)
    examples = read.snapshot.examples(FAILURE, subject, read.window, 3)
    (sample, *_) = read.timeline.complete(examples.samples)
    assert (sample.id, sample.conv_id) == (f"1{name}", name)
    assert [use.subject for use in read.snapshot.counts(USAGE, read.window)] == [subject]


def test_an_empty_directory_has_no_answers_but_no_failure(world: World, load: Load) -> None:
    world.logs.mkdir()
    read = load()
    assert read.snapshot.coverage.events == 0
    for signal in (FAILURE, TRUNCATION, TRAFFIC, USAGE, ABORTS):
        assert not any(reading.now.n for reading in read.snapshot.counts(signal, read.window))
    assert read.snapshot.distribution(LATENCY, read.window) == ()


def test_telemetry_that_tells_no_outcome_at_all_can_still_be_asked(
    world: World, load: Load
) -> None:
    """The only ContextLog that is public has a status on none of its lines."""
    lines = [{"ts": before(m), "act": "recommendation_generated", "conv_id": "c"} for m in (40, 30)]
    world.write(*lines, {"ts": before(25), "act": "tool_call", "name": "x", "conv_id": "c"})
    read = load()
    for signal in (FAILURE, TRUNCATION):
        for reading in read.snapshot.counts(signal, read.window):
            assert reading.now.k == 0


def test_the_time_zone_of_the_machine_means_nothing(
    world: World, load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    naive = (END - timedelta(minutes=5)).replace(tzinfo=None)
    world.write(call(5, ts=naive.isoformat()))
    assert load().snapshot.coverage.events == 1


def test_a_file_may_say_what_the_one_before_does_not(world: World, load: Load) -> None:
    """Words are learnt of few files, and those that only one has are not missed."""
    for number in range(20):
        name = "rare" if number == 17 else "usual"
        world.write(call(number + 1, f"c{number}", name), name=f"{number:02}.jsonl")
    read = load()
    assert {use.subject for use in read.snapshot.counts(USAGE, read.window)} == {
        "tool_call/rare",
        "tool_call/usual",
    }


@pytest.mark.parametrize("value", [None, 5, True, [], {}, "x" * 5000, "", " ", "[1", "{"])
def test_words_of_any_type_and_length_are_words_or_none(
    world: World, load: Load, value: object
) -> None:
    line = json.dumps({**call(5, "c"), "name": value, "model": value, "service": value})
    world.write(line, call(4, "d", "read_file"))
    read = load()
    assert read.snapshot.coverage.events == 2
    assert sum(reading.now.n for reading in read.snapshot.counts(FAILURE, read.window)) == 2
