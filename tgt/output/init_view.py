"""``tgt init`` for people: what there is, what was written, what came of it, and how to undo it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rich.text import Text

from tgt.output import run_view, text, words
from tgt.output.safe import safe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from rich.console import RenderableType

    from tgt.outcome import RunReport
    from tgt.setup.plan import Plan
    from tgt.setup.prospects import Prospect
    from tgt.setup.timer import Timer


def init(
    on: text.Screen,
    plan: Plan,
    report: RunReport,
    coverage: Sequence[Prospect],
    timer: Timer | None,
    now: datetime,
    *,
    known: Iterable[str],
    network: str,
    dry_run: bool,
) -> str:
    """The whole answer; ``known`` are ids of the journal, ``network`` is a drop-in or empty."""
    parts = [
        telemetry(on, plan, now),
        text.render(on, Text(), text.heading("Settings")),
        *_lines(_settings(plan, dry_run=dry_run)),
        text.render(on, Text(), text.heading("The last week")),
        *(f"  {line}\n" if line else "\n" for line in _run(on, report, known)),
    ]
    if coverage:
        parts += [
            text.render(on, Text(), text.heading("What could be judged")),
            text.render(on, text.indented(_coverage(coverage, now))),
        ]
    if timer is not None:
        parts += [text.render(on, Text(), text.heading("Timer")), *_lines(_timer(timer))]
        if plan.server is not None and timer.kind == "systemd":
            parts += _lines(
                ["runs may open connections: a unit of an account cannot limit where to"]
            )
    if network:
        parts += [
            text.render(on, Text(), text.heading("A unit of the whole machine")),
            *_lines(["needs a drop-in: systemctl edit tgt.service", *network.splitlines()]),
        ]
    undo = [*(timer.undo if timer else ())]
    if plan.text and not dry_run:
        undo.append(f"rm {shlex.quote(str(plan.target.path))}")
    parts += [text.render(on, Text(), text.heading("Next")), *_lines(_next(report, timer))]
    if undo:
        parts += [text.render(on, Text(), text.heading("Undo")), *_lines(undo)]
    return "".join(parts)


def telemetry(on: text.Screen, plan: Plan, now: datetime) -> str:
    """Each place with the number of files and the newest time."""
    rows = text.grid("", "", "dim")
    for place in plan.telemetry:
        if place.problem:
            contents = text.styled(place.problem, "yellow", limit=300)
        else:
            newest = f", newest {words.age(place.newest, now)}" if place.newest else ""
            files = f"{words.plural(place.files, 'file')}{newest}"
            contents = text.styled(", ".join(place.tables) or files, limit=300)
        rows.add_row(
            text.styled(place.spec.kind, limit=40),
            contents,
            text.styled(place.directory, limit=300),
        )
    return text.render(on, text.heading("Telemetry"), text.indented(rows))


def kept(plan: Plan) -> str:
    return f"{plan.target.path} is there already: it stays as it is"


def _settings(plan: Plan, *, dry_run: bool) -> Iterator[str]:
    if not plan.text:
        yield kept(plan)
    else:
        yield f"{'would be written to' if dry_run else 'written to'} {plan.target.path}"
        for line in plan.text.splitlines():
            if line and not line.startswith("#"):
                yield f"  {line}"
    if plan.lacks_password:
        yield "TASKGEN_CLICKHOUSE_PASSWORD is not written: put it there yourself, for the timer"
    if plan.target.shadowed_by is not None:
        yield (
            f"in this directory {plan.target.shadowed_by} comes first: call tgt elsewhere,"
            f" or with --env-file {shlex.quote(str(plan.target.path))}"
        )


def _run(on: text.Screen, report: RunReport, known: Iterable[str]) -> list[str]:
    narrow = text.Screen(max(20, on.width - 2), on.colour, terminal=True)
    shown = run_view.run(narrow, report, known).replace("Next: tgt list", "")
    return shown.rstrip().splitlines()


def _coverage(coverage: Sequence[Prospect], now: datetime) -> RenderableType:
    rows = text.grid("", "")
    for each in coverage:
        parts = [f"{words.plural(each.judgeable, 'subject')} now"] if each.judgeable else []
        if each.waiting:
            when = f", {words.age(each.at, now)}" if each.at else ""
            parts.append(f"{each.waiting} not yet: {each.missing}{when}")
        rows.add_row(
            text.styled(each.analyzer, limit=40),
            text.styled("; ".join(parts) or "nothing to look at yet", limit=300),
        )
    return rows


def _timer(timer: Timer) -> Iterator[str]:
    yield f"{'would be made: ' if timer.state == 'planned' else ''}{timer.text}"
    if timer.line:
        yield timer.line
    if timer.kind == "systemd" and timer.undo:
        yield "to go on while you are logged out: loginctl enable-linger"


def _next(report: RunReport, timer: Timer | None) -> Iterator[str]:
    if (report.saved or report.covered) and not report.dry_run:
        yield "tgt list            the tasks, best first"
        yield "tgt show TASK       one with its evidence"
    else:
        yield "tgt report          what happened, beside the time before"
        yield "tgt sources         what is understood of the telemetry, and what for"
    if timer is None:
        yield "tgt init --timer    a run every 15 minutes from now on"
    yield "tgt doctor          whether all is well"


def _lines(lines: Iterable[str]) -> Iterator[str]:
    """Lines that are copied from here are not broken, whatever the width."""
    return (f"  {safe(line)}\n" for line in lines)
