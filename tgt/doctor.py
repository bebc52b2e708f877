"""Is this installation well? Checks of settings, files, schedule, clock and telemetry.

Each check answers in one line, with the remedy where something is wrong. Looking changes nothing;
``repair`` mends what can be mended without a decision, and never deletes a card or a line that
somebody else wrote. What the telemetry says is not judged here: that is the analyzers' work.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from tgt import schedule
from tgt.config import Settings
from tgt.durations import spelt
from tgt.engine.protocol import Coverage
from tgt.errors import StoreError, TgtError
from tgt.events import Interval
from tgt.lookback import Older
from tgt.rules.reading import RulesFile
from tgt.store import fsio, locks
from tgt.store.journal import Journal, decode_card
from tgt.store.state_file import Sidecar
from tgt.tasks.card import Card, format_time
from tgt.tasks.state import SchedulerState

TIMER = "tgt.timer"
_PROBE_SECONDS = 2.0
_SLACK = timedelta(minutes=5)
"""Clocks of machines differ a little."""
_DAY, _FAR = timedelta(days=1), timedelta(days=3)
_BEHIND = timedelta(minutes=30)
_MANY_BAD = 0.05
_REPAIR = "run tgt doctor --repair"


class State(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; ``remedy`` is empty where nothing has to be done."""

    name: str
    state: State
    message: str
    remedy: str = ""


def examine(
    settings: Settings,
    now: datetime,
    misspelled: Mapping[str, str],
    rules: RulesFile | None = None,
) -> tuple[Check, ...]:
    """Everything, in the order in which a fault explains those after it."""
    content: Mapping[str, Card] = {}
    checks = [_settings(misspelled), _rules(rules), *_directory(settings.tasks_dir)]
    try:
        journal = Journal(settings.tasks_dir).read(_when)
        content = journal.cards
        checks.append(_journal(settings.tasks_dir, len(content), journal.skipped_lines))
    except StoreError as failure:
        checks.append(Check("journal", State.FAIL, failure.message, failure.hint))
    state, problems = Sidecar(settings.tasks_dir).read(content.values())
    checks.append(_sidecar(settings.tasks_dir, problems))
    checks.extend(_leftovers(settings.tasks_dir))
    checks.append(_last_run(settings, state, now))
    checks.extend(_analyzers(state))
    checks.append(timer())
    checks.append(_clock(state, content, now))
    checks.extend(_telemetry(settings, now))
    checks.extend(_documentation(settings))
    return tuple(checks)


def _when(card: Card) -> Card:
    """When a card was made, which is all of it that is looked at here."""
    keys = ("id", "generatedAt", "savedAt")
    return Card({key: card.data[key] for key in keys if key in card.data})


# --- settings and files ---------------------------------------------------------------------------


def _settings(misspelled: Mapping[str, str]) -> Check:
    if not misspelled:
        return Check("settings", State.OK, "all names and values are understood")
    names = ", ".join(misspelled)
    meant = ", ".join(sorted({name for name in misspelled.values() if name}))
    remedy = f"did you mean {meant}?" if meant else "see tgt config for the names there are"
    return Check("settings", State.WARN, f"no settings of tgt: {names}", remedy)


def _rules(file: RulesFile | None) -> Check:
    if file is None:
        return Check("rules", State.OK, "none of your own")
    if file.refusal:
        remedy = "tgt rules check tells all of it; until then no run is made"
        return Check("rules", State.FAIL, f"{file.path}: {file.refusal}", remedy)
    rules, limits = len(file.rules.rules), len(file.rules.limits)
    message = f"{_plural(rules, 'rule')} and {_plural(limits, 'table')} of limits in {file.path}"
    return Check("rules", State.OK, message)


def _directory(path: Path) -> Iterator[Check]:
    name = "task directory"
    try:
        status = path.stat()
    except FileNotFoundError:
        yield Check(name, State.WARN, f"{path} is not there yet", "the first tgt run creates it")
        return
    except OSError as failure:
        remedy = "set FGK_TASKS_DIR to a directory of your own"
        yield Check(name, State.FAIL, f"cannot look at {path}: {failure.strerror}", remedy)
        return
    if not stat.S_ISDIR(status.st_mode):
        remedy = "move it away, or set FGK_TASKS_DIR to another directory"
        yield Check(name, State.FAIL, f"{path} is no directory", remedy)
        return
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK) or _is_read_only(path):
        remedy = "run tgt as its owner, or change the owner or the mode"
        yield Check(name, State.FAIL, f"{path} cannot be written", remedy)
        return
    if open_files := [file for file in _own_files(path) if _is_open_to_others(file)]:
        shown = ", ".join(str(file) for file in open_files[:3])
        message = f"others may look into {shown}: evidence quotes prompts and errors"
        yield Check("permissions", State.WARN, message, _REPAIR)
    else:
        yield Check(name, State.OK, f"{path} is private and can be written")


