"""Which names the documentation mentions: each as a whole word, in real files."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path

_SUFFIXES = {".md", ".mdx", ".markdown", ".rst", ".txt", ".adoc", ".html", ".htm", ".org", ""}
_MAX_FILE = 4 * 1024 * 1024
_MAX_FILES = 5000
_WORD = re.compile(r"[\w-]+")


def undocumented(names: Collection[str], paths: Iterable[Path]) -> set[str]:
    """Those of the names that stand as a whole word in none of the files."""
    # A name of letters alone is a word between two others, of which a text is taken apart once;
    # one with other characters in it is looked for by itself.
    words = {name for name in names if _WORD.fullmatch(name)}
    others = {
        name: re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])")
        for name in names
        if name not in words
    }
    for text in _texts(paths) if words or others else ():
        words.difference_update(_WORD.findall(text) if words else ())
        for name in [name for name, word in others.items() if name in text and word.search(text)]:
            del others[name]
        if not words and not others:
            break
    return words | others.keys()


def _texts(paths: Iterable[Path]) -> Iterator[str]:
    left = _MAX_FILES
    for path in paths:
        for file in _files(path):
            if left <= 0:
                return
            left -= 1
            text = _read(file)
            if text is not None:
                yield text


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for directory, directories, names in os.walk(path):
        directories[:] = sorted(d for d in directories if not d.startswith("."))
        for name in sorted(names):
            file = Path(directory, name)
            if file.suffix.lower() in _SUFFIXES:
                yield file


def _read(path: Path) -> str | None:
    """The text of a regular file, in part if it is large; None if there is nothing to read."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with path.open("rb") as stream:
            return stream.read(_MAX_FILE).decode("utf-8", "replace")
    except OSError:
        return None
