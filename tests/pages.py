"""Pages of the documentation as tests read them: tables, code blocks and sections after marks."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tgt.cli import command_line

ROOT = Path(__file__).parents[1]

_GROUP = command_line()
COMMANDS: dict[str, Any] = {
    name: _GROUP.get_command(None, name) for name in _GROUP.list_commands(None)
}
SHARED_OPTIONS = {"--json", "--now", "--env-file", "--no-color"}


@dataclass(frozen=True)
class Page:
    """One page, named by its path in the repository."""

    name: str

    @cached_property
    def text(self) -> str:
        return (ROOT / self.name).read_text(encoding="utf-8")

    def after(self, mark: str) -> str:
        """What follows an HTML comment on a line of its own."""
        parts = re.split(rf"^ *<!-- {re.escape(mark)} -->$\n", self.text, flags=re.MULTILINE)
        assert len(parts) == 2, f"{mark}: {len(parts) - 1} times in {self.name}"
        return parts[1]

    def block(self, mark: str) -> str:
        """The code block that stands directly after a mark."""
        match = re.match(r"( *)```\w+\n(.*?)\n\1```$", self.after(mark), re.DOTALL | re.MULTILINE)
        assert match, f"no code block after {mark} in {self.name}"
        return textwrap.dedent(match[2])

    def table(self, mark: str) -> list[list[str]]:
        """The rows of the table that stands directly after a mark, without its head."""
        rows = self.after(mark).split("\n\n", 1)[0].splitlines()
        assert set(rows[1]) == set("|- "), f"no table after {mark} in {self.name}"
        cells = (
            [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", row)]
            for row in rows
        )
        return [row[1:-1] for row in list(cells)[2:]]

    def section(self, heading: str) -> str:
        """A section's text on one line, down to the next heading."""
        head = rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)"
        match = re.search(head, self.text, re.DOTALL | re.MULTILINE)
        assert match, f"no section {heading} in {self.name}"
        return " ".join(match[1].split())

    @cached_property
    def prose(self) -> str:
        """The page without its code, in which nothing is a heading or a link."""
        without_blocks = re.sub(
            r"^( *)```.*?^\1```$", "", self.text, flags=re.DOTALL | re.MULTILINE
        )
        return re.sub(r"`[^`\n]+`", lambda code: re.sub(r"[\[\]()#]", "", code[0]), without_blocks)

    @property
    def headings(self) -> list[str]:
        return re.findall(r"^#+ (.+)$", self.prose, re.MULTILINE)

    @property
    def anchors(self) -> set[str]:
        """What links into the page may name."""
        return {slug(heading) for heading in self.headings}

    @property
    def links(self) -> list[str]:
        return re.findall(r"\]\(([^)\s]+)\)", self.prose)


def slug(heading: str) -> str:
    """A heading as links name it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def coded(cell: str) -> list[str]:
    """What a cell has in code type."""
    return re.findall(r"`([^`]+)`", cell)


def pages() -> list[Page]:
    """All pages that people read."""
    paths = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
    return [Page(str(path.relative_to(ROOT))) for path in paths]


def options(command: str) -> set[str]:
    """The long options of a command."""
    parameters = COMMANDS[command].params
    return {n for p in parameters if p.param_type_name == "option" for n in long_names(p)}


def long_names(parameter: Any) -> list[str]:
    return [name for name in (*parameter.opts, *parameter.secondary_opts) if name[:2] == "--"]