def _is_read_only(path: Path) -> bool:
    return bool(os.statvfs(path).f_flag & os.ST_RDONLY)


def _own_files(directory: Path) -> Iterator[Path]:
    """The task directory, the cache and the files that tgt makes there."""
    yield directory
    for name in ("cache", Journal(directory).path.name, Sidecar(directory).path.name):
        path = directory / name
        if not path.is_symlink() and (path.is_file() or path.is_dir()):
            yield path


def _is_open_to_others(path: Path) -> bool:
    return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)


def _journal(directory: Path, cards: int, skipped: int) -> Check:
    torn = _torn(directory)
    if skipped > torn:
        message = f"{cards} tasks, and {skipped - torn} lines that are none and are passed over"
        remedy = f"look at {Journal(directory).path}; no command of tgt deletes them"
        return Check("journal", State.WARN, message, remedy)
    if torn:
        message = f"{cards} tasks, and a last line that is not whole"
        return Check("journal", State.WARN, message, _REPAIR)
    return Check("journal", State.OK, f"{cards} tasks" if cards else "no tasks yet")


def _torn(directory: Path) -> bool:
    """Whether the journal ends in the beginning of a card."""
    with Journal(directory).opened() as descriptor:
        if descriptor is None:
            return False
        end = os.fstat(descriptor).st_size
        if end == 0 or os.pread(descriptor, 1, end - 1) == b"\n":
            return False
        return not _is_whole(_last_line(descriptor, end))


def _last_line(descriptor: int, end: int) -> bytes:
    size = 1 << 16
    while True:
        start = max(0, end - size)
        block = os.pread(descriptor, end - start, start)
        if b"\n" in block or start == 0:
            return block.rpartition(b"\n")[2]
        size *= 16


def _is_whole(line: bytes) -> bool:
    """Whether a last line without its end is to be kept: a card, or what never was one."""
    return decode_card(line) is not None or not line.lstrip().startswith(b"{")


def _sidecar(directory: Path, problems: Sequence[str]) -> Check:
    if problems:
        return Check("scheduler state", State.WARN, "; ".join(problems), _REPAIR)
    if Sidecar(directory).path.exists():
        return Check("scheduler state", State.OK, "readable")
    return Check("scheduler state", State.OK, "none yet")


def _leftovers(directory: Path) -> Iterator[Check]:
    stale, aside = fsio.temporary_files(directory), sorted(directory.glob("*.damaged-*"))
    if stale and not locks.is_locked(directory / locks.WRITE_LOCK):
        message = f"{_plural(len(stale), 'temporary file')} of writers that were killed"
        yield Check("left-overs", State.WARN, message, _REPAIR)
    if aside:
        names = ", ".join(path.name for path in aside[:3])
        remedy = "look at them, then delete them"
        yield Check("set aside", State.WARN, f"damaged files were set aside: {names}", remedy)


# --- schedule and clock ---------------------------------------------------------------------------


def _last_run(settings: Settings, state: SchedulerState, now: datetime) -> Check:
    pause = state.pause.as_of(now) if state.pause else None
    last = "no run yet" if state.last_run_at is None else f"last {format_time(state.last_run_at)}"
    if not settings.enabled:
        remedy = "set TASKGEN_ENABLED=1 to go on"
        return Check("runs", State.WARN, f"disabled by TASKGEN_ENABLED=0, {last}", remedy)
    if pause is not None:
        until = f"until {format_time(pause.until)}" if pause.until else "until tgt resume"
        return Check("runs", State.WARN, f"paused {until}, {last}", "run tgt resume to go on")
    if state.last_run_at is None:
        return Check("runs", State.WARN, last, "run tgt run once, then set up its timer")
    due = schedule.due(state.last_run_at, settings.interval_min, now, active=True)
    if due.overdue:
        message = f"overdue: {last}, and one every {settings.interval_min} minutes is meant"
        remedy = "look at the timer (below) and at its log; is TASKGEN_INTERVAL_MIN its cadence?"
        return Check("runs", State.FAIL, message, remedy)
    return _outcome(state, last)


