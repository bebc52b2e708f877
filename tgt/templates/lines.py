"""Which line of an error text names the error: the first, unless a later one clearly does.

Tools wrap what went wrong in envelopes (exit codes, tags, JSON, terminal colours), and long
outputs say it after a page of progress. What is decided here is the line alone; nothing is left
out of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tgt.templates.languages import (
    NO_FILE,
    NO_PERMISSION,
    NO_PROGRAM,
    POWERSHELL_HAS_NO_PROGRAM,
    WINDOWS_HAS_NO_PROGRAM,
)
from tgt.templates.powershell import without_frames

LONGEST_INPUT = 8192
_LONGEST_LINE = 600
_MOST_CANDIDATES = 6
_FEW_LINES = 6
"""Of so many lines any may name the error; in more of them most tell something else."""
_LAST_LINES = 12
"""Where a long output says what went wrong, if not with one of the forms of errors."""
_MOST_BETWEEN = 1 << 18
"""Characters of a long text that are searched between its ends."""
_DEEPEST_JSON = 3
_MOST_LINES_BEFORE_JSON = 2
_LONGEST_KIND = 60

_ANSI = re.compile(
    r"(?:\x1b|\\u001b|\\x1b|\\033)?\[[0-9;]{1,16}+m"
    r"|\x1b(?:\[[0-?]{0,32}+[ -/]{0,8}+[@-~]|\][^\x07\x1b]{0,256}+(?:\x07|\x1b\\)?|.)"
)
# ``\n`` spelt out is a line's end, unless it stands in a Windows path: ``C:\new``, ``src\new``.
_SPELT_LINE_END = re.compile(r"(?:\\r)?(?<!\b[A-Za-z]:)(?:(?<!\w)\\n|\\n(?![a-z]))")
_REMINDER = re.compile(r"<system-reminder>.{0,8192}?(?:</system-reminder>|\Z)", re.DOTALL)
_TAG = re.compile(
    r"</?(?:tool_use_error|error|stderr|stdout|output|system|result)(?: [^<>]{0,80})?>"
)
# What a tool of a server was called with, in front of what it answered.
_CALLED_WITH = re.compile(
    r"MCP tool '[^'\n]{1,200}' reported tool error for function call: .{0,8192}?"
    r" with response: (?=\[?\{)",
    re.DOTALL,
)
# A line that is an object of a program's log, or ends in what something came to.
_LOGGED = re.compile(
    r"^(?P<before>[^\n{]{0,200} => (?=\{)|(?=\{[^\n]{0,400}\"(?:level|severity|lvl)\" ?:))"
    r"(?P<json>\{\"[^\n]{2,4000}\})[ \t\r]*$",
    re.MULTILINE,
)
_NO_ERRORS = frozenset(("trace", "debug", "info", "information", "notice", "10", "20", "30"))
_WARNS = frozenset(("warn", "warning", "40"))
_MESSAGE_KEY = "'message': "
_LONGEST_BEFORE_MESSAGE = 400
_LEADER = re.compile(r"\.{4,}")
_ORNAMENT = " \t┃│└├─╭╰╷╵▶▲◆●○•░▌×✗✖✘❌⨯⎯>*#-"

_OF_A_REPORT = re.compile(r"(?i)(?:output|stdout|stderr|error): (?=\S)")
_NOTHING = re.compile(r"\((?:none|empty)\)\Z")

# Lines about the call, not about the error.
_NOISE = re.compile(
    r"(?i)\[?(?:the )?(?:(?:error: )?(?:exit|return)[ _]?code:? -?\d{1,10}"
    r"|(?:process|command|script) (?:exited|failed|completed|finished)"
    r" (?:with )?(?:non-zero )?(?:exit )?(?:code|status):? -?\d{1,10}"
    r"|exit(?:ed)? (?:with )?(?:code|status):? -?\d{1,10}"
    r"|(?:chunk id|wall time|original token count|total output lines|duration|signal|pid|cwd"
    r"|current working directory|directory|background pids|process group pgid|python interpreter"
    r"|command|stdout|stderr|output|error|errors)"
    r": ?(?:[\w./() -]{0,80}|.{0,200}\])?"
    r"|(?:stdout|stderr|output|error|errors|failed|failure))[\].:!]{0,3}\Z"
    r"|npm (?:warn|notice)\b|[.fesx]{4,}(?: {1,4}\[ {0,3}\d{1,3}%\])?\Z"
    r"|==> |make(?:\[\d{1,3}\])?: (?:entering|leaving) |(?:compiling|generated|running"
    r"|checking|building|downloading|installing|scanning"
    r"|collecting|fetching|resolving|transforming|preparing) [^:]{1,200}\Z"
    r"|[=_~^+.-]{3,}\Z|\d{1,5} [|│]|throw err?;|node:(?:internal/|events:)"
    # What is told of work that goes on or went well.
    r"|\[?(?:info|debug|inf|trace|started|completed|success)\]?[\s:]|[iw]\d{4} \d\d:\d\d:"
    r"|\[?[\d:.,tz/+ ap-]{5,40}m?\]? ?\[?(?:info|inf|debug|dbg)\b|\[\d{1,6}/\d{1,6}\]"
    r"|[✓✔√✅] ?\S|pass \S|(?:\S{1,60} )?\.{3} ok\Z"
    # Tables of progress, dumps of memory and banners of programs.
    r"|% total |dload |[\d: -]{20,}\Z|<-{3} |\[\d{1,9}:0x[0-9a-f]{1,16}\] "
    r"|[a-z][\w.-]{1,30}:? v?\d{1,4}(?:\.\d{1,6}){1,3}(?: (?:/|by |building ).{0,120})?\Z"
    r"|(?:run +v\d|error code:|usage:|(?:[\w.]{1,40}: )?(?:error: )?usage:) .{0,300}\Z"
    r"|husky > |prisma schema (?:loaded|validation)|oops!|rails aborted"
    r"|failure: build failed with an exc"
    # Where compilers and linkers were, above what they say of it.
    r"|.{1,300}: in (?:member |static )?function [`'‘].{1,200}['’]:\Z"
    r"|what went wrong:|execution failed for task [^:]{0,4}:?[^ ]{1,200}\Z"
    r"|error when starting dev server:\Z"
    r"|[efs] ?\d{4} \d\d:\d\d:\d\d\.\d{1,9} "
)
_PROGRESS = re.compile(r"\[\d{1,6}/\d{1,6}\]|(?i:\[?(?:info|debug|inf|trace)\]?[\s:])")
_NOISE_WITH_CONTENT = re.compile(
    r"(?i)\[?(?:error|errors|output|stdout|stderr): ?(?!usage\b|prisma schema)\S"
)
_INTERRUPTED = "[Request interrupted by user"
_WARNING = re.compile(
    r"(?:\S{1,60} (?:line \d{1,6}: )?)?"
    r"(?:time=\S{1,60} level=|\[warn(?:ing)?\]|\(warn\)|warn(?:ing)?:)",
    re.IGNORECASE,
)
_TEST_FAILED = "FAIL"  # says which file, and lines below it say why
_HEADING = re.compile(
    r":\Z|\AHTTP(?:/[\d.]{1,3})? \d{3}\Z|\berror: \[GHC-\d{1,6}\](?: \[[\w=, -]{1,80}\])?\Z"
    r"|\AError: The module '.{1,300}'\Z"
)
_TRACEBACK = "Traceback (most recent call last):"

# What a line looks like that names an error among lines of other output.
_NAMES_ERROR = re.compile(
    r"(?:[\w./-]{1,80}+: )?(?:fatal|error|Error|ERROR|FATAL(?: ERROR)?|panic|Fatal error)"
    r"(?:\[\w{1,10}\])?: ?\S"
    r"|\[(?:ERROR|FATAL)\] \S|curl: \(\d|ERR_[A-Z_]{3,60} \S|error (?:during|while|in)\b"
    r"|\S{1,300} lint/[a-z]{2,30}/\w|E {3,}\S|npm (?:ERR!|error) (?!A complete log)"
    r"|! \[(?:remote )?rejected\]|FAILED \S"
    r"|\*\* \(\w|thread '[^']{1,80}' panicked|make(?:\[\d{1,3}\])?: \*\*\*|sudo: |husky "
    r"|expect\(received\)|Assertion with |\d{1,6} tests?, \d{1,6} failures?"
    r"|CONFLICT \(|Can(?:not|'t) |Could(?: not|n't) |Unable to |Failed to |FAIL:? \S"
    r"|Exception in thread "
    r"|\[?[\d:.,TZ+ -]{5,40}\]? ?\[?(?:ERR|ERROR|FATAL|CRITICAL|CRIT)\b"
    r"|[^\s:(]{1,200}\.\w{1,8}[:(]\d{1,7}[^ ]{0,16} (?:error |fatal |- error |[A-Z]{1,6}\d{2,5}\b)"
    r"|[^\s:(]{1,200}\.\w{1,8}:\d{1,7}:\d{1,7}: |\d{1,7}:\d{1,7} +error "
    r"|[\w.$:]{0,120}(?:Error|Exception)(?: \[\w{1,40}\])?: \S"
)
_ENDS_WITH_ERROR = re.compile(
    r"(?i): (?:command )?not found\Z|: no such file or directory|: permission denied"
    r"|\.{3,}failed\Z|\boperation not permitted\b|\bconnection refused\b"
    r"|\bis not recognized as an internal\b|\bfailed with \S|\bhook (?:failed|exited|declined)"
    rf"|: (?:{NO_PROGRAM}|{NO_FILE}|{NO_PERMISSION})\.?\Z"
)
_IN_OTHER_LANGUAGES = re.compile(f"{WINDOWS_HAS_NO_PROGRAM}|{POWERSHELL_HAS_NO_PROGRAM}")
# Enough for a first line to be believed; a later one of many needs one of the forms above.
_MAY_NAME_ERROR = re.compile(
    r"(?i)\b(?:error|fail(?:ed|ure|s)?|cannot|can't|could ?n[o']t|unable|not|denied|invalid|missing"
    r"|rejected|refused|exceed(?:s|ed)?|doesn't|must|timed out|timeout|unknown|no such|conflict"
    r"|unsupported|blocked|too (?:many|long|large)|limit|expired|killed|aborted|requires?|issues?"
    r"|problems?|conflicts?|undefined|outdated|no|already|unbound|illegal|unterminated|near|bad"
    r"|unexpected|wrong|forbidden|unauthorized|stale|unresolved|expected|abort|changed)\b"
)


def ends(text: str, longest: int = LONGEST_INPUT) -> str:
    """The beginning and the end of a long text: an error is named in the one or in the other. Where
    neither has a line of the forms of errors, the first such lines in between, too."""
    if len(text) <= longest:
        return text
    half = longest // 2
    first, last = text[: half - 1], text[-half:].partition("\n")[2]
    if _named(first) or _named(last):
        return f"{first}\n{last}"
    between = text[half - 1 : -half].partition("\n")[2][:_MOST_BETWEEN]
    named = "\n".join(_named(between)[:_MOST_CANDIDATES])[: longest // 4]
    if not named:
        return f"{first}\n{last}"
    return f"{first[: len(first) - len(named) - 2]}\n{named}\n{last}"


def _named(text: str) -> list[str]:
    """The lines of a text that have one of the forms of errors, as they stand there."""
    lines = (line[:_LONGEST_LINE].strip() for line in text.splitlines())
    return [line for line in lines if _names_error(line) and not _is_noise(line)]


def naming_lines(text: str) -> Iterator[str]:
    """The lines that may name the error, likeliest first, a handful at most."""
    if _INTERRUPTED in text:
        return  # a person stopped it: what it had said by then is no error
    lines = list(_lines(_unwrapped(text)))
    seen: set[str] = set()
    for line in _by_likelihood(lines):
        if line not in seen:
            seen.add(line)
            yield line
        if len(seen) == _MOST_CANDIDATES:
            return


def _by_likelihood(lines: list[str]) -> Iterator[str]:
    raised = _raised(lines)
    if raised is not None:
        yield raised
    informative = [line for line in lines if not line.startswith((_TRACEBACK, 'File "'))]
    informative = [line for line in informative if not _WARNING.match(line)] or informative
    if not informative:
        return
    # A heading says what kind of thing went wrong, the line below it which.
    informative = [
        f"{line} {below}" if _HEADING.search(line) else line
        for line, below in zip(informative, [*informative[1:], ""], strict=True)
    ]
    first = informative[0]
    if _MAY_NAME_ERROR.search(first) and not first.startswith(_TEST_FAILED):
        yield first
    naming = [line for line in informative if _names_error(line)]
    yield from sorted(naming, key=lambda line: line.startswith(_TEST_FAILED))
    yield from (line for line in informative[-_LAST_LINES:] if _MAY_NAME_ERROR.search(line))
    if len(informative) <= _FEW_LINES:
        yield from informative


def _names_error(line: str) -> bool:
    forms = (_NAMES_ERROR.match, _ENDS_WITH_ERROR.search, _IN_OTHER_LANGUAGES.match)
    return any(form(line) for form in forms)


def _raised(lines: list[str]) -> str | None:
    """The exception below the last traceback: the one that reached the caller."""
    start = None
    for number, line in enumerate(lines):
        if line.startswith(_TRACEBACK):
            start = number
    if start is None:
        return None
    return next(
        (line for line in lines[start + 1 :] if re.match(r"[A-Za-z_][\w.]{2,120}(?:: |\Z)", line)),
        None,
    )


def _lines(text: str) -> Iterator[str]:
    for raw in text.splitlines():
        line = " ".join(raw[: 4 * _LONGEST_LINE].split())[:_LONGEST_LINE]
        line = _LEADER.sub("...", line)
        line = re.sub(r"\AE {1,8}(?=\S)", "E   ", line)
        if line.startswith("> ") and not _NAMES_ERROR.match(line[2:]):
            continue  # the script that a package manager runs, the line that a test points at
        line = line.lstrip(_ORNAMENT) if not line.startswith("** (") else line
        if line and not _is_noise(line):
            yield line


def _is_noise(line: str) -> bool:
    """Whether a line is about the call; of a report on a command, what stands behind its word."""
    label = _OF_A_REPORT.match(line)
    rest = line[label.end() :] if label else line
    if label and _NOTHING.match(rest):
        return True
    if label and _NOISE_WITH_CONTENT.match(line):
        return bool(_PROGRESS.match(rest))
    return bool(_NOISE.match(line)) and not _NOISE_WITH_CONTENT.match(line)


def _unwrapped(text: str) -> str:
    text = without_frames(_ANSI.sub("", text))
    text = _LOGGED.sub(_told, text)
    text = _REMINDER.sub("\n", text)
    text = _TAG.sub("\n", text)
    text = _CALLED_WITH.sub("", text, count=1)
    text = _without_printed_body(text)
    text = _without_json(text.strip(), _DEEPEST_JSON)
    return _SPELT_LINE_END.sub("\n", text)


def _told(line: re.Match[str]) -> str:
    """A line that a program logged as JSON, in words: ``error: cannot open the ledger``. What
    tells of no error is left out."""
    try:
        value = json.loads(line["json"])
    except (ValueError, RecursionError):
        return line[0]
    level = str(value.get("level", value.get("severity", value.get("lvl"))))
    message = next((m for key in ("msg", "message") if isinstance(m := value.get(key), str)), None)
    if message is None:
        # Behind an arrow stands what something came to, whatever it is.
        return f"{line['before']}{_message(value) or line['json']}"
    if line["before"].strip():
        return f"{line['before']}{message}"
    if level.lower() in _NO_ERRORS:
        return ""
    cause = next((c for key in ("error", "err") if (c := value.get(key))), None)
    cause = _message(cause) if isinstance(cause, dict) else cause
    ended = f": {cause}" if isinstance(cause, str) and cause not in message else ""
    return f"{'warning' if level.lower() in _WARNS else 'error'}: {message}{ended}"


def _without_json(text: str, depth: int) -> str:
    """``529 {"error": {"message": "Overloaded"}}`` → ``529 Overloaded``; also JSON in JSON."""
    start = text.find("{")
    is_behind_output = text.count("\n", 0, start) > _MOST_LINES_BEFORE_JSON
    if depth == 0 or start < 0 or is_behind_output or text[start + 1 :].lstrip()[:1] != '"':
        return text
    try:
        value, end = json.JSONDecoder().raw_decode(text, start)
    except (ValueError, RecursionError):
        return text
    message = _message(value)
    if message is None:
        return text
    if text[start - 1 : start] == "[" and text[end : end + 1] == "]":
        start, end = start - 1, end + 1
    plain = _without_json(message.strip(), depth - 1)
    return f"{text[:start]}{plain}{text[end:]}".strip()


def _without_printed_body(text: str) -> str:
    """``Error code: 400 - {'error': {'message': 'no such model'}}``, as Python prints the body of a
    response, → ``Error code: 400 - no such model``."""
    start = text.find("{'")
    key = text.find(_MESSAGE_KEY, start, start + _LONGEST_BEFORE_MESSAGE) if start >= 0 else -1
    begin = key + len(_MESSAGE_KEY)
    quote = text[begin : begin + 1]
    if key < 0 or quote not in {"'", '"'}:
        return text
    ends_of_value = [text.find(f"{quote}{after}", begin + 1) for after in (",", "}")]
    end = min((place for place in ends_of_value if place >= 0), default=-1)
    if end < 0:
        return text
    return f"{text[:start]}{text[begin + 1 : end]}{''.join(text[end:].partition(chr(10))[1:])}"


def _message(value: dict[str, Any]) -> str | None:
    """What an error object says: its status and kind in front of its message."""
    for name in ("error", "functionResponse", "response"):
        inner = value.get(name)
        if isinstance(inner, dict):
            return _message(inner)
    content = value.get("content")
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        return "\n".join(text for text in texts if isinstance(text, str)) or None
    keys = (
        "message",
        "error",
        "body",
        "detail",
        "output",
        "stderr",
        "msg",
        "error_description",
        "reason",
        "text",
    )
    message = next((m for key in keys if isinstance(m := value.get(key), str) and m), None)
    if message is None:
        return None
    codes = [
        str(value[k]) for k in ("code", "status", "type") if isinstance(value.get(k), str | int)
    ]
    kinds = [
        code
        for code in codes
        if code not in {"error", "text"} and len(code) <= _LONGEST_KIND and code not in message
    ]
    return f"{' '.join(kinds)}: {message}" if kinds else message
