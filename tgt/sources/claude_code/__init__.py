"""Claude Code's session transcripts, which exist on every machine where it runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from tgt.sources.agent_records import usual_place
from tgt.sources.base import Listing
from tgt.sources.claude_code.transcript import BOOKKEEPING, Transcript
from tgt.sources.discover import FileSource, listed
from tgt.sources.files import LogFile

DEFAULTS = (Path("~/.claude/projects"),)

_KINDS = BOOKKEEPING | {"user", "assistant", "system"}
_KEYS = frozenset(("uuid", "message", "version", "leafUuid", "operation", "messageId"))


def places(environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Where Claude Code keeps sessions: CLAUDE_CONFIG_DIR names another directory."""
    return (usual_place(environ, "CLAUDE_CONFIG_DIR", "~/.claude", "projects"),)


def recognises(document: Mapping[str, Any]) -> bool:
    """Whether an object is a line of a session."""
    kind = document.get("type")
    is_line = isinstance(kind, str) and kind in _KINDS
    return is_line and "sessionId" in document and bool(document.keys() & _KEYS)


class ClaudeCode(FileSource):
    """A directory of projects with their sessions."""

    kind: ClassVar = "claude-code"

    def listing(self) -> Listing:
        return listed(self.location, (".jsonl",), self.setting)

    def reader(self, file: LogFile, state: Mapping[str, Any] | None = None) -> Transcript:
        return Transcript(PurePosixPath(file.path).parent.name, state)
