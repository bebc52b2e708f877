"""Error texts are reduced to what repeats, so that the same error is seen to be the same.

Two texts are one error where their templates are equal. A template keeps the words that tell what
went wrong (also a program's or a module's name, an HTTP status, the class of an exception) and has
placeholders for what differs from one time to the next: ``cd: <path>: No such file or directory``.
It is made of a whole line and never of one word that happened to match.
"""

from __future__ import annotations

import re

from tgt.redact import redact
from tgt.templates.families import Family, family
from tgt.templates.lines import LONGEST_INPUT, ends, naming_lines
from tgt.templates.reports import in_a_test, is_test_report
from tgt.templates.varying import without_what_varies

__all__ = ["LONGEST_INPUT", "LONGEST_TEMPLATE", "Family", "at_the_error", "family", "template"]

LONGEST_TEMPLATE = 200
LONGEST_BEGINNING = 100
"""So many characters of an error text one sees where it is shown in short."""

# Sentences that advise, quote the situation or lead elsewhere; the error is told before them.
_ASIDE = re.compile(
    r"[ .;,·(-]{1,4}(?:Note:|NOTE:|[Hh]int:|[Hh]elp:|Tip:|Did you mean\b|Perhaps you meant\b"
    r"|For more information\b|See (?:<url>|<path>|<str>|the )|Caused by\b|Please report\b"
    r"|Run <str>|Try <str>|Use <str>|Duration: |either use |Try again\b|Stop\.?\Z|STOP what"
    r"|To tell you how|The tool use was rejected|Because |If you reach out to "
    r"|Available \w{1,20}:|Original old_string was"
    r"|\(imported by |to add:|resolved to <n> elements"
    r"|Please (?:use|try|check|see|retry|run|provide|add|set|make)\b)"
)
_SAYS_NOTHING = """
a about after an and api are at base been by call called check code command completed details during
encountered error errored errors exception executing execution exit exited fail failed failing fails
failure failures false fatal fixture for from had has in info internal is it log logs message more
nil no non none null object occurred of oh ok on oops operation output please process program
request result return returned runtime safe script see shell some something status stderr stdout
stopped task telemetry terminated test that the this to tool trimmed true unexpected unhandled
unknown unsuccessful us was went while with wrong you your zero
"""
_EMPTY_WORDS = frozenset(_SAYS_NOTHING.split())
_PLACEHOLDER = re.compile(r"<[a-z]{1,5}>|\[redacted:[a-z-]{1,40}\]")
_STATUS = re.compile(r"(?<![0-9])[45][0-9]{2}(?![0-9])")
_TEST_FAILED = re.compile(r"FAIL(?:ED)?:? <path>")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[^\W\d_]+")


def template(text: str) -> str | None:
    """What repeats of an error text, of at most 200 characters; None where it says nothing.

    Credentials are masked first. Of a text longer than 8 KiB the beginning and the end are read.
    """
    text = redact(ends(text))
    _, reduced = _named(text)
    return _cut(in_a_test(reduced)) if reduced and is_test_report(text) else reduced


def at_the_error(text: str) -> str:
    """An error text that begins with what names the error: as it is, where that is among the first
    words; else the line that does, without credentials."""
    if len(text) <= LONGEST_BEGINNING:
        return text
    line, _ = _named(redact(ends(text)))
    beginning = " ".join(text[: 4 * LONGEST_BEGINNING].split())[:LONGEST_BEGINNING]
    if line is None or line[: LONGEST_BEGINNING // 2] in beginning:
        return text
    return f"… {line}"


def _named(text: str) -> tuple[str | None, str | None]:
    """The line that names the error, and what repeats of it; nothing where no line does."""
    for line in naming_lines(text):
        reduced = _cut(_without_asides(without_what_varies(line)))
        if _says_something(reduced):
            return line, reduced
    return None, None


def _without_asides(line: str) -> str:
    aside = _ASIDE.search(line)
    before = line[: aside.start()] if aside is not None else ""
    return before if _says_something(before) else line


def _cut(line: str) -> str:
    """At most 200 characters, to the end of a word and of a placeholder."""
    if len(line) > LONGEST_TEMPLATE:
        line = line[: LONGEST_TEMPLATE + 1]
        line = line.rpartition(" ")[0] or line[:LONGEST_TEMPLATE]
    if line.rfind("<") > line.rfind(">"):
        line = line[: line.rfind("<")]
    return line.strip(" .,:;-–—·…")


def _says_something(line: str) -> bool:
    words = _PLACEHOLDER.sub(" ", line)
    if line == "undefined":
        return False
    if _TEST_FAILED.match(line) or _STATUS.search(words):
        return True
    return any(len(word) > 1 and word.lower() not in _EMPTY_WORDS for word in _WORD.findall(words))
