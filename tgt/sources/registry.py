"""From TASKGEN_SOURCE to the sources that read it; ``auto`` looks into the files.

Every format is one module with one class; here they are known by name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

from tgt import plugins
from tgt.environment import CONTEXTLOG_DIR
from tgt.errors import SettingsError, TelemetryError
from tgt.sources.base import Listed, Listing, Reader, RecordSource, Source
from tgt.sources.discover import listed
from tgt.sources.envelopes import Documents
from tgt.sources.files import LogFile
from tgt.sources.spec import AGENTS, AUTO, CLAUDE, CODEX, CONTEXTLOG, NDJSON, OTLP, Spec
from tgt.sources.sqlite_documents import Document, DocumentSource, database_file
from tgt.sources.wrappers import PREFIX

UNRECOGNISED = "unknown"
_LOOKED_AT, _FEW = 20, 3
_BEHIND = frozenset((PREFIX,))
_IDS = frozenset(("conv_id", "session_id", "call_id", "turn_id", "trace_id"))
_SETTING = "TASKGEN_SOURCE"
_MODULES: Mapping[str, str] = {
    OTLP: "tgt.sources.otlp:Otlp",
    CODEX: "tgt.sources.codex:Codex",
    "qwen": "tgt.sources.qwen:Qwen",
    CLAUDE: "tgt.sources.claude_code:ClaudeCode",
    "copilot": "tgt.sources.copilot:Copilot",
    "gemini": "tgt.sources.gemini:Gemini",
    "pi": "tgt.sources.pi:Pi",
    "cline": "tgt.sources.cline:Cline",
    "opencode": "tgt.sources.opencode:OpenCode",
}
"""Where each format lies, in the order in which ``auto`` asks whether an object is one of its own:
Qwen Code's lines look like Claude Code's."""
_DATABASE = ".db"
_ENDINGS = (".json", ".jsonl", ".ndjson", ".log", ".txt", ".otlp", _DATABASE)


def open_sources(specs: Sequence[Spec], contextlog: Path) -> list[Source]:
    """The sources of the specifications; ``contextlog`` is the usual directory of that format, and
    of no specifications what there is is opened.

    Reads the mapping files, and for ``auto`` the beginnings of the files there; a place where that
    is not possible says so when it is listed. Raises SettingsError for a mapping, TelemetryError if
    nothing is specified and nothing is there.
    """
    chosen = specs or usual(contextlog)
    for spec in chosen:
        if spec.address is not None:
            raise SettingsError(
                f"{spec} has no files, and stands alone",
                hint="set TASKGEN_SOURCE to it in the settings file, as docs/clickhouse.md has it",
            )
    if not chosen:
        raise nothing_there(contextlog)
    sources: list[Source] = []
    for spec in chosen:
        try:
            sources += _open(spec, contextlog)
        except TelemetryError as failure:
            sources.append(_Unusable(spec.kind, failure))
    return sources


def listed_sources(sources: Sequence[Source]) -> tuple[tuple[Listed, ...], tuple[str, ...]]:
    """The sources with their files, and a warning for each whose place cannot be read.

    Raises TelemetryError if that is so of all of them.
    """
    there: list[Listed] = []
    failures: list[TelemetryError] = []
    for source in sources:
        try:
            there.append((source, source.listing()))
        except TelemetryError as failure:
            failures.append(failure)
    if failures and not there:
        raise TelemetryError("; ".join(f.message for f in failures), hint=failures[0].hint)
    return tuple(there), tuple(f"{f.message}; all the rest was read" for f in failures)


def usual(contextlog: Path) -> tuple[Spec, ...]:
    """What there is where nothing is set: the ContextLog, else every agent that has a directory in
    its usual place. A ContextLog directory that was named is a source although it is absent, so
    that it is told; nothing at all where none of them is there."""
    if os.path.isdir(contextlog):  # noqa: PTH112 never raises
        return (Spec(CONTEXTLOG),)
    there = tuple(Spec(kind) for kind in AGENTS if _there(usual_places(kind)))
    is_named = contextlog != Path(CONTEXTLOG_DIR)
    return (Spec(CONTEXTLOG), *there) if is_named else there


def usual_places(kind: str, environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Where an agent keeps its files, as the variables of its own have it."""
    try:
        places: tuple[Path, ...] = _module(kind).places(environ)
    except RuntimeError:  # nobody knows where the home of this account is
        return ()
    return places


