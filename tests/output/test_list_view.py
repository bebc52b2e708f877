"""A long list of tasks looks as a short one does."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import pytest

from tgt.output import list_view, text
from tgt.tasks.card import Card

if TYPE_CHECKING:
    from collections.abc import Callable

NOW = datetime(2025, 11, 3, 16, tzinfo=timezone.utc)
TITLES = ("short", "many words " * 30, "x" * 250, "日本語 🚀 " * 30, "a\nb", "", "\x1b[31mred")


@pytest.mark.parametrize("width", [64, 80, 100, 140])
def test_rows_put_together_by_hand_are_those_of_the_table(
    card_data: Callable[..., dict[str, Any]], width: int
) -> None:
    tasks = [
        Card(
            card_data(
                f"01K94XYZ{number:03d}A7T4M8R2VXCDGHJK",
                title=TITLES[number % len(TITLES)],
                status=("generated", "approved", "strange")[number % 3],
                severity=("critical", "low", "?" * 30)[number % 3],
                priority=number,
            )
        )
        for number in range(30)
    ]
    on = text.Screen(width, colour=False)
    ids = list_view.short_ids([task.id for task in tasks], ())
    table = text.render(on, list_view._table(on, tasks, ids, NOW))
    assert list_view._long_table(on, tasks, ids, NOW) == table
    coloured = list_view._long_table(text.Screen(width, colour=True), tasks, ids, NOW)
    assert "\x1b[1;31mcritical" in coloured
