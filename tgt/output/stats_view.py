"""``tgt stats`` for people: how generation is doing, in one look."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from tgt import schedule
from tgt.output import text, words
from tgt.output.safe import safe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from rich.console import RenderableType

    from tgt.output.overview import Overview, Quota
    from tgt.tasks.auto_approval import Kind
    from tgt.tasks.reputation import Record

_BAR = 20
_FEW = 8


def stats(on: text.Screen, view: Overview) -> str:
    parts: list[RenderableType] = []
    for name, rows in (
        ("Generation", _generation(view)),
        ("Analyzers", _analyzers(view)),
        ("Tasks", _tasks(view)),
        ("Verdicts", _verdicts(view)),
    ):
        grid = text.grid("dim", "")
        for label, value in rows:
            grid.add_row(text.styled(label, limit=40), value)
        if grid.row_count:
            parts += [*([Text()] if parts else []), text.heading(name), text.indented(grid)]
    return text.render(on, *parts, width=on.readable)


def _generation(view: Overview) -> Iterator[tuple[str, Text]]:
    state, settings = view.state, view.settings
    yield "state", _state(view)
    if state.last_run_at is None:
        yield "last run", Text("none yet; next: tgt run")
    else:
        took = f", took {words.milliseconds(state.last_run_duration_ms)}"
        yield (
            "last run",
            Text(words.age(state.last_run_at, view.now) + ("" if state.last_error else took)),
        )
    if state.last_error:
        yield "failed", text.styled(state.last_error, "red", limit=300)
    if state.last_event_at is not None:
        yield "last event", Text(words.age(state.last_event_at, view.now))
    if state.runs_without_events:
        runs = words.plural(state.runs_without_events, "run")
        yield "no events", Text(f"in the last {runs}", style="yellow")
    if view.pause is not None or not view.settings.enabled:
        yield "next run", Text("is skipped", style="yellow")
    elif view.due.at is not None:
        due_text = Text(words.age(view.due.at, view.now) if view.due.at > view.now else "now")
        if view.due.overdue:
            due_text = Text(f"overdue since {words.age_short(view.due.at, view.now)}", "bold red")
            due_text.append("; look at the timer", style="dim")
        yield "next run", due_text
    yield "window", Text(f"{settings.window_min} min, every {settings.interval_min} min")
    yield "quota", _quota(view)
    for name, own in view.quotas.items():
        yield "", _quota_of(name, own, view.now)
    yield from _not_saved(view)
    yield from _auto_approved(view)
    yield (
        "so far",
        Text(
            f"{words.plural(state.total_runs, 'run')}, "
            f"{words.plural(state.total_generated, 'finding')}, "
            f"{words.plural(state.total_saved, 'task')} saved, "
            f"{words.plural(state.errors, 'error')}"
        ),
    )


def _state(view: Overview) -> Text:
    if not view.settings.enabled:
        return Text("disabled (TASKGEN_ENABLED=0)", style="yellow")
    if view.pause is not None:
        until = f"until {words.clock(view.pause.until)}" if view.pause.until else "until tgt resume"
        line = Text(f"paused {until}", style="yellow")
        return line.append(f": {safe(view.pause.reason, limit=300)}") if view.pause.reason else line
    if view.is_running:
        return Text("running now", style="green")
    if view.state.last_error:
        return Text("on, but the last run failed", style="red")
    if view.state.runs_without_events >= schedule.BLIND_AFTER:
        return Text("on, but runs find no events", style="yellow")
    return Text("on", style="green")


def _not_saved(view: Overview) -> Iterator[tuple[str, Text]]:
    if view.muted_tasks or view.mutes or view.state.muted:
        yield "muted", _muted(view)
    if view.state.deferred:
        held = words.plural(view.state.deferred, "finding")
        yield "held back", Text(f"{held} in the last run", style="yellow")


def _muted(view: Overview) -> Text:
    line = f"{words.plural(view.state.muted, 'finding')} in the last run, "
    line += f"{words.plural(view.muted_tasks, 'open task')}, by {words.plural(view.mutes, 'mute')}"
    return Text(line)


def _auto_approved(view: Overview) -> Iterator[tuple[str, Text]]:
    if most := view.settings.auto_approve:
        yield "approved", Text(f"{view.auto_approved} of {most} by tgt in the last day")
        for kind, count in view.approvable[:_FEW]:
            yield "", _approvable(kind, count)


def _approvable(kind: Kind, count: int) -> Text:
    low, high = kind.bounds
    line = f"{kind.type}, {kind.severity}, confidence {low:g} to {high:g}: people approved {count}"
    return text.styled(line, "dim", limit=200)


def _quota(view: Overview) -> Text:
    most = view.settings.max_per_hour
    share = min(1.0, view.saved / most) if most else 1.0
    full = round(share * _BAR)
    quota_text = Text.assemble(
        ("█" * full, "yellow" if share >= 1 else "green"),
        ("░" * (_BAR - full), "dim"),
        f"  {view.saved} of {most} this hour, {view.remaining} left",
    )
    if view.next_free is not None:
        quota_text.append(f", more {words.age(view.next_free, view.now)}", style="dim")
    return quota_text


def _quota_of(name: str, own: Quota, now: datetime) -> Text:
    quota_text = f"{name}: {own.saved} of {own.max_per_hour}, {own.remaining} left"
    quota_text += f", more {words.age(own.next_free, now)}" if own.next_free is not None else ""
    return text.styled(quota_text, "" if own.remaining else "yellow", limit=200)


def _analyzers(view: Overview) -> Iterator[tuple[str, Text]]:
    for name in view.analyzers:
        yield name, _health(view, name)


def _health(view: Overview, name: str) -> Text:
    if name not in view.settings.asked:
        return Text("off", style="dim")
    health = view.state.analyzers.get(name)
    line = Text("ok", style="green")
    if not view.state.total_runs:
        return Text("has not run yet", style="dim")
    if view.state.last_error:
        line = Text("not asked: the last run failed", style="yellow")
    elif view.state.runs_without_events:
        line = Text("had no events to judge in the last run", style="yellow")
    if health is not None and health.consecutive_failures:
        failures = words.plural(health.consecutive_failures, "failure")
        line = Text(f"failing: {failures} in a row", style="red")
        if health.retry_at is not None:
            line.append(f", tried again {words.age(health.retry_at, view.now)}")
        if health.last_error:
            line.append(f": {safe(health.last_error, limit=200)}")
    elif not_judged := view.state.abstentions.get(name):
        line.append(f", {words.plural(not_judged, 'subject')} without enough data", style="dim")
    return line


def _tasks(view: Overview) -> Iterator[tuple[str, Text]]:
    tasks = view.tasks
    if not tasks.total:
        yield "total", Text("none yet")
        return
    yield "total", Text(words.count(tasks.total))
    yield "status", _counts(tasks.by_status)
    yield "severity", _counts(tasks.by_severity)
    yield "type", _counts(tasks.by_type)
    yield (
        "average",
        Text(
            f"priority {tasks.average_priority:.0f}, "
            f"confidence {words.confidence(tasks.average_confidence)}"
        ),
    )
    for days, funnel in view.funnels.items():
        yield (
            f"last {days} d",
            Text(
                f"{funnel.generated} generated → {funnel.approved} approved"
                f"{f' ({funnel.auto_approved} by tgt)' if funnel.auto_approved else ''} → "
                f"{funnel.completed} completed; {funnel.dismissed} dismissed"
            ),
        )


def _counts(counted: Mapping[str, int]) -> Text:
    parts = [f"{number} {safe(word, limit=40)}" for word, number in list(counted.items())[:_FEW]]
    if len(counted) > _FEW:
        parts.append(f"{len(counted) - _FEW} other kinds")
    return Text(", ".join(parts), overflow="fold")


def _verdicts(view: Overview) -> Iterator[tuple[str, Text]]:
    for name, verdicts in list(view.verdicts.items())[: len(view.analyzers) + _FEW]:
        yield (
            name,
            Text(
                f"{verdicts.approved} approved, {verdicts.dismissed} dismissed, "
                f"{verdicts.undecided} undecided"
            ),
        )
        for record in view.records:
            if record.analyzer == name and record.factor < 1:
                yield "", _lowered(record)


def _lowered(record: Record) -> Text:
    """By how much priorities are lower, and why."""
    about = f" about {record.family}" if record.family else ""
    line = f"priority {words.percent(1 - record.factor)} lower{about}: {record.dismissed} of"
    line += f" {record.of} were dismissed"
    return text.styled(line, "yellow", limit=300)
