"""What looks like a secret by its place and is none: placeholders, types, expressions, paths.

The words are data (``assigned.toml``). Everything here takes a value, or a match of a rule, and
says yes or no.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Callable, Mapping
from functools import cache
from itertools import pairwise

from tgt.redact.rules import entropy, table

_SHORTEST_RANDOM = 8
_LONG = 20
_MIXED = 3.5
_CHANGES_OF_CASE = 0.35  # words written together have fewer

_IDENTIFIER = re.compile(r"[A-Za-z_$]\w*(?:\??\.[A-Za-z_$]\w*)*[!?]?")
_TEMPLATE = re.compile(r"\$?\{\{?[A-Za-z_][\w.()\[\]'\" ]{0,60}\}|\$\([A-Za-z]")
_PATH = re.compile(
    r"(?:~|\.{1,2}|\$\w{1,40}|[A-Za-z]:)?[/\\](?:[\w.@ +-]{0,80}+[/\\]){0,12}[\w.@ +-]{0,80}+"
)
_ROOT = re.compile(
    r"~|\.{1,2}/|file:|[A-Za-z]:\\|[/\\](?:etc|home|root|usr|var|srv|opt|tmp|run|mnt|app|Users"
    r"|secrets?|keys?|certs?|data|workspace|repo|private|Volumes|dev|proc|config|conf|ssl|vault"
    r"|api|v\d|auth|login|path|to|build|src|lib|bin)\b"
)
_FILE = re.compile(r"[\w@+~./\\ -]{1,200}\.\w{1,5}")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}://|arn:")
_MEASURE = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ][\d:.,Z+-]{0,24})?|[-+]?\d+(?:\.\d+)*[a-zA-Z%]{0,12}"
    r"|v?\d+(?:\.\d+)+\S{0,12}"
)
_MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}")
_REFERENCE = re.compile(r"(?:[a-z]{2,24}|v?\d{1,4})(?:[-_./:](?:[a-z]{1,24}|v?\d{1,4})){1,10}")
_IDS = re.compile(r"[\d.:/-]{1,60}(?:tcp|udp)?")
_SCHEME = re.compile(r"[a-z][a-z0-9+.:-]{1,30}\Z")
_DATABASES = re.compile(
    r"postgres|mysql|maria|mongo|redis|amqp|mssql|sqlserver|clickhouse|cockroach|neo4j|ldap|ftp"
    r"|smtp|imap|nats|kafka|memcached|influx|couch|oracle|db2"
)

_NAMES = frozenset({"password", "passwd", "pass", "pwd", "pw"})
"""In addresses of manuals: ``postgres://user:password@host``."""


def is_no_value(value: str) -> bool:
    """Whatever name it is assigned to: nothing, a word, a place or the name again."""
    return (
        tells_nothing(value)
        or is_word(value)
        or is_place(value)
        or repeats_its_name(value)
        or _TEMPLATE.search(value) is not None
        or not any(c.isalnum() for c in value)
    )


def tells_nothing(value: str) -> bool:
    """It stands in the place of a secret: ``<token>``, ``${TOKEN}``, ``***``, ``your-token``."""
    return _pattern("placeholders").match(value) is not None


def is_word(value: str) -> bool:
    """A type, or a word with which a sentence goes on: ``string``, ``required|min:8``."""
    bare = re.split(r"[|(]", value.strip("*&!?.,;:"), maxsplit=1)[0]
    return _pattern("types", "prose").fullmatch(bare) is not None


def is_sentence(value: str) -> bool:
    """A message about a secret, in quotes: ``must have 8 characters``."""
    return " " in value.strip() and _pattern("sentences").search(value) is not None


def repeats_its_name(value: str) -> bool:
    """``password=password``, ``token: access_token``, ``key=API_KEY``."""
    return value.lower() != "secret" and _pattern("repeats").match(value) is not None


def is_expression(value: str) -> bool:
    """Code that gives a secret and has none in it: ``process.env.TOKEN``, ``self.token``."""
    root, dot, rest = value.partition(".")
    if not dot or not _IDENTIFIER.fullmatch(value):
        return False
    if "." in rest and value.islower() and not any(c.isdigit() for c in value):
        return True
    return root.rstrip("?").lower() in _code() or repeats_its_name(rest.rpartition(".")[2])


def is_place(value: str) -> bool:
    """A path, a file's name or an address: where a secret lies, not the secret."""
    if _ADDRESS.match(value):
        return True
    ending = value.rpartition(".")[2]
    if _FILE.fullmatch(value) and _pattern("files").fullmatch(ending):
        return True
    if not _PATH.fullmatch(value):
        return False
    return _ROOT.match(value) is not None or not any(c.isdigit() for c in value)


