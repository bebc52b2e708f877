"""Tasks of Cline, Roo Code and Kilo Code, as their panels in the editor show them.

A task's file is one list of what was said and asked, and it is written anew whenever it grows. A
request to a model is noted when it begins, and what came of it is added later. What a tool came to
is not written down: an error that follows it is its own, and the next step without one says that
it went well, unless a person was asked, who may have refused. A command's exit code is never told.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from tgt.sources.agent_records import is_of
from tgt.sources.base import Listing
from tgt.sources.cline.messages import ClineReader
from tgt.sources.cline.tasks import AGENTS, directory_of
from tgt.sources.discover import FileSource, listed
from tgt.sources.files import LogFile

KIND = "cline"

_FILE = "ui_messages.json"
_EDITORS = (
    *("Code", "Code - Insiders", "VSCodium", "VSCodium - Insiders", "Code - OSS", "Cursor"),
    *("Windsurf", "Trae", "Positron"),
)
_SERVERS = (
    *("~/.vscode-server", "~/.vscode-server-insiders", "~/.vscodium-server", "~/.cursor-server"),
    *("~/.windsurf-server", "~/.vscode-remote"),
)


def places(environ: Mapping[str, str] = os.environ) -> tuple[Path, ...]:
    """Where editors and remote servers keep what these extensions store, and where Cline's other
    front ends do: below XDG_CONFIG_HOME, CLINE_DIR and the like."""
    config = Path(environ.get("XDG_CONFIG_HOME", "").strip() or "~/.config")
    homes = [root / editor for root in (config, _MAC) for editor in _EDITORS]
    stores = [home / "User/globalStorage" for home in homes]
    stores += [Path(server) / "data/User/globalStorage" for server in _SERVERS]
    cline = Path(environ.get("CLINE_DIR", "").strip() or "~/.cline")
    data = Path(environ.get("CLINE_DATA_DIR", "").strip() or cline / "data")
    every = [*(store / extension for store in stores for extension in AGENTS), data]
    return tuple(place.expanduser() for place in every)


_MAC = Path("~/Library/Application Support")
DEFAULTS = places({})


def recognises(document: Mapping[str, Any]) -> bool:
    """Whether an object is one of a task's messages."""
    side = document.get("type")
    is_one = is_of(side, ("say", "ask")) and "ts" in document
    return is_one and isinstance(document.get(str(side)), str)


class Cline(FileSource):
    """A directory with tasks, such as what an editor stores of one of these extensions."""

    kind: ClassVar = KIND

    def listing(self) -> Listing:
        return listed(self.location, (_FILE,), self.setting)

    def reader(self, file: LogFile, state: Mapping[str, Any] | None = None) -> ClineReader:  # noqa: ARG002 a task is always read whole
        path = PurePosixPath(file.path)
        agent = next((AGENTS[part] for part in path.parts if part in AGENTS), KIND)
        return ClineReader(agent, path.parent.name, directory_of(Path(file.path).parent))
