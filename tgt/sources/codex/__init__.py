"""Codex's rollouts: the record of a session that it writes on every machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from tgt.sources.agent_records import usual_place
from tgt.sources.base import Listing
from tgt.sources.codex.rollout import LINES, Rollout
from tgt.sources.discover import FileSource, listed
from tgt.sources.files import LogFile

DEFAULTS = (Path("~/.codex/sessions"), Path("~/.codex/archived_sessions"))


def places(environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Where Codex keeps rollouts, also the archived ones: CODEX_HOME names another directory."""
    below = ("sessions", "archived_sessions")
    return tuple(usual_place(environ, "CODEX_HOME", "~/.codex", each) for each in below)


def recognises(document: Mapping[str, Any]) -> bool:
    """Whether an object is a line of a rollout."""
    kind = document.get("type")
    return isinstance(kind, str) and kind in LINES and {"payload", "timestamp"} <= document.keys()


class Codex(FileSource):
    """A directory of rollouts."""

    kind: ClassVar = "codex"

    def listing(self) -> Listing:
        return listed(self.location, (".jsonl",), self.setting)

    def reader(self, file: LogFile, state: Mapping[str, Any] | None = None) -> Rollout:
        return Rollout(PurePosixPath(file.path).name.split(".jsonl")[0], state)