def is_measure(value: str) -> bool:
    """A number, a time or a version."""
    return _MEASURE.fullmatch(value) is not None


def is_reference(value: str) -> bool:
    """Words and small numbers with hyphens: the name of a thing, such as ``app-secrets-v2``."""
    return _REFERENCE.fullmatch(value) is not None


def looks_random(value: str) -> bool:
    """Letters with digits, or many letters that are no words; no blanks, no address of mail."""
    if len(value) < _SHORTEST_RANDOM or any(c.isspace() for c in value) or _MAIL.fullmatch(value):
        return False
    if any(c.isdigit() for c in value):
        return any(c.isalpha() for c in value)
    if len(value) < _LONG or not value.isalpha() or entropy(value) < _MIXED:
        return False
    changes = sum(a.isupper() is not b.isupper() for a, b in pairwise(value)) / len(value)
    return changes == 0 or changes > _CHANGES_OF_CASE


def is_told(value: str) -> bool:
    """What a sentence says that a secret is: no word about how it is kept, no place, no number."""
    if is_no_value(value) or is_reference(value) or is_measure(value):
        return False
    return _pattern("technical").fullmatch(value) is None and any(c.isdigit() for c in value)


def is_no_secret(check: str, match: re.Match[str]) -> bool:
    """Whether what a rule matched is none after all: a placeholder, or what its check knows."""
    if match.lastgroup is None:
        return False
    secret = match[match.lastgroup]
    return tells_nothing(secret) or (check in _CHECKS and _CHECKS[check](match, secret))


def _is_no_pair(_: re.Match[str], secret: str) -> bool:
    """Not the base64 of ``user:password``."""
    try:
        text = b64decode(secret + "=" * (-len(secret) % 4), validate=True).decode()
    except ValueError:
        return True
    return ":" not in text or not text.isprintable()


def _is_prose(_: re.Match[str], secret: str) -> bool:
    """``Authorization: basic knowledge``."""
    return secret.isalpha() and secret.islower() and len(secret) < _LONG


def _is_said_of_it(_: re.Match[str], secret: str) -> bool:
    """``the password is base64-encoded``, ``the token is app-token-v2``."""
    is_kept = _pattern("technical").fullmatch(secret) is not None
    return is_kept or is_no_value(secret) or is_reference(secret)


def _is_no_password_of_a_database(match: re.Match[str], secret: str) -> bool:
    """A slash is part of a password in addresses of databases only: elsewhere a path began."""
    if secret.lower() in _NAMES:
        return True
    if not any(c in "/?#" for c in secret):
        return False
    start = match.start()
    scheme = _SCHEME.search(match.string, max(0, start - 32), start)
    return scheme is None or _DATABASES.search(scheme[0]) is None


def _is_no_password_of_a_user(match: re.Match[str], secret: str) -> bool:
    """``-u 1000:1000``, ``-u root:root``, ``-p3306:3306``: ids, groups and ports."""
    before = match[0][: len(match[0]) - len(secret)]
    user = re.split(r"[\s\"'=]", before.rstrip(":%,"))[-1]
    is_number = _IDS.fullmatch(secret) is not None
    return user == secret or (is_number and (":" in secret or _IDS.fullmatch(user) is not None))


def _is_no_key_of_a_provider(match: re.Match[str], _: str) -> bool:
    """The name says that it is an id, an address or a count, or does not speak of a key."""
    name = match[0][: match.start("secret") - match.start()]
    is_other = _provider("says_other").search(name.rstrip("\"'`\\ =:>,")) is not None
    return is_other or _provider("says_key").search(name) is None


_CHECKS: Mapping[str, Callable[[re.Match[str], str], bool]] = {
    "basic": _is_no_pair,
    "word": _is_prose,
    "told": _is_said_of_it,
    "database": _is_no_password_of_a_database,
    "not-ids": _is_no_password_of_a_user,
    "provider": _is_no_key_of_a_provider,
}


@cache
def _pattern(*keys: str) -> re.Pattern[str]:
    data = table("assigned.toml")["assigned"]
    return re.compile(f"(?i:{'|'.join(entry for key in keys for entry in data[key])})")


@cache
def _provider(key: str) -> re.Pattern[str]:
    return re.compile(f"(?i:{'|'.join(table('assigned.toml')['providers'][key])})")


@cache
def _code() -> frozenset[str]:
    return frozenset(table("assigned.toml")["assigned"]["code"])
