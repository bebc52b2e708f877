"""Secrets are masked and evidence is not, whatever the text says and however long it is.

No token here was ever valid: all are assembled from letters in order, so that no scanner of
repositories takes this file for a leak.
"""

from __future__ import annotations

from re import _parser  # type: ignore[attr-defined] # the only reader of patterns there is
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgt import redact as subject
from tgt.redact import STRICT, everywhere, redact

LETTERS = "aB3dE5gH7jK9mN1pQ2sT4vW6yZ8bC0fX"
LONG = LETTERS * 6
HEX = "0f1e2d3c4b5a69788796a5b4c3d2e1f0" * 2
BODY = "\\n".join([LONG[:64]] * 6)

SECRETS = [
    ("anthropic-key", "ANTHROPIC says {}", f"sk-ant-api03-{LONG[:90]}"),
    ("openrouter-key", "{}", f"sk-or-v1-{HEX}"),
    ("openai-key", "Incorrect API key provided: {}.", f"sk-proj-{LONG[:60]}"),
    ("openai-key", "({})", f"sk-{LONG[:48]}"),
    ("stripe-key", "'{}'", f"sk_live_{LONG[:24]}"),
    ("stripe-key", "{}", f"whsec_{LONG[:32]}"),
    ("aws-key", "arn {} denied", "AKIA" + "ABCDEFGH23456789"),
    ("aws-key", "{}", "ASIA" + "ABCDEFGH23456789"),
    ("github-token", "fatal: could not read {}", f"ghp_{LONG[:36]}"),
    ("github-token", "{}", f"github_pat_{LONG[:22]}_{LONG[:59]}"),
    ("gitlab-token", "{}", f"glpat-{LONG[:20]}"),
    ("slack-token", "{}", f"xoxb-123456789012-{LONG[:24]}"),
    ("slack-webhook", "POST https://{} 404", f"hooks.slack.com/services/T0000/B0000/{LONG[:24]}"),
    ("telegram-token", "/bot{}/send", f"123456789:AA{LONG[:33]}"),
    ("google-key", "?key={}&q=x", f"AIza{LONG[:35]}"),
    ("google-token", "{}", f"ya29.a0{LONG[:100]}"),
    ("huggingface-token", "{}", f"hf_{LONG[:34]}"),
    ("groq-key", "{}", f"gsk_{LONG[:52]}"),
    ("sendgrid-key", "{}", f"SG.{LONG[:22]}.{LONG[:43]}"),
    ("npm-token", "//registry/:_x={}", f"npm_{LONG[:36]}"),
    ("pypi-token", "{}", f"pypi-{LONG[:120]}"),
    ("vault-token", "{}", f"hvs.{LONG[:90]}"),
    ("jwt", "cannot verify {} now", f"eyJ{LETTERS}.eyJ{LONG}.{LETTERS}"),
    ("jwt", "cut off {}", f"eyJ{LETTERS}.eyJ{LONG}"),
    ("private-key", "cat id: {}", f"-----BEGIN OPENSSH PRIVATE KEY-----\\n{BODY}"),
    ("private-key", "{} ok", f"-----BEGIN PRIVATE KEY-----\n{BODY}\n-----END PRIVATE KEY-----"),
    ("authorization", '{{"Authorization": "Basic {}"}}', "dXNlcjpwYXNzd29yZA=="),
    ("authorization", "-H 'authorization: {}'", "abcdefgh"),
    ("bearer-token", "curl -H 'X: Bearer {}'", LONG[:40]),
    ("basic-auth", "sent Basic {} to it", "dXNlcjpwYXNzd29yZA=="),
    ("cookie", "Set-Cookie: {}", "session=abc; Path=/; HttpOnly"),
    ("url-password", "postgres://app:{}@db.internal:5432/x", "h:nter2"),
    ("url-password", "redis://:{}@cache", "hunter2"),
    ("url-token", "git clone https://{}@git.example/x", LONG[:40]),
    ("signature", "https://x.blob/y?se=2026&sig={}&sp=r", "abc%2Bdef%2F1234567890ghijkl%3D"),
    ("user-password", "curl -u admin:{} https://x", "hunter2"),
    ("password", "password={} host=db", "hunter2"),
    ("password", "mysql: PASSWD: {}", "correcthorse"),
    ("password", '{{"user": "x", "password": "{}", "y": 1}}', 'two words, \\"quoted\\"'),
    ("password", "{{'db_password': '{}'}}", "it is long"),
    ("password", 'body: "{{\\"passphrase\\":\\"{}\\"}}"', "hunter2"),
    ("password", "tool --password {} --verbose", "hunter2"),
    ("password", "PGPASSWORD={} psql", "hunter2"),
    ("secret", "export AWS_SECRET_ACCESS_KEY={}", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYABCDEFGHIJ"),
    ("secret", '{{"clientSecret":"{}"}}', LETTERS),
    ("secret", "api_key: {}", LETTERS),
    ("secret", "x-api-key: {}", LETTERS),
    ("secret", "GET /x?access_token={}&limit=5", LETTERS),
    ("secret", "tool --api-key {}", LETTERS),
    ("secret", "tool --token={}", LETTERS),
    ("secret", "DefaultEndpointsProtocol=https;AccountKey={};Suffix=x", LETTERS + "=="),
    ("secret", "refresh_token => {}", HEX),
]


@pytest.mark.parametrize(("kind", "text", "secret"), SECRETS)
def test_a_secret_is_masked_and_what_stands_around_it_stays(
    kind: str, text: str, secret: str
) -> None:
    assert redact(text.format(secret)) == text.format(f"[redacted:{kind}]")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ENOENT: no such file or directory, open '/srv/app/config.yml'",
        "01K94XYZ00A7T4M8R2VXCDGHJK",
        "c0ffee00-1234-4abc-8def-0123456789ab",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8 (HEAD)",
        f"sha256:{HEX}",
        f'etag W/"{HEX}"',
        f"data:image/png;base64,iVBORw0KGgo{LONG}",
        "token count: 512 of 4096",
        "input_tokens=4096, output_tokens: 12",
        '{"max_tokens": 8192, "token_type": "bearer", "total_tokens": 77}',
        "Unexpected token } in JSON at position 4096",
        "SyntaxError: Unexpected token: punc (})",
        "invalid token: expected a string",
        "password: must be at least 8 characters",
        "the password is wrong; the secret is out",
        '{"password": null, "token": "", "secret": false}',
        "password=$DB_PASSWORD token=${TOKEN} secret={{ vault }}",
        "password=*** token=<redacted> api_key=xxxxxxxx",
        "PWD=/home/user/project OLDPWD=/",
        "Basic authentication is required, bearer of bad news",
        "https://example.com:8443/path?q=user:name@x",
        "git@github.com:owner/name.git",
        "sk-loading-indicator-of-the-page",
        "tool_call/read_file",
        "AKIAabcdefghijklmnop",
        "12:34:56 AAAA",
        "keyboard: qwerty, monkey=banana1234",
        "user alice@example.com not found",
    ],
)
def test_evidence_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("user alice.b+c@mail.example.com.", "user [redacted:email]."),
        ("mailto:a@b.io?x", "mailto:[redacted:email]?x"),
        ("@decorator a@b x@", "@decorator a@b x@"),
    ],
)
def test_strict_masks_addresses_too(text: str, masked: str) -> None:
    assert redact(text) == text
    assert redact(text, STRICT) == masked