def nothing_there(contextlog: Path) -> TelemetryError:
    """What to say where nothing is set and no telemetry lies in any usual place."""
    home = os.path.expanduser("~")  # noqa: PTH111 never raises
    usual_of_agents = [usual_places(kind) for kind in AGENTS]
    first = [os.fspath(places[0]) for places in usual_of_agents if 0 < len(places) <= _FEW]
    shown = (f"~{path[len(home) :]}" if path.startswith(f"{home}/") else path for path in first)
    return TelemetryError(
        f"cannot read the telemetry directory {contextlog}: No such file or directory,"
        f" and no agent has written into {', '.join(shown)} or where editors keep theirs",
        hint="name telemetry with --source, or ContextLog's directory with FGK_CONTEXTLOG_DIR;"
        " tgt init looks for it and writes the settings",
    )


def _there(places: Iterable[Path]) -> list[Path]:
    return [place for place in places if os.path.exists(place)]  # noqa: PTH110 never raises


def _module(kind: str) -> Any:
    return import_module(_MODULES[kind].partition(":")[0])


def _class(kind: str) -> Callable[..., RecordSource]:
    chosen: Callable[..., RecordSource] = getattr(_module(kind), _MODULES[kind].partition(":")[2])
    return chosen


def _open(spec: Spec, contextlog: Path) -> Iterator[Source]:
    place = spec.place
    if spec.kind == CONTEXTLOG:
        from tgt.sources.contextlog import ContextLog  # each format when it is read

        setting = "FGK_CONTEXTLOG_DIR" if place is None else _SETTING
        yield ContextLog(place or contextlog, setting)
    elif spec.kind == NDJSON and place is not None and spec.mapping is not None:
        from tgt.sources import mapping, ndjson

        yield ndjson.Ndjson(place, mapping.read(spec.mapping))
    elif spec.kind == AUTO:
        yield from _recognised(place or Path())
    elif spec.kind in _MODULES:
        places = (place,) if place else usual_places(spec.kind)
        for each in _there(places) or places[:1]:
            yield _class(spec.kind)(each)
    else:
        try:
            opened = plugins.call(plugins.SOURCES, spec.kind, place, dict(spec.options))
        except plugins.PluginError as failure:
            opened = _Unusable(spec.kind, TelemetryError(failure.message, hint=failure.hint))
        yield from opened if isinstance(opened, list | tuple) else (opened,)


def _recognised(place: Path) -> Iterator[Source]:
    """A source per format that is met among the files below a place."""
    listing = listed(place, _ENDINGS, _SETTING)
    kinds = _by_format(listing.files)
    unknown = kinds.pop(UNRECOGNISED, ())
    left = listing.passed_over  # told with the first source
    for kind, files in kinds.items():
        if kind == CONTEXTLOG:
            from tgt.sources.contextlog import ContextLog

            yield _chosen(ContextLog(place, _SETTING), files, left)
        else:
            yield _chosen(_class(kind)(place), files, left)
        left = ()
    if not kinds:
        if unknown:
            raise TelemetryError(
                f"no known telemetry in {place}",
                hint="tgt sources shows what is there; ndjson with a mapping reads any JSON lines",
            )
        # Nothing there yet is no failure: whoever writes it has not begun.
        yield _class(OTLP)(place)


def _chosen(
    source: Any, files: tuple[LogFile, ...], passed_over: tuple[tuple[str, str], ...]
) -> Source:
    kind = _ChosenSql if hasattr(source, "projection") else _ChosenRecords
    return kind(source, files, passed_over)