def _outcome(state: SchedulerState, last: str) -> Check:
    """What the last runs came to, when they came in time."""
    if state.last_error:
        remedy = "run tgt run --dry-run to see whether it still does"
        return Check("runs", State.WARN, f"{last}, which failed: {state.last_error}", remedy)
    if state.runs_without_events >= schedule.BLIND_AFTER:
        message = f"{last}; the last {state.runs_without_events} runs found no events"
        remedy = "look at the telemetry (below); tgt sources says what is found where"
        return Check("runs", State.WARN, message, remedy)
    return Check("runs", State.OK, f"{last}, {state.total_runs} in all")


def _analyzers(state: SchedulerState) -> Iterator[Check]:
    for name, health in sorted(state.analyzers.items()):
        if health.consecutive_failures:
            times = _plural(health.consecutive_failures, "time")
            message = f"{name} failed {times} in a row: {health.last_error}"
            analyzer = name.partition("/")[0]  # of a rule the word for all rules
            remedy = f"run TGT_DEBUG=1 tgt run --dry-run --analyzers {analyzer}"
            yield Check("analyzer", State.WARN, message, remedy)


def timer() -> Check:
    """What starts the runs: a systemd timer of the account or the machine, or a crontab."""
    for where, option in (("account", "--user"), ("machine", "--system")):
        listed = _ask("systemctl", option, "list-timers", "--no-legend", "--no-pager", TIMER)
        if TIMER in listed:
            return Check("timer", State.OK, f"{TIMER} of the {where} is active")
    jobs = [line.split() for line in _ask("crontab", "-l").splitlines()]
    if any(_runs_tgt(words) for words in jobs if words and not words[0].startswith("#")):
        return Check("timer", State.OK, "a crontab of this account has it")
    message = f"neither {TIMER} nor a line of this account's crontab was found"
    remedy = "run tgt init --timer, unless another scheduler runs tgt"
    return Check("timer", State.WARN, message, remedy)


def _runs_tgt(words: Sequence[str]) -> bool:
    line = " ".join(words).replace('"', " ").replace("'", " ").replace(";", " ").split()
    return "run" in line and any(word.rpartition("/")[2] == "tgt" for word in line)


