""".env.example: every setting with its default and its explanation, for both of its readers."""

from __future__ import annotations

import re
from pathlib import Path

from tgt.config import Settings, default_text, description, load, variables

EXAMPLE = Path(__file__).parents[2] / ".env.example"


def test_it_says_what_the_code_says() -> None:
    head, *blocks = EXAMPLE.read_text(encoding="utf-8").rstrip("\n").split("\n\n")
    assert all(line.startswith("# ") for line in head.splitlines())
    assert blocks == [f"# {description(v)}\n{v}={default_text(v)}" for v in variables()]


def test_it_loads_as_the_defaults() -> None:
    assert load(environ={}, env_file=EXAMPLE) == Settings()


def test_its_lines_mean_the_same_to_systemd() -> None:
    """No quotes, escapes, interpolation or trailing comments, which the two read differently."""
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        assert re.fullmatch(r"#.*|[A-Z_]+=[\w./,-]*|", line), line
