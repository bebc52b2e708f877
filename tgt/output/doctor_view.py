"""``tgt doctor`` for people: one line a check, and below it what to do."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from tgt.doctor import Check, State
from tgt.output import text

_STYLES = {State.OK: "green", State.WARN: "yellow", State.FAIL: "bold red"}


def doctor(on: text.Screen, checks: Sequence[Check], repaired: Sequence[str]) -> str:
    rows = text.grid("", "", "")
    for check in checks:
        message = text.styled(check.message)
        if check.remedy:
            message.append("\n").append_text(text.styled(f"→ {check.remedy}", "dim"))
        rows.add_row(
            Text(check.state, style=_STYLES[check.state], no_wrap=True),
            Text(check.name, no_wrap=True),
            message,
        )
    failed = sum(check.state is State.FAIL for check in checks)
    warned = sum(check.state is State.WARN for check in checks)
    verdict = f"{failed} failed, {warned} to look at" if failed or warned else "All is well"
    mended = [text.styled(f"repaired: {done}", "green") for done in repaired]
    return text.render(on, *mended, rows, Text(verdict, style="bold"))
