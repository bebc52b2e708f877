"""The pages of this repository as a site: what they link to outside of docs/ goes with them.

On a repository's page a link such as ../tgt/events.py leads to the file. A site is made of docs/
alone, so the pages at the top become pages of it, and other files that are linked are copied below
source/. Of a directory, which a site cannot show, the text of the link is left. The order of the
pages is that of the table in README.md. No page is written differently for the site.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
TOP = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE")
_LINK = re.compile(r"\[([^]]+)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def on_config(config: Any) -> Any:
    """A row of README.md's table of pages is a section."""
    table = (
        (ROOT / "README.md").read_text(encoding="utf-8").partition("<!-- documentation -->\n")[2]
    )
    rows = [row.split("|")[1:-1] for row in table.partition("\n\n")[0].splitlines()[2:]]
    config.nav = ["README.md"] + [
        {head.strip().capitalize(): [_place(ROOT, link[2]) for link in _LINK.finditer(pages)]}
        for head, pages in rows
    ]
    return config


def on_files(files: Files, config: Any) -> Files:
    """The pages at the top stand beside those of docs/."""
    for name in TOP:
        files.append(File.generated(config, name, abs_src_path=str(ROOT / name)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """A page whose links lead to where things are in the site."""
    origin = ROOT if page.file.src_uri in TOP else ROOT / "docs"

    def link(match: re.Match[str]) -> str:
        path = (origin / match[2]).resolve()
        if path.is_dir():
            return match[1]
        place = _place(origin, match[2])
        if place.startswith("source/") and files.get_file_from_path(place) is None:
            files.append(File.generated(config, place, abs_src_path=str(path)))
        return f"[{match[1]}]({place}{match[3] or ''})"

    return _LINK.sub(link, markdown)


def _place(origin: Path, target: str) -> str:
    """Where what a link names lies in the site."""
    name = (origin / target).resolve().relative_to(ROOT).as_posix()
    return name.removeprefix("docs/") if name in TOP or name[:5] == "docs/" else f"source/{name}"
