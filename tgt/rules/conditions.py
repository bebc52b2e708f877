"""The expressions of rules: SQL over canonical columns, read by a grammar that is a white list.

What is accepted is small and written here: columns, constants, comparisons, logic, arithmetic and a
few functions that DuckDB and ClickHouse have under one name and with one meaning. So a parser of
its own reads it, and not a library for all of SQL: sqlglot costs each run 0.2 s of CPU to load, as
much as half the run, and knows everything that has to be kept out, with each release a little more;
DuckDB's ``json_serialize_sql`` has another form in each version and needs the engine before there
is any work. Here nothing can pass that this module cannot write.

No text of a rule reaches an engine. Every expression is written anew, from the words of this module
and checked constants, with all of its parentheses. It has a kind, and numbers are computed in
floating point, so that no event can make it fail: the questions of all analyzers are one statement.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, NoReturn

from tgt.events import CANONICAL, RECORD
from tgt.rules.words import meant

LONGEST, LONGEST_TEXT, MOST_WORDS, DEEPEST = 2000, 300, 400, 25
"""Characters of an expression and of a text in it, its words and signs, and how deep it nests."""


class Kind(StrEnum):
    """What an expression is, as people say it."""

    TRUTH = "true or false"
    NUMBER = "a number"
    TEXT = "a text"


_STORED = {"VARCHAR": Kind.TEXT, "BOOLEAN": Kind.TRUTH}
_COMPUTED = {
    **dict.fromkeys(("truncated", "ended", "is_untold"), Kind.TRUTH),
    **dict.fromkeys(("conv_id", "trace_id", "call_id"), Kind.NUMBER),
}
COLUMNS: Mapping[str, Kind] = {
    name: _COMPUTED[name] if name in _COMPUTED else _STORED.get(RECORD[name], Kind.NUMBER)
    for name in CANONICAL
}
"""What each canonical column is."""
FUNCTIONS = ("lower", "upper", "abs", "floor", "ceil", "coalesce", "nullif")

_STATEMENTS = frozenset(
    (
        *("select", "with", "insert", "update", "delete", "drop", "create", "alter", "attach"),
        *("copy", "pragma", "install", "load", "call", "set", "union", "exists", "from", "values"),
        *("truncate", "export", "import"),
    )
)
_CASTS = frozenset({"cast", "try_cast"})
_RESERVED = frozenset(
    (
        *("and", "or", "not", "is", "null", "true", "false", "in", "between", "like", "ilike"),
        *("case", "when", "then", "else", "end", "distinct"),
    )
)
_TOKEN = re.compile(
    r"\s+|(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d{1,3})?(?![\w.]))|(?P<text>'(?:[^']|'')*')"
    r"|(?P<word>[A-Za-z_]\w*)|(?P<comment>--|/\*)|(?P<sign><=|>=|<>|!=|\|\||[=<>+*/(),-])",
    re.ASCII,
)
_REFUSED = {
    '"': "texts stand in 'single' quotes, and names of columns in none",
    "'": "a text does not end",
    ";": "one expression is accepted, and no statements",
    ":": "casts and parameters are not accepted",
    "$": "parameters are not accepted",
    "?": "parameters are not accepted",
    ".": "columns stand alone, as in name",
    "\\": "a backslash is not accepted, since engines differ in what it means",
}
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


class ConditionError(Exception):
    """An expression that is not accepted: the reason, and where in it."""

    def __init__(self, reason: str, at: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.at = at


@dataclass(frozen=True)
class Expression:
    """An accepted expression: its kind, and SQL made anew. ``is_float``: its numbers are."""

    kind: Kind
    sql: str
    is_float: bool = False

    @property
    def as_float(self) -> str:
        """SQL for a number with which can be computed."""
        return self.sql if self.is_float else f"({self.sql} * 1e0)"


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


def parse(text: str, kind: Kind) -> Expression:
    """The expression of a rule, which has to be of a kind. Raises ConditionError."""
    if len(text) > LONGEST:
        raise ConditionError(f"longer than {LONGEST:,} characters")
    parser = _Parser([*_tokens(text)])
    expression = parser.whole()
    if expression.kind is not kind:
        raise ConditionError(f"this is {expression.kind}, and has to be {kind}")
    return expression


def _tokens(text: str) -> Iterator[_Token]:
    at = many = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ConditionError(_strange(text, at), at)
        if match.lastgroup == "comment":
            raise ConditionError("comments are not accepted", at)
        if match.lastgroup:
            many += 1
            word = match[0].lower() if match.lastgroup == "word" else match[0]
            yield _Token(match.lastgroup, word, at)
        if many > MOST_WORDS:
            raise ConditionError(f"more than {MOST_WORDS} words and signs", at)
        at = match.end()
    yield _Token("end", "the end", len(text))


def _strange(text: str, at: int) -> str:
    sign = text[at]
    if sign.isdigit() and sign.isascii():
        return "a number is written as in 20, 0.5 or 1e6"
    return _REFUSED.get(sign) or f"the character {sign!a} is not accepted outside of a text"


class _Parser:
    """Recursive descent: one method for each level, from OR down to constants and columns."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._place = self._depth = 0

    def whole(self) -> Expression:
        if self._next.kind == "end":
            raise ConditionError("it is empty")
        expression = self._any_of()
        if self._next.kind != "end":
            self._refuse_next()
        return expression

    # --- the tokens ------------------------------------------------------------------------------

    @property
    def _next(self) -> _Token:
        return self._tokens[self._place]

    def _take(self) -> _Token:
        token = self._next
        self._place += token.kind != "end"
        return token

    def _took(self, *texts: str) -> str:
        """The next word or sign, taken if it is one of these; else empty."""
        token = self._next
        return self._take().text if token.kind in {"word", "sign"} and token.text in texts else ""

    def _expect(self, text: str) -> None:
        if not self._took(text):
            self._refuse(f"{text.upper()} is missing before {self._next.text}")

    def _refuse(self, reason: str, token: _Token | None = None) -> NoReturn:
        raise ConditionError(reason, (token or self._next).at)

    def _refuse_next(self) -> NoReturn:
        token = self._next
        if token.text in _STATEMENTS:
            self._refuse("statements and subqueries are not accepted")
        self._refuse(f"{token.text} is not expected here")

    def _nested(self, parse: Callable[[], Expression]) -> Expression:
        self._depth += 1
        if self._depth > DEEPEST:
            self._refuse(f"nested more than {DEEPEST} deep")
        expression = parse()
        self._depth -= 1
        return expression

    def _of(self, kind: Kind, expression: Expression, token: _Token) -> Expression:
        if expression.kind is not kind:
            self._refuse(f"{token.text.upper()} needs {kind}, and this is {expression.kind}", token)
        return expression

    def _alike(self, one: Expression, other: Expression, token: _Token) -> None:
        if one.kind is not other.kind:
            self._refuse(f"{one.kind} and {other.kind} cannot be compared", token)

    # --- logic -----------------------------------------------------------------------------------

    def _any_of(self) -> Expression:
        return self._joined("or", self._all_of)

    def _all_of(self) -> Expression:
        return self._joined("and", self._negated)

    def _joined(self, word: str, parse: Callable[[], Expression]) -> Expression:
        first, token = parse(), self._next
        parts = [first]
        while self._took(word):
            parts.append(self._of(Kind.TRUTH, parse(), token))
        if len(parts) == 1:
            return first
        self._of(Kind.TRUTH, first, token)
        return Expression(Kind.TRUTH, f"({f' {word.upper()} '.join(p.sql for p in parts)})")

    def _negated(self) -> Expression:
        token = self._next
        if not self._took("not"):
            return self._compared()
        inner = self._of(Kind.TRUTH, self._nested(self._negated), token)
        return Expression(Kind.TRUTH, f"(NOT {inner.sql})")

    # --- comparisons -----------------------------------------------------------------------------

    def _compared(self) -> Expression:
        left, token = self._concatenated(), self._next
        if sign := self._took("=", "<>", "!=", "<=", ">=", "<", ">"):
            right = self._concatenated()
            self._alike(left, right, token)
            return _truth(f"{left.sql} {'<>' if sign == '!=' else sign} {right.sql}")
        if self._took("is"):
            return self._is(left, token)
        negated = "NOT " if self._took("not") else ""
        token = self._next
        if self._took("in"):
            return _truth(f"{left.sql} {negated}IN ({', '.join(self._constants(left))})")
        if self._took("between"):
            low = self._concatenated()
            self._expect("and")
            high = self._concatenated()
            self._alike(left, low, token)
            self._alike(left, high, token)
            return _truth(f"{left.sql} {negated}BETWEEN {low.sql} AND {high.sql}")
        if word := self._took("like", "ilike"):
            self._of(Kind.TEXT, left, token)
            if self._next.kind != "text":
                self._refuse(f"{word.upper()} needs a pattern, a text such as '%grep%'")
            return _truth(f"{left.sql} {negated}{word.upper()} {self._text()}")
        if negated:
            self._refuse("IN, BETWEEN or LIKE is missing after NOT")
        return left

    def _is(self, left: Expression, token: _Token) -> Expression:
        is_not = bool(self._took("not"))
        negated = "NOT " if is_not else ""
        if self._took("null"):
            return _truth(f"{left.sql} IS {negated}NULL")
        if self._took("distinct"):
            self._expect("from")
            right = self._concatenated()
            self._alike(left, right, token)
            return _truth(f"{left.sql} IS {negated}DISTINCT FROM {right.sql}")
        word = self._took("true", "false")
        if not word:
            self._refuse("after IS [NOT] NULL, TRUE, FALSE or DISTINCT FROM is accepted")
        self._of(Kind.TRUTH, left, token)
        # Not every engine has IS TRUE.
        unknown = is_not if word == "false" else not is_not
        sql = f"coalesce({left.sql}, {'false' if word == 'true' else 'true'})"
        return Expression(Kind.TRUTH, sql if unknown else f"(NOT {sql})")

    def _constants(self, left: Expression) -> list[str]:
        """The constants of an IN."""
        self._expect("(")
        constants: list[str] = []
        while True:
            token = self._next
            if token.text in _STATEMENTS:
                self._refuse_next()
            constant = self._signed_constant()
            self._alike(left, constant, token)
            constants.append(constant.sql)
            if not self._took(","):
                self._expect(")")
                return constants

    def _signed_constant(self) -> Expression:
        sign = "-" if self._took("-") else ""
        if self._next.kind == "number":
            return _number(f"{sign}{self._number()}")
        if self._next.kind == "text" and not sign:
            return Expression(Kind.TEXT, self._text())
        return self._refuse("IN takes constants, as in ('a', 'b')")

    # --- values ----------------------------------------------------------------------------------

    def _concatenated(self) -> Expression:
        left = self._sum()
        while True:
            token = self._next
            if not self._took("||"):
                return left
            right = self._of(Kind.TEXT, self._sum(), token)
            left = Expression(Kind.TEXT, f"({self._of(Kind.TEXT, left, token).sql} || {right.sql})")

    def _sum(self) -> Expression:
        return self._computed(("+", "-"), self._product)

    def _product(self) -> Expression:
        return self._computed(("*", "/"), self._signed)

    def _computed(self, signs: tuple[str, ...], parse: Callable[[], Expression]) -> Expression:
        left = parse()
        while True:
            token = self._next
            sign = self._took(*signs)
            if not sign:
                return left
            right = self._of(Kind.NUMBER, parse(), token)
            self._of(Kind.NUMBER, left, token)
            left = _number(f"({left.as_float} {sign} {right.as_float})")

    def _signed(self) -> Expression:
        token = self._next
        if not self._took("-"):
            return self._value()
        inner = self._of(Kind.NUMBER, self._nested(self._signed), token)
        return _number(f"(- {inner.as_float})")

    def _value(self) -> Expression:
        token = self._next
        if token.kind == "number":
            return _number(self._number())
        if token.kind == "text":
            return Expression(Kind.TEXT, self._text())
        if self._took("("):
            inner = self._nested(self._any_of)
            self._expect(")")
            return inner
        if token.kind != "word":
            return self._refuse_next()
        return self._word(self._take())

    def _word(self, token: _Token) -> Expression:
        if token.text in {"true", "false"}:
            return Expression(Kind.TRUTH, token.text)
        if token.text == "case":
            return self._nested(self._case)
        if self._next.text == "(" and token.text not in _RESERVED:
            return self._nested(lambda: self._call(token))
        return self._column(token)

    def _number(self) -> str:
        token = self._take()
        if not math.isfinite(float(token.text)):
            self._refuse(f"{token.text} is too large", token)
        # With an exponent a number is of floating point in every engine.
        return token.text if "e" in token.text.lower() else f"{token.text}e0"

    def _text(self) -> str:
        token = self._take()
        inner = token.text[1:-1].replace("''", "'")
        if len(inner) > LONGEST_TEXT:
            self._refuse(f"a text of more than {LONGEST_TEXT} characters", token)
        if "\\" in inner:
            self._refuse(_REFUSED["\\"], token)
        if _CONTROL.search(inner):
            self._refuse("a text with a control character is not accepted", token)
        return "'" + inner.replace("'", "''") + "'"

    def _column(self, token: _Token) -> Expression:
        name = token.text
        if name in COLUMNS:
            return Expression(COLUMNS[name], name)
        if name in _STATEMENTS:
            self._refuse("statements and subqueries are not accepted", token)
        if name in _CASTS:
            self._refuse("casts are not accepted", token)
        if name in _RESERVED:
            self._refuse(f"{name.upper()} is not expected here", token)
        return self._refuse(f"there is no column {name[:60]}; {meant(name, COLUMNS)}", token)

    def _case(self) -> Expression:
        parts: list[str] = []
        first: Expression | None = None
        token = self._next
        while self._took("when"):
            condition = self._of(Kind.TRUTH, self._any_of(), token)
            self._expect("then")
            token = self._next
            value = self._any_of()
            first = first or value
            self._alike(first, value, token)
            parts.append(f"WHEN {condition.sql} THEN {_plain(value)}")
            token = self._next
        if first is None:
            return self._refuse(
                "CASE needs WHEN, as in CASE WHEN failed THEN 'bad' ELSE 'good' END"
            )
        if self._took("else"):
            value = self._any_of()
            self._alike(first, value, token)
            parts.append(f"ELSE {_plain(value)}")
        self._expect("end")
        return Expression(first.kind, f"(CASE {' '.join(parts)} END)", is_float=True)

    def _call(self, name: _Token) -> Expression:
        if name.text in _CASTS or name.text in _STATEMENTS:
            self._column(name)
        if name.text not in FUNCTIONS:
            accepted = ", ".join(FUNCTIONS)
            self._refuse(f"the function {name.text[:60]} is not accepted; {accepted} are", name)
        self._expect("(")
        arguments = [self._any_of()]
        while self._took(","):
            arguments.append(self._any_of())
        self._expect(")")
        return self._called(name, arguments)

    def _called(self, name: _Token, arguments: list[Expression]) -> Expression:
        first, many = arguments[0], len(arguments)
        if name.text in {"coalesce", "nullif"}:
            if many < 2 or (name.text == "nullif" and many > 2):  # noqa: PLR2004 what they are about
                self._refuse(f"{name.text} takes two values", name)
            for each in arguments:
                self._alike(first, each, name)
            values = ", ".join(map(_plain, arguments))
            return Expression(first.kind, f"{name.text}({values})", is_float=True)
        if many > 1:
            self._refuse(f"{name.text} takes one value", name)
        if name.text in {"lower", "upper"}:
            return Expression(Kind.TEXT, f"{name.text}({self._of(Kind.TEXT, first, name).sql})")
        return _number(f"{name.text}({self._of(Kind.NUMBER, first, name).as_float})")


def _truth(sql: str) -> Expression:
    return Expression(Kind.TRUTH, f"({sql})")


def _number(sql: str) -> Expression:
    return Expression(Kind.NUMBER, sql, is_float=True)


def _plain(value: Expression) -> str:
    """SQL for one of several values, which engines want to be of one type."""
    return value.as_float if value.kind is Kind.NUMBER else value.sql
