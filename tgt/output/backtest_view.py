"""``tgt backtest`` for people: a timeline of what would have happened, and what it comes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from tgt.output import text, words
from tgt.output.safe import safe
from tgt.tasks.ledger import Action

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime, timedelta

    from rich.console import RenderableType

    from tgt.backtest import Incident, Moved, Replay, Step

_TABLE_FROM = 64
_SUBJECT = 120
_WHAT = {
    Action.SAVE: ("new task", "green"),
    Action.RENEW: ("renewed", "yellow"),
    Action.REOPEN: ("came back", "yellow"),
    Action.SUPPRESS: ("quiet", "dim"),
    Action.DEFER: ("held back", "dim"),
}


def backtest(
    on: text.Screen,
    replay: Replay,
    every: timedelta,
    chosen: Mapping[str, str],
    moved: Sequence[Moved] | None,
) -> str:
    parts: list[RenderableType] = []
    if replay.steps:
        parts += [_timeline(on, replay.steps), Text()]
    parts += [text.styled(replay.message, "bold"), text.indented(_summary(replay, every, chosen))]
    if moved is not None:
        parts += [Text(), *_diff(moved)]
    return text.render(on, *parts)


def _timeline(on: text.Screen, steps: Sequence[Step]) -> RenderableType:
    wide = on.width >= _TABLE_FROM
    rows = text.grid("dim", "", "", "", "") if wide else text.grid("", "")
    if wide:
        rows.add_row(*(Text(word, style="dim") for word in ("WHEN", "", "SEVERITY", "CONF", "")))
    for step in steps:
        what, style = _WHAT.get(step.action, (str(step.action), ""))
        finding = step.finding
        about = text.styled(f"{finding.type} {finding.subject}", limit=_SUBJECT)
        reason = words.REASONS.get(step.reason, step.reason)
        if reason:
            about.append(f"  ({safe(reason)})", style="dim")
        when = Text(_minute(step.at), style="dim", no_wrap=True)
        happened = Text(what, style=style, no_wrap=True)
        if wide:
            sure = Text(words.confidence(finding.confidence), justify="right")
            rows.add_row(when, happened, text.severity(str(finding.severity)), sure, about)
        else:
            rows.add_row(when, Text.assemble(happened, " ", text.severity(str(finding.severity))))
            rows.add_row(Text(), about)
    return rows


def _summary(replay: Replay, every: timedelta, chosen: Mapping[str, str]) -> RenderableType:
    rows = text.grid("dim", "")
    span = words.length(replay.until - replay.since)
    rows.add_row("time", f"{words.clock(replay.since)} to {words.clock(replay.until)} ({span})")
    idle = (
        f", {words.count(replay.idle_runs)} of them without telemetry" if replay.idle_runs else ""
    )
    rows.add_row("runs", f"{words.count(replay.runs)}, every {words.length(every)}{idle}")
    rows.add_row("a week", f"{replay.cards_a_week:.1f} tasks, new or back again")
    sure = f"{words.count(replay.filtered)} certain enough, {words.count(replay.repeated)} repeated"
    rows.add_row("findings", f"{words.count(replay.findings)}, {sure}")
    for name, value in chosen.items():
        rows.add_row("with", text.styled(f"{name}={value}", limit=_SUBJECT))
    return rows


def _diff(moved: Sequence[Moved]) -> Iterator[RenderableType]:
    yield text.heading("Against the present settings")
    if not moved:
        yield text.indented(Text("the same tasks at the same times", style="dim"))
        return
    rows = text.grid("", "", "", "")
    for change in moved:
        rows.add_row(*_change(change))
    yield text.indented(rows)


def _change(change: Moved) -> tuple[RenderableType, ...]:
    before, after = change.before, change.after
    if after is None and before is not None:
        return Text("lost", style="red"), Text(_minute(before.start)), *_about(before)
    if before is None and after is not None:
        return Text("gained", style="green"), Text(_minute(after.start)), *_about(after)
    if before is None or after is None:
        return ()
    shift = after.start - before.start
    later = after.start > before.start
    word = f"{words.length(abs(shift))} {'later' if later else 'earlier'}"
    when = Text(f"{_minute(after.start)}, {word}", no_wrap=True)
    return Text("moved", style="yellow"), when, *_about(after)


def _about(incident: Incident) -> tuple[Text, Text]:
    about = text.styled(f"{incident.type} {incident.subject}", limit=_SUBJECT)
    return text.severity(incident.severity), about


def _minute(moment: datetime) -> str:
    return words.clock(moment).removesuffix(" UTC")