def test_several_secrets_of_one_text_are_all_masked() -> None:
    text = f"A=ghp_{LONG[:36]} B=AKIAABCDEFGH23456789 password=x token={LETTERS}"
    assert LETTERS not in redact(text)
    assert redact(text).count("[redacted:") == 4


def test_a_json_value_is_masked_throughout() -> None:
    token = f"ghp_{LONG[:36]}"
    value = {"a": [token, 1, None, True, {"b": (token, 2.5)}], token: "x"}
    mask = "[redacted:github-token]"
    assert everywhere(value, redact) == {"a": [mask, 1, None, True, {"b": (mask, 2.5)}], mask: "x"}


@given(
    st.lists(
        st.one_of(st.text(max_size=8), st.sampled_from([t.format(s) for _, t, s in SECRETS])),
        max_size=6,
    )
)
def test_masking_again_changes_nothing(parts: list[str]) -> None:
    once = redact("".join(parts), STRICT)
    assert redact(once, STRICT) == once


PATTERNS = {**subject._FORMS, "email": subject._EMAIL, "assignment": subject._ASSIGNMENT}


def _ways(parsed: Any) -> int:
    """In how many ways one attempt may split what it took, at most: the product of its choices."""
    ways = 1
    for kind, argument in parsed:
        name = str(kind)
        if name in {"MAX_REPEAT", "MIN_REPEAT"}:
            low, high, inner = argument
            ways *= (int(high) - int(low) + 1) * _ways(inner)
        elif name == "BRANCH":
            ways *= sum(_ways(branch) for branch in argument[1])
        elif name == "SUBPATTERN":
            ways *= _ways(argument[-1])
        elif name in {"ASSERT", "ASSERT_NOT"}:
            ways *= _ways(argument[1])
        elif name == "GROUPREF_EXISTS":
            ways *= sum(_ways(branch) for branch in argument[1:] if branch)
    return ways


@pytest.mark.parametrize("kind", PATTERNS)
def test_the_work_for_a_character_is_bounded(kind: str) -> None:
    """An attempt looks at so many characters at most, in so many ways at most."""
    assert _ways(_parser.parse(PATTERNS[kind])) <= 4000
    # A reference to a group has no width that the parser knows: here it is one quote.
    pattern = PATTERNS[kind].replace("(?P=quote)", "['\"]")
    assert _parser.parse(pattern).getwidth()[1] <= 20_000


ALMOST = [
    *("a", "0", " ", "\\", "token", "token ", "password=", 'password="', "password\\", "://"),
    *("://a:", "eyJ", "eyJaaaaaaaaaaaa.", "sk-", "sk-a-", "a@", "a.", "@a.", "-u a:", "bearer "),
    *("authorization: ", "cookie: a=", "-----BEGIN PRIVATE KEY-----", "-", "xoxb-", "?sig="),
    *("basic A", "123456789:AA", "hooks.slack.com/services/", "\u202e", "\ud800", "pwd:\t"),
]


def test_a_megabyte_of_almost_secrets_is_done() -> None:
    """Each part is repeated often enough for a squared number of steps to take minutes."""
    size = 1_000_000 // len(ALMOST)
    text = "\n".join(part * (size // len(part)) for part in ALMOST)
    assert len(text) > 900_000
    assert "\u202e" in redact(text, STRICT)