def _ask(program: str, *arguments: str) -> str:
    """What a program says on standard output; nothing where it is missing, fails or hangs."""
    path = shutil.which(program)
    if path is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603 a fixed question to a program of the system
            [path, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""


def _clock(state: SchedulerState, cards: Mapping[str, Card], now: datetime) -> Check:
    times = [state.last_run_at, *(save.at for save in state.saves)]
    times += [card.time("generatedAt") for card in cards.values()]
    latest = max((at for at in times if at is not None), default=now)
    if latest > now + _SLACK:
        message = f"tgt was at work at {format_time(latest)}, and now it is {format_time(now)}"
        remedy = "set the clock right; the quota and pauses do not wait for a time in the future"
        return Check("clock", State.WARN, message, remedy)
    return Check("clock", State.OK, f"it is {format_time(now)}")


# --- telemetry ------------------------------------------------------------------------------------


def _telemetry(settings: Settings, now: datetime) -> Iterator[Check]:
    """Reads some days before and after now, with what earlier runs know of it; keeps nothing."""
    from tgt.engine.registry import open_timeline, telemetry_of

    day, coming = Interval(now - _DAY, now), Interval(now + _SLACK, now + _FAR)
    window = Interval(now - timedelta(minutes=settings.window_min), now)
    first = Interval(min(now - _FAR, window.start), now)
    try:
        telemetry = telemetry_of(settings)
        with open_timeline(
            settings, telemetry, (), first, coming, baseline=timedelta(0)
        ) as timeline:
            future = timeline.at(coming).coverage
            last_day = timeline.at(day).coverage
            recent = timeline.at(window).coverage
            warnings = (*telemetry.warnings, *timeline.warnings)
    except TgtError as failure:
        yield Check("telemetry", State.FAIL, failure.message, failure.hint)
        return
    written = telemetry.last_written
    if written is None and telemetry.engine is None:
        remedy = "is it the right directory? tgt sources says what is found where"
        yield Check("telemetry", State.WARN, "there are no telemetry files", remedy)
        return
    minutes = settings.window_min
    if recent.events:
        message = f"{_plural(recent.events, 'event')} in the last {minutes} minutes"
        yield Check("telemetry", State.OK, message)
    else:
        last = f"; last written {format_time(written)}" if written else ""
        remedy = "does the agent still run, and still write there?"
        if shown := Older(recent.older, recent.newest).command(now):
            remedy += f" {shown} shows the newest events"
        message = f"no events in the last {minutes} minutes{last}"
        yield Check("telemetry", State.WARN, message, remedy)
    yield from _telemetry_clock(recent, future, written, now)
    yield from (
        Check("telemetry file", State.FAIL, settings.masked(warning), "see tgt sources")
        for warning in warnings
    )
    lines = last_day.events + last_day.malformed_lines
    if lines and last_day.malformed_lines > _MANY_BAD * lines:
        share = f"{100 * last_day.malformed_lines / lines:.0f}%"
        message = f"{share} of the lines of the last day are malformed ({last_day.malformed_lines})"
        yield Check("telemetry lines", State.WARN, message, "tgt sources shows what they are")
    else:
        message = f"{last_day.malformed_lines} malformed of {lines} in the last day"
        yield Check("telemetry lines", State.OK, message)


def _telemetry_clock(
    recent: Coverage, future: Coverage, written: datetime | None, now: datetime
) -> Iterator[Check]:
    """Events that are of another time than the file in which they were just written."""
    name, remedy = "telemetry's clock", "set the clock or the time zone of what writes it right"
    if future.events and future.newest:
        ahead = spelt(future.newest - now)
        message = f"{_plural(future.events, 'event')} of the next days, up to {ahead} ahead"
        yield Check(name, State.WARN, message, f"{remedy}: events count when their time has come")
    newest = recent.newest
    is_fresh = written is not None and recent.window.start < written <= now + _SLACK
    if is_fresh and written and newest and not recent.events and written - newest > _BEHIND:
        behind = _offset(written - newest)
        message = f"a file was written {format_time(written)}, its newest event is {behind} behind"
        yield Check(name, State.WARN, message, f"if those events are of now, {remedy}")


def _offset(length: timedelta) -> str:
    """A length of time to the nearest quarter of an hour, as time zones are apart: ``5h30m``."""
    hours, minutes = divmod(15 * round(length / timedelta(minutes=15)), 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if minutes else "")


def _documentation(settings: Settings) -> Iterator[Check]:
    """Where tools are documented, if somebody said so."""
    from tgt.analyzers.documentation import PATHS, absent

    paths = settings.option(PATHS)
    if "docs_gap" not in settings.analyzers or paths == PATHS.default:
        return
    if reason := absent(paths):
        remedy = "set TASKGEN_DOCS_PATHS, or leave docs_gap out of TASKGEN_ANALYZERS"
        yield Check("documentation", State.FAIL, reason, remedy)
    else:
        yield Check("documentation", State.OK, ", ".join(map(str, paths)))


# --- repair ---------------------------------------------------------------------------------------


def repair(settings: Settings) -> tuple[str, ...]:
    """Mend permissions, a torn last line, a damaged sidecar and left-over temporary files.

    Says what was done. Raises StoreError where something could not be mended.
    """
    directory = settings.tasks_dir
    if not directory.is_dir():
        return ()
    done = []
    for path in _own_files(directory):
        if _is_open_to_others(path):
            mode = 0o700 if path.is_dir() else 0o600
            with fsio.explained("change the mode of", path):
                path.chmod(mode)
            done.append(f"{path} is private now ({mode:o})")
    stale = fsio.temporary_files(directory)
    journal = Journal(directory)
    with locks.write_lock(directory):
        if stale:
            done.append(f"{_plural(len(stale), 'temporary file')} removed")
        if _torn(directory):
            fsio.append(journal.path, b"", is_whole=_is_whole)
            done.append(f"the beginning of a card that was never saved is cut off {journal.path}")
    if Sidecar(directory).read(())[1]:
        Sidecar(directory).update(lambda state: state)
        done.append("the damaged scheduler state was set aside and is rebuilt from the tasks")
    return tuple(done)


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
