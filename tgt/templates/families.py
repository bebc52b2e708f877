"""Kinds of errors that an agent meets again and again, and what puts an end to each.

The table is data (``families.toml``). A family is recognised by a phrase in a template, never by
one word, and its advice is a line to follow: what to write into the agent's instructions, what to
install, what to allow.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

IN_A_TEST = "test failed: "
"""How the template of what is raised in a test begins, whatever it says then."""
_TEST_FAILED = "test_failed"


@dataclass(frozen=True, slots=True)
class Family:
    """``name`` in snake_case; ``advice`` is one line that names what is missing."""

    name: str
    advice: str


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    patterns: tuple[str, ...]
    advice: str


@cache
def _table() -> tuple[_Row, ...]:
    """The families in order: the first whose pattern is in a template is its family."""
    text = Path(__file__).with_name("families.toml").read_text(encoding="utf-8")
    return tuple(
        _Row(
            name=row["name"],
            patterns=tuple(row["patterns"]),
            advice=row["advice"],
        )
        for row in tomllib.loads(text)["families"]
    )


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """Compiling all takes longer than looking for most families."""
    return re.compile(pattern, re.IGNORECASE)


def family(template: str) -> Family | None:
    """The family of a template of ``tgt.templates.template``, None where none is known."""
    rows = _table()
    if template.startswith(IN_A_TEST):
        rows = tuple(row for row in rows if row.name == _TEST_FAILED)
    for row in rows:
        match = next((m for p in row.patterns if (m := _compiled(p).search(template))), None)
        if match is not None:
            name = match.groupdict().get("name") or "what is missing"
            return Family(row.name, row.advice.replace("{name}", name))
    return None
