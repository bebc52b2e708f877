"""What looks like a credential is masked before it reaches a card, a log or a terminal.

Telemetry quotes what agents typed, fetched and were told, and a card is read by more people than
the log it came from. A mask names the kind of secret, so that a reader still sees what was there:
``[redacted:aws-key]``. This is a net and no proof: a secret without a known form passes. What is
merely random (hashes, UUIDs, ULIDs, the base64 of an image) is evidence, and stays.

The work is bounded by the length of the text, whatever it says: almost no repetition gives back
what it took, and none is without an end.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

STANDARD = "standard"
STRICT = "strict"
MODES = (STANDARD, STRICT)
"""``strict`` masks e-mail addresses too."""

_START = r"(?<![A-Za-z0-9_])"
_DIGIT_SOON = r"(?=[A-Za-z_.~+/=-]{0,63}+[0-9])"
_REST = r"[A-Za-z0-9_-]"

# Tokens that tell by their form what they are. The parts in front, where there are any, stay.
_FORMS: Mapping[str, str] = {
    "private-key": (
        r"-----BEGIN (?:RSA |EC |DSA |OPENSSH |ENCRYPTED |PGP |SSH2 ENCRYPTED )?PRIVATE KEY"
        r"(?: BLOCK)?-----(?:[^-]|-(?!----END)){0,8192}+(?:-----END [A-Z0-9 ]{0,40}+-----)?"
    ),
    "age-key": rf"{_START}AGE-SECRET-KEY-1[A-Z0-9]{{20,80}}+",
    "aws-key": rf"{_START}(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{{16}}(?![A-Za-z0-9])",
    "anthropic-key": rf"{_START}sk-ant-{_REST}{{16,256}}+",
    "openrouter-key": rf"{_START}sk-or-{_REST}{{20,256}}+",
    "openai-key": rf"{_START}sk-(?=[A-Za-z_-]{{0,63}}+[0-9]){_REST}{{20,256}}+",
    "stripe-key": rf"{_START}(?:[rs]k_(?:live|test)_|whsec_)[A-Za-z0-9+/=]{{16,256}}+",
    "github-token": rf"{_START}(?:gh[pousr]_|github_pat_)[A-Za-z0-9_]{{30,255}}+",
    "gitlab-token": (
        rf"{_START}gl(?:pat|oas|rt|dt|cbt|ptt|ft|soat|imt|agent)-[A-Za-z0-9_.-]{{20,255}}+"
    ),
    "slack-token": rf"{_START}(?:xox[abeoprs]|xapp)-[A-Za-z0-9-]{{10,255}}+",
    "slack-webhook": r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9_/-]{16,255}+",
    "discord-webhook": rf"discord(?:app)?\.com/api/webhooks/[0-9]{{10,25}}+/{_REST}{{30,255}}+",
    "telegram-token": rf"(?<![0-9])[0-9]{{8,10}}+:AA{_REST}{{32,40}}+",
    "google-key": rf"{_START}(?:AIza{_REST}{{35}}|GOCSPX-{_REST}{{20,64}}+)",
    "google-token": rf"{_START}ya29\.[A-Za-z0-9_.-]{{20,1024}}+",
    "huggingface-token": rf"{_START}hf_[A-Za-z0-9]{{30,255}}+",
    "groq-key": rf"{_START}gsk_[A-Za-z0-9]{{40,255}}+",
    "xai-key": rf"{_START}xai-[A-Za-z0-9]{{40,255}}+",
    "perplexity-key": rf"{_START}pplx-[A-Za-z0-9]{{40,255}}+",
    "replicate-token": rf"{_START}r8_[A-Za-z0-9]{{30,64}}+",
    "sendgrid-key": rf"{_START}SG\.{_REST}{{16,64}}+\.{_REST}{{32,96}}+",
    "npm-token": rf"{_START}npm_[A-Za-z0-9]{{30,64}}+",
    "pypi-token": rf"{_START}pypi-{_REST}{{50,1024}}+",
    "digitalocean-token": rf"{_START}do[opr]_v1_[a-f0-9]{{32,128}}+",
    "shopify-token": rf"{_START}shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{{30,64}}+",
    "vault-token": rf"{_START}hv[sbr]\.{_REST}{{20,255}}+",
    "jwt": rf"{_START}eyJ{_REST}{{8,2048}}+\.eyJ{_REST}{{4,8192}}+(?:\.{_REST}{{0,2048}}+)?",
    "cookie": (
        r"(?i:(?P<head>\b(?:set-)?cookie[\"']?[ ]{0,8}+:[ ]{0,8}+[\"']?))"
        r"(?!\[redacted)[^\s\"'=;]{1,128}+=[^\r\n\"']{1,2048}+"
    ),
    "authorization": (
        r"(?i:(?P<head>\bauthorization\\{0,3}+[\"']?[ ]{0,8}+[:=][ ]{0,8}+\\{0,3}+[\"']?"
        r"(?:[a-z][a-z0-9-]{1,30}+ {1,4}+)?))(?!\[redacted)[A-Za-z0-9._~+/=:-]{8,2048}+"
    ),
    "bearer-token": (
        rf"(?i:(?P<head>\bbearer[ ]{{1,8}}+)){_DIGIT_SOON}[A-Za-z0-9._~+/=-]{{12,2048}}+"
    ),
    "basic-auth": (
        r"(?i:(?P<head>\bbasic[ ]{1,8}+))(?=[A-Za-z+/]{0,63}+[0-9=])[A-Za-z0-9+/]{8,1024}+={0,2}+"
        r"(?![A-Za-z0-9_.-])"
    ),
    "url-password": (
        r"(?P<head>://[^\s:@/?#\"'\[]{0,256}+:)(?!\[redacted)[^\s@/?#\"']{1,256}+(?=@)"
    ),
    "url-token": rf"(?P<head>://){_DIGIT_SOON}[A-Za-z0-9_.~%+-]{{20,256}}+(?=@)",
    "signature": (
        r"(?i:(?P<head>[?&](?:sig|signature|x-amz-signature|x-amz-security-token|x-goog-signature)"
        r"=))[A-Za-z0-9%+/=_-]{20,2048}+"
    ),
    "user-password": (
        r"(?P<head>(?<![\w-])(?:-u|--user)[ =][\"']?[^\s:\"'@/]{1,128}+:)"
        r"(?!\[redacted)[^\s\"'@/]{3,256}+"
    ),
}
_EMAIL = (
    rf"(?<![A-Za-z0-9._%+-])[A-Za-z0-9._%+-]{{1,64}}+@{_REST}{{1,63}}+"
    rf"(?:\.{_REST}{{1,63}}+){{1,8}}+"
)

# A name that promises a secret, and what is assigned to it in JSON (also JSON in a string), YAML,
# a shell, a query string or an option. Whether it is a secret, ``_is_secret`` says.
_ASSIGNMENT = (
    r"(?i:(?P<name>pass(?:word|wd|phrase)|pwd|(?:client|app|webhook)[_-]?+secret"
    r"|(?:secret|api|access|auth|private|signing|encryption|account|master)(?:[_-]?+access)?+"
    r"[_-]?+key|sharedaccesskey|secret|token|credentials?))"
    r"(?:\\{0,3}+[\"']?+[ \t]{0,8}+(?:=>?+|:)[ \t]{0,8}+"
    r"|(?:(?<=-\w{3})|(?<=-\w{5})|(?<=-\w{6})|(?<=-\w{8}))[ ])"
    r"(?:(?P<quote>[\"'])(?P<quoted>(?:\\.|(?!(?P=quote))[^\\\n]){1,512}+)"
    r"|\\{1,3}+[\"'](?P<escaped>[^\"'\\\n]{1,512}+)"
    r"|(?P<bare>[^\s\"'\\&,;<>(){}\[\]`]{1,512}+)(?:(?=(?P<prose>[ \t]{1,8}+[a-z])))?)"
)
_TELLS_NOTHING = re.compile(
    r"(?i:[\[<(]?redacted|\*{3}|x{4}|\.{3}|[<$%{]|(?:null|none|nil|true|false|undefined|empty)\b)"
)
_SHORTEST_SECRET = 8
_LONG = 20


@cache
def _compiled() -> tuple[Mapping[str, re.Pattern[str]], re.Pattern[str], re.Pattern[str]]:
    """The forms, the assignment and the e-mail address; most commands need none of them."""
    forms = {kind: re.compile(pattern) for kind, pattern in _FORMS.items()}
    return forms, re.compile(_ASSIGNMENT), re.compile(_EMAIL)


def redact(text: str, mode: str = STANDARD) -> str:
    """The text with a mask in the place of every part that looks like a credential."""
    forms, assignment, email = _compiled()
    for kind, pattern in forms.items():
        text = pattern.sub(partial(_masked, kind), text)
    text = assignment.sub(_assigned, text)
    if mode == STRICT:
        text = email.sub(partial(_masked, "email"), text)
    return text


def everywhere(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with ``change`` applied to all texts in it, also to the keys of objects."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {everywhere(k, change): everywhere(v, change) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(everywhere(item, change) for item in value)
    return value


def _masked(kind: str, match: re.Match[str]) -> str:
    head = match.groupdict().get("head") or ""
    return f"{head}[redacted:{kind}]"


def _assigned(match: re.Match[str]) -> str:
    group = next(g for g in ("quoted", "escaped", "bare") if match[g] is not None)
    name = match["name"].lower()
    start, end = (edge - match.start() for edge in match.span(group))
    between = match[0][len(name) : start]
    if match["prose"] and ": " in between and match[group].isalpha():
        return match[0]  # a sentence, such as "password: must be longer"
    is_password = name.startswith(("pass", "pwd"))
    if not _is_secret(match[group], name, is_password=is_password):
        return match[0]
    kind = "password" if is_password else "secret"
    return f"{match[0][:start]}[redacted:{kind}]{match[0][end:]}"


def _is_secret(value: str, name: str, *, is_password: bool) -> bool:
    """A password is whatever is called one; a token has at least the look of a random text."""
    if _TELLS_NOTHING.match(value) or (name == "pwd" and value.startswith(("/", "~", "."))):
        return False
    if is_password:
        return True
    if len(value) < _SHORTEST_SECRET or any(c.isspace() for c in value):
        return False
    letters, digits = any(c.isalpha() for c in value), any(c.isdigit() for c in value)
    return letters and (digits or len(value) >= _LONG)
