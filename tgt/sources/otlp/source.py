"""OpenTelemetry files, as collectors and agents write them, as a source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tgt.sources.base import Listing
from tgt.sources.discover import listed
from tgt.sources.files import LogFile
from tgt.sources.otlp.decode import WRAPPERS
from tgt.sources.otlp.reader import OtlpReader

SUFFIXES = (".json", ".jsonl", ".ndjson", ".log", ".txt", ".otlp")


@dataclass(frozen=True)
class Otlp:
    """A file or a directory of OpenTelemetry JSON; ``setting`` is what names another."""

    location: Path
    setting: str = "TASKGEN_SOURCE"

    @property
    def kind(self) -> str:
        return "otlp"

    @property
    def key(self) -> str:
        return f"otlp:{self.location}"

    @property
    def wrappers(self) -> frozenset[str]:
        return WRAPPERS

    def listing(self) -> Listing:
        return listed(self.location, SUFFIXES, self.setting)

    def reader(self, file: LogFile, state: Mapping[str, Any] | None = None) -> OtlpReader:  # noqa: ARG002 all files are read alike
        return OtlpReader(state)
