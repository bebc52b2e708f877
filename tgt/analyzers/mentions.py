"""Which names a text mentions as whole words, looking at the text once for all names.

Time grows with the text and not with the number of names times the text: a name of word characters
alone is sought among the words, any other one where one of its words stands.
"""

from __future__ import annotations

import re
from collections.abc import Collection

_WORD = re.compile(r"[\w-]+")
_WORDLESS = 50
"""Names without any word character are sought one by one, so only so many of them are."""
_OVERLAP = 512
"""More than the longest name."""
_LONGEST_RUN = 4 * 1024 * 1024
"""Where there is no white space for so long a word may be cut in two."""


class Mentions:
    """Names that are sought in a text that comes in parts.

    ``unmentioned`` are those that were not met yet, ``unsought`` those that are too many of a kind
    to be sought.
    """

    def __init__(self, names: Collection[str]) -> None:
        self._words = {name for name in names if _WORD.fullmatch(name)}
        wordless = sorted(name for name in names if not _WORD.search(name))
        self._wordless = set(wordless[:_WORDLESS])
        self.unsought = frozenset(wordless[_WORDLESS:])
        # By the longest word of a name: where that stands in names of which length.
        self._anchors: dict[str, dict[tuple[int, int], set[str]]] = {}
        for name in set(names) - self._words - set(wordless):
            anchor = max(_WORD.finditer(name), key=lambda match: len(match.group()))
            shapes = self._anchors.setdefault(anchor.group(), {})
            shapes.setdefault((anchor.start(), len(name)), set()).add(name)
        self._carried = ""

    @property
    def unmentioned(self) -> frozenset[str]:
        anchored = (
            name for shapes in self._anchors.values() for names in shapes.values() for name in names
        )
        return frozenset((*self._words, *self._wordless, *anchored))

    def look_at(self, part: str, *, is_last: bool = True) -> None:
        """Take the next part of a text; names may stand across two of them."""
        text = self._carried + part
        self._carried = ""
        if not is_last:
            end = _last_space(text, len(text))
            if end < 0:
                end = 0 if len(text) < _LONGEST_RUN else len(text)
            self._carried = text[max(0, _last_space(text, end - _OVERLAP)) :]
            text = text[:end]
        words = set(_WORD.findall(text))
        self._words -= words
        if self._anchors.keys() & words:
            self._look_at_anchors(text)
        self._wordless = {
            name
            for name in self._wordless
            if name not in text or not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text)
        }

    def _look_at_anchors(self, text: str) -> None:
        for match in _WORD.finditer(text):
            shapes = self._anchors.get(match.group())
            if shapes is None:
                continue
            for (offset, length), names in list(shapes.items()):
                start = match.start() - offset
                name = text[start : start + length] if start >= 0 else ""
                if name in names and _stands_alone(text, start, start + length):
                    names.discard(name)
                    if not names:
                        del shapes[offset, length]
            if not shapes:
                del self._anchors[match.group()]


def _stands_alone(text: str, start: int, end: int) -> bool:
    before, after = text[start - 1 : start] if start else "", text[end : end + 1]
    return not _WORD.match(before) and not _WORD.match(after)


def _last_space(text: str, end: int) -> int:
    """Where the last white space before ``end`` stands; -1 where there is none."""
    return max(text.rfind(space, 0, max(end, 0)) for space in " \n\t")
