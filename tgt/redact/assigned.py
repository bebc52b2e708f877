"""What is assigned to a name that promises a secret: in JSON (also JSON in a string), YAML, XML, a
shell, a query string, an option or source code.

The name alone proves nothing: a type (``password: string``), an expression (``token = get()``), a
path, a sentence or a placeholder stands there as often. A password is whatever else is called
one; a token has at least the look of a random text. Names and forms are data (``assigned.toml``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache

from tgt.redact import checks
from tgt.redact.rules import table

STEMS = (
    *("pass", "pwd", "psk", "secret", "token", "key", "cred", "_auth", "seed"),
    *("pw", "wort", "contrase", "senha", "wachtwoord", "пароль"),
)
_SHORTEST_SETTING = 6
_LONGEST_COUNT = 2
_FAR = 80
_MAY_FOLLOW = frozenset("=:\"'`\\ \t?](,;/<>\n_|")
_ALONE = frozenset({"loose", "below"})
"""Forms without a sign of assignment: only what looks random is a secret there."""
_ADDS = ("quote", "sign", "prose", "call")

# Where the next assignment of a query string or of a connection string begins, and what ends one.
_NEXT = re.compile(r"[&;,|][\w .-]{1,40}=|[;,)\]}]+\Z|;.{0,512}\Z")
# What is assigned behind these without quotes is an expression.
_IN_CODE = re.compile(
    r"(?:\b(?:self|this|cls)\.|(?<![\w-])(?:let|const|var|val|final|auto|my(?= [$@%])) )"
    r"[\w.$]{0,40}\Z"
)
_CALL = re.compile(r"[A-Za-z_$][\w.$?]*(?:[(\[{<].*[)\]}>][,;]?|[(\[{])\Z")
_UNPACKED = re.compile(r"(?:\A|\n)[ \t]*(?:[\w.]{1,40}, ?){1,6}\w{0,30}\Z")


@dataclass(frozen=True, slots=True)
class _Assignment:
    """``form`` is the group of ``assigned.toml`` that the value is in; ``before`` the name."""

    name: str
    before: str
    form: str
    value: str
    is_password: bool
    match: re.Match[str]

    def has(self, group: str) -> str:
        """What the form says besides: the sign, whether a sentence or a call goes on."""
        return self.match.groupdict().get(group) or ""


def masked(text: str) -> str:
    """The text with a mask for every value that is a secret by its name and its look."""
    lowered = text.lower()
    if len(lowered) != len(text):  # some letters have two in lower case
        lowered = "".join(c.lower() if c.isascii() else c for c in text)
    if not any(stem in lowered for stem in STEMS):
        return text
    pieces, done = [], 0
    for name in _names().finditer(lowered):
        if name.start() < done or _promises_nothing(lowered, name):
            continue
        span = _secret(text, name)
        if span is not None:
            kind = "password" if name["password"] else "secret"
            pieces += [text[done : span[0]], f"[redacted:{kind}]"]
            done = span[1]
    return "".join((*pieces, text[done:]))


@cache
def _names() -> re.Pattern[str]:
    """Of lower-case text: a search without regard to case is slower."""
    data = table("assigned.toml")["assigned"]
    passwords, secrets, suffixes = ("|".join(data[k]) for k in ("passwords", "secrets", "suffixes"))
    return re.compile(f"(?:(?P<password>{passwords})|{secrets})(?:[_-]?(?:{suffixes}))?")


@cache
def _forms() -> tuple[tuple[re.Pattern[str], re.Pattern[str]], ...]:
    data = table("assigned.toml")
    value = data["assigned"]["value"]
    return tuple(
        (re.compile(form["before"]), re.compile(form["after"].replace("VALUE", value)))
        for form in data["forms"]
    )


@cache
def _standing_before(what: str) -> re.Pattern[str]:
    """``no_secrets`` or ``no_tokens`` of the table, of lower-case text."""
    entries = table("assigned.toml")["assigned"][what]
    return re.compile("|".join(f"(?:{entry})" for entry in entries))


def _promises_nothing(lowered: str, name: re.Match[str]) -> bool:
    start, end = max(0, name.start() - _FAR), name.start()
    if _standing_before("no_secrets").search(lowered, start, end):
        return True
    is_token = name[0].startswith("token")
    return is_token and _standing_before("no_tokens").search(lowered, start, end) is not None


def _secret(text: str, name: re.Match[str]) -> tuple[int, int] | None:
    """Where the secret is that follows a name, if one does."""
    start, end = name.span()
    if text[end : end + 1] not in _MAY_FOLLOW:
        return None
    before = text[max(0, start - _FAR) : start]
    if name[0] == "pass" and before[-1:].isalpha() and not text[start - 1 : end].isupper():
        return None  # ``bypass``
    for must_be_before, after in _forms():
        match = after.match(text, end)
        if match is None or must_be_before.search(before) is None:
            continue
        form = next(g for g, v in match.groupdict().items() if v is not None and g not in _ADDS)
        value = match[form]
        if form in {"setting", "line"}:
            value = _NEXT.split(value, maxsplit=1)[0]
        is_password = name["password"] is not None
        if _is_secret(_Assignment(text[start:end], before, form, value, is_password, match)):
            return match.start(form), match.start(form) + len(value)
    return None


def _is_secret(assignment: _Assignment) -> bool:
    value, form = assignment.value, assignment.form
    is_bare = form in {"bare", "line"}
    is_none = not value or checks.is_no_value(value) or (is_bare and _is_code_or_prose(assignment))
    if is_none or (form != "setting" and checks.is_sentence(value)):
        return False
    if form in _BY_FORM:
        return _BY_FORM[form](assignment)
    if assignment.is_password and form not in _ALONE:
        return not _is_count(value) and not _is_directory(assignment)
    return not assignment.is_password and form != "line" and _is_secret_token(assignment)


def _is_secret_setting(assignment: _Assignment) -> bool:
    if not assignment.name.isupper() or _is_count(assignment.value):
        return False
    is_long = len(assignment.value) >= _SHORTEST_SETTING and not checks.is_measure(assignment.value)
    return assignment.is_password or is_long


def _is_secret_pair(assignment: _Assignment) -> bool:
    return " " not in assignment.value and any(c.isdigit() for c in assignment.value)


def _is_secret_phrase(assignment: _Assignment) -> bool:
    is_prose = any(map(checks.is_word, assignment.value.split()))
    return "phrase" in assignment.name.lower() and not is_prose


def _is_told(assignment: _Assignment) -> bool:
    return assignment.name.isupper() and checks.is_told(assignment.value)


_BY_FORM: Mapping[str, Callable[[_Assignment], bool]] = {
    "setting": _is_secret_setting,
    "pair": _is_secret_pair,
    "phrase": _is_secret_phrase,
    "told": _is_told,
}


def _is_secret_token(assignment: _Assignment) -> bool:
    value, form = assignment.value, assignment.form
    names_a_thing = assignment.name.lower().startswith(("secret", "cred")) or form in _ALONE
    if checks.is_measure(value) or (names_a_thing and checks.is_reference(value)):
        return False
    return checks.looks_random(value)


def _is_count(value: str) -> bool:
    return value.isdigit() and len(value) <= _LONGEST_COUNT


def _is_directory(assignment: _Assignment) -> bool:
    """``pwd`` is a password or the working directory."""
    return assignment.name.lower() == "pwd" and assignment.value.startswith(("/", "~", ".", "\\"))


def _is_code_or_prose(assignment: _Assignment) -> bool:
    """Of a value without quotes: an expression, a comparison or the beginning of a sentence."""
    value, sign = assignment.value, assignment.has("sign")
    goes_on_as_sentence = assignment.has("prose") and ":" in sign and value.isalpha()
    calls = assignment.has("call") and value.replace(".", "_").isidentifier()
    return bool(
        goes_on_as_sentence
        or calls
        or sign in {"==", "==="}
        or checks.is_expression(value)
        or _CALL.match(assignment.match[assignment.form])
        or (value.endswith("?") and value[:-1].isalpha())
        or (value.isidentifier() and _IN_CODE.search(assignment.before))
        or (" = " in assignment.match[0] and _UNPACKED.search(assignment.before))
    )