@dataclass(frozen=True)
class _Unusable:
    """In the place of a source that cannot be opened."""

    kind: str
    failure: TelemetryError

    @property
    def key(self) -> str:
        return f"unusable {self.kind}"

    def listing(self) -> Listing:
        raise self.failure


@dataclass(frozen=True)
class _Chosen:
    """Some files of a source."""

    source: Any
    files: tuple[LogFile, ...] = field(repr=False)
    passed_over: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def kind(self) -> str:
        return str(self.source.kind)

    @property
    def key(self) -> str:
        return f"auto {self.source.key}"

    def listing(self) -> Listing:
        return Listing(self.files, self.passed_over)


@dataclass(frozen=True)
class _ChosenRecords(_Chosen):
    @property
    def wrappers(self) -> Iterable[str]:
        return tuple(getattr(self.source, "wrappers", ()))

    def reader(self, file: LogFile, state: Mapping[str, Any] | None = None) -> Reader:
        reader: Reader = self.source.reader(file, state)
        return reader

    def documents(
        self, file: LogFile, state: Mapping[str, Any] | None
    ) -> Iterator[tuple[int, Document]] | None:
        """None unless the source is one of documents."""
        return self.source.documents(file, state) if self._has_documents else None

    def document(self, file: LogFile, place: int) -> Document | None:
        return self.source.document(file, place) if self._has_documents else None

    @property
    def _has_documents(self) -> bool:
        return isinstance(self.source, DocumentSource)


@dataclass(frozen=True)
class _ChosenSql(_Chosen):
    def projection(self) -> Any:
        return self.source.projection()


def recognised_files(place: Path) -> dict[str, tuple[LogFile, ...]]:
    """The telemetry files below a place by format; UNRECOGNISED for those of none."""
    return _by_format(listed(place, _ENDINGS, _SETTING).files)


def _by_format(files: Iterable[LogFile]) -> dict[str, tuple[LogFile, ...]]:
    kinds: dict[str, list[LogFile]] = {}
    for file in files:
        if not file.path.lower().endswith(_DATABASE):
            kinds.setdefault(recognise(file), []).append(file)
        elif kind := _database_of(file):
            kinds.setdefault(kind, []).append(database_file(file.path))
    return {kind: tuple(files) for kind, files in kinds.items()}


def recognise(file: LogFile) -> str:
    """The format of a file, from its first objects, or UNRECOGNISED."""
    with suppress(OSError):
        kinds = _met(file, frozenset())
        kind = next(kinds, None)
        # Of those that are read behind a time or a name on their lines.
        kind = kind or next((kind for kind in _met(file, _BEHIND) if kind == OTLP), None)
        if kind:
            return kind
    return UNRECOGNISED


def _met(file: LogFile, wrappers: frozenset[str]) -> Iterator[str]:
    """The formats of the first objects of a file."""
    documents = iter(Documents(file, 0, wrappers))
    with closing(documents):  # type: ignore[type-var] # a generator
        for document in islice(documents, _LOOKED_AT):
            kind = None if document.value is None else _format(document.value)
            if kind:
                yield kind


def _database_of(file: LogFile) -> str | None:
    """The format whose database a file is; whatever else keeps one is no telemetry."""
    for kind in _MODULES:
        recognises = getattr(_module(kind), "recognises_database", None)
        if recognises and recognises(file):
            return kind
    return None


def _format(document: Mapping[str, Any]) -> str | None:
    for kind in _MODULES:
        recognises = getattr(_module(kind), "recognises", None)
        if recognises and recognises(document):
            return kind
    keys = document.keys()
    times = keys & {"ts", "timestamp", "t_utc_iso", "wm_event_time_ms"}
    is_told = keys & {"act", "actor", "action"} or ("ts" in keys and "type" in keys and keys & _IDS)
    return CONTEXTLOG if times and is_told else None
