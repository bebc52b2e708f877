"""OpenTelemetry files, as collectors and agents write them, as a source."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from tgt.sources.base import Listing
from tgt.sources.discover import FileSource, listed
from tgt.sources.files import LogFile
from tgt.sources.otlp.decode import WRAPPERS
from tgt.sources.otlp.reader import OtlpReader

SUFFIXES = (".json", ".jsonl", ".ndjson", ".log", ".txt", ".otlp")


class Otlp(FileSource):
    """A file or a directory of OpenTelemetry JSON."""

    kind: ClassVar = "otlp"

    @property
    def wrappers(self) -> frozenset[str]:
        return WRAPPERS

    def listing(self) -> Listing:
        return listed(self.location, SUFFIXES, self.setting)

    def reader(self, file: LogFile, state: Mapping[str, Any] | None = None) -> OtlpReader:  # noqa: ARG002 all files are read alike
        return OtlpReader(state)
