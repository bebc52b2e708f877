"""From TASKGEN_SOURCE to the sources that read it; ``auto`` looks into the files.

Every format is one module with one class; here they are known by name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tgt.errors import TelemetryError
from tgt.sources.spec import CLAUDE, CODEX, CONTEXTLOG, OTLP, Spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tgt.sources.base import Projection, Source
    from tgt.sources.files import LogFile

UNRECOGNISED = "unknown"
_LOOKED_AT = 20


def open_sources(specs: Sequence[Spec], contextlog: Path) -> list[Source]:
    """The sources of the specifications; ``contextlog`` is the usual directory of that format.

    Reads the mapping files, and for ``auto`` the beginnings of the files there. Raises
    SettingsError for a mapping, TelemetryError for a place that cannot be read.
    """
    return [source for spec in specs for source in _open(spec, contextlog)]


def _open(spec: Spec, contextlog: Path) -> Iterator[Source]:
    from tgt.sources.contextlog import ContextLog  # noqa: PLC0415 only runs open sources

    place = spec.place
    if spec.kind == CONTEXTLOG:
        setting = "FGK_CONTEXTLOG_DIR" if place is None else "TASKGEN_SOURCE"
        yield ContextLog(place or contextlog, setting)
        return
    from tgt.sources import claude_code, codex, mapping, ndjson  # noqa: PLC0415
    from tgt.sources.otlp import decode as otlp  # noqa: PLC0415 not for all

    if spec.kind == CLAUDE:
        yield claude_code.ClaudeCode(place or claude_code.DEFAULT.expanduser())
    elif spec.kind == CODEX:
        yield codex.Codex(place or codex.DEFAULT.expanduser())
    elif place is not None and spec.kind == OTLP:
        yield otlp.Otlp(place)
    elif place is not None and spec.mapping is not None:
        yield ndjson.Ndjson(place, mapping.read(spec.mapping))
    elif place is not None:
        yield from _recognised(place)


def _recognised(place: Path) -> Iterator[Source]:
    """A source per format found among the files below a place."""
    from tgt.sources import claude_code, codex  # noqa: PLC0415
    from tgt.sources.contextlog import ContextLog  # noqa: PLC0415
    from tgt.sources.otlp import decode as otlp  # noqa: PLC0415 not for all

    kinds = recognised_files(place)
    unknown = kinds.pop(UNRECOGNISED, ())
    classes: Mapping[str, Any] = {
        CLAUDE: claude_code.ClaudeCode,
        CODEX: codex.Codex,
        OTLP: otlp.Otlp,
    }
    for kind, files in kinds.items():
        inner = ContextLog(place, "TASKGEN_SOURCE") if kind == CONTEXTLOG else classes[kind](place)
        yield Chosen(inner, files)
    if not kinds:
        if unknown:
            raise TelemetryError(
                f"no known telemetry in {place}",
                hint="tgt sources shows what is there; ndjson with a mapping reads any JSON lines",
            )
        # Nothing there yet is no failure: whoever writes it has not begun.
        yield otlp.Otlp(place)


@dataclass(frozen=True)
class Chosen:
    """Some files of a source."""

    source: Any
    chosen: tuple[LogFile, ...] = field(repr=False)

    @property
    def kind(self) -> str:
        return str(self.source.kind)

    @property
    def in_lines(self) -> bool:
        return bool(self.source.in_lines)

    @property
    def macros(self) -> Sequence[str]:
        return tuple(self.source.macros)

    def files(self) -> tuple[LogFile, ...]:
        return self.chosen

    def descriptor(self, part: Any) -> int | None:
        found: int | None = self.source.descriptor(part)
        return found

    def records(self) -> Projection:
        found: Projection = self.source.records()
        return found


def recognised_files(place: Path) -> dict[str, tuple[LogFile, ...]]:
    """The telemetry files below a place by format; UNRECOGNISED for those of none."""
    from tgt.sources.discover import listed  # noqa: PLC0415
    from tgt.sources.otlp.decode import SUFFIXES  # noqa: PLC0415

    kinds: dict[str, list[LogFile]] = {}
    for file in listed(place, SUFFIXES, "TASKGEN_SOURCE"):
        kinds.setdefault(recognise(file), []).append(file)
    return {kind: tuple(files) for kind, files in kinds.items()}


def recognise(file: LogFile) -> str:
    """The format of a file, from its first objects, or UNRECOGNISED."""
    from tgt.sources.envelopes import MALFORMED, documents  # noqa: PLC0415

    try:
        for document in islice(documents(file), _LOOKED_AT):
            kind = None if document is MALFORMED else _format(document)
            if kind:
                return kind
    except OSError:
        pass
    return UNRECOGNISED


_OTLP_KEYS = frozenset(
    (
        *("resourceLogs", "resourceSpans", "resourceMetrics", "scopeMetrics", "hrTime", "_hrTime"),
        *("_spanContext", "spanContext", "resource_logs", "resource_spans", "resource_metrics"),
    )
)


def _format(document: Mapping[str, Any]) -> str | None:
    keys = document.keys()
    if keys & _OTLP_KEYS or {"context", "start_time", "attributes"} <= keys:
        return OTLP
    if "payload" in keys and {"timestamp", "type"} <= keys:
        return CODEX
    if "sessionId" in keys and "type" in keys and keys & {"uuid", "message", "version", "leafUuid"}:
        return CLAUDE
    times = keys & {"ts", "timestamp", "t_utc_iso", "wm_event_time_ms"}
    return CONTEXTLOG if times and keys & {"act", "actor", "action"} else None
