"""How deep a text is nested is told from its brackets, and agrees with whoever parses it."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from tgt.sources import bounds, nesting


def depth(value: Any) -> int:
    inside = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list):
        return 0
    return 1 + max(map(depth, inside), default=0)


def any_value(chance: random.Random, most: int) -> Any:
    draw = chance.random()
    if most and draw < 0.35:
        return [any_value(chance, most - 1) for _ in range(chance.randint(0, 3))]
    if most and draw < 0.7:
        keys = ("a", "{", "]", '"', "\\", '\\"', "")
        return {chance.choice(keys): any_value(chance, most - 1) for _ in range(3)}
    return chance.choice(("", "[[[", "}}", '"', '\\"', "\\", "\\\\", '\\\\"[', 1, None, "é{"))


@pytest.mark.parametrize("seed", range(5))
def test_the_depth_is_that_of_the_value(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(300):
        value = any_value(chance, 6)
        text = json.dumps(value, ensure_ascii=chance.random() < 0.5).encode()
        for limit in range(1, 9):
            assert nesting.is_deeper(text, limit) is (depth(value) > limit), text


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        (b"[" * 200 + b"]" * 200, ""),
        (b"[" * 201 + b"]" * 201, nesting.TOO_DEEP),
        (b'{"a":' * 201 + b"1" + b"}" * 201, nesting.TOO_DEEP),
        (b"[" * 401, nesting.TOO_DEEP),
        (b"[{" * 300, nesting.TOO_DEEP),
        (b'["' + b"[" * 400 + b'"]', ""),
        (b'["\\"' + b"[" * 400 + b'"]', ""),
        (b'["\\\\",' + b"[" * 400, nesting.TOO_DEEP),
        (b"[]" * 400, ""),
        (b'["]",[' * 201 + b"]]" * 201, nesting.TOO_DEEP),
        (b"[" + b"1," * (bounds.VALUES + 1) + b"1]", nesting.TOO_MANY),
        (b"[" + b"1," * (bounds.VALUES - 10) + b"1]", ""),
        (b'["' + b"1," * (bounds.VALUES + 1) + b'1"]', ""),
        (b"[" + b"{}," * (bounds.VALUES // 2 + 1) + b"1]", nesting.TOO_MANY),
    ],
    ids=lambda given: str(given)[:20],
)
def test_refusals(text: bytes, refusal: str) -> None:
    assert nesting.refusal(text) == refusal
    assert nesting.refusal(bytearray(text)) == refusal
