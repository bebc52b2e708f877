"""A run says when it does not understand what it reads."""

from __future__ import annotations

import json

import pytest
from conftest import Line, World, before, call

CLAUDE: Line = {"type": "user", "uuid": "u", "sessionId": "s", "cwd": "/x", "version": "2.1.0"}


def _claude(kind: str, number: int) -> str:
    message = {"role": "user", "content": "hello"}
    line = {**CLAUDE, "type": kind, "uuid": f"u{number}", "timestamp": before(5)}
    return json.dumps({**line, "message": message})


@pytest.mark.parametrize(
    ("unknown", "said", "why"),
    [
        (0, False, "all of it is understood"),
        (5, False, "a twentieth is nothing"),
        (6, True, "more than a twentieth"),
        (60, True, "most of it"),
    ],
)
def test_kinds_that_are_not_understood_are_named_once(
    world: World, unknown: int, said: bool, why: str
) -> None:
    directory = world.path / "projects" / "x"
    directory.mkdir(parents=True)
    lines = [_claude("user", n) for n in range(100)]
    lines += [_claude("telepathy" if n else "seance", 1000 + n) for n in range(unknown)]
    (directory / "s.jsonl").write_text("\n".join(lines) + "\n")
    report = world.run(source=f"claude-code:{world.path / 'projects'}")
    if not said:
        assert report.notices == ()
        return
    (notice,) = report.notices
    assert f"{unknown / (100 + unknown):.0%} of {100 + unknown} objects" in notice
    assert f"telepathy ({unknown - 1}), seance (1)" in notice
    assert report.warnings == ()
    assert not report.degraded, "nothing failed"


def test_malformed_lines_count_too(world: World) -> None:
    world.write(*(call(n / 2, f"c{n}") for n in range(60)), *["{"] * 20)
    (notice,) = world.run().notices
    assert "25% of 80 objects were not understood: malformed (20)" in notice


def test_few_lines_are_no_sign(world: World) -> None:
    world.write(*(call(n, f"c{n}") for n in range(10)), *["{"] * 5)
    assert world.run().notices == ()
