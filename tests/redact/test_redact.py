"""Secrets are masked and evidence is not, whatever the text says and however long it is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from re import _parser  # type: ignore[attr-defined] # the only reader of patterns there is
from time import process_time

import invented_secrets as invented
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tgt.redact import STRICT, everywhere, masked_cut, redact, rules

SECRETS = invented.table("secrets.toml")
EVIDENCE = invented.table("evidence.toml")
AGENTS = invented.table("agents.toml")
MASKED = [(kind, text) for kind, texts in SECRETS["masked"].items() for text in texts]
NEAR = [(kind, text) for kind, texts in SECRETS["near"].items() for text in texts]
CONTROLS = [text for group in EVIDENCE.values() for text in group["texts"]]
EVERYDAY = SECRETS["everyday"]["texts"]
TOKEN = invented.filled("ghp_{alnum:36}")


@pytest.mark.parametrize(("kind", "text"), MASKED)
def test_a_secret_is_masked_and_what_stands_around_it_stays(kind: str, text: str) -> None:
    marked = invented.filled(text)
    assert redact(invented.bare(marked)) == invented.masked(marked, kind)


@pytest.mark.parametrize("text", EVERYDAY)
def test_no_secret_of_everyday_texts_is_shown(text: str) -> None:
    marked = invented.filled(text)
    shown = redact(invented.bare(marked))
    assert [secret for secret in invented.secrets(marked) if secret in shown] == []


def written(text: str, signs: str, depth: int) -> str:
    """A JSON text in which these signs are escaped as some writers do, in JSON within JSON."""
    for _ in range(depth):
        text = json.dumps(text)[1:-1].replace('\\"', "\\u0022" if '"' in signs else '\\"')
        for sign in signs.replace('"', ""):
            escape = "\\/" if sign == "/" else f"\\u{ord(sign):04X}"
            text = text.replace(sign, escape)
    return json.dumps({"out": "?"}).replace("?", text)


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("signs", ["/", "&=<>'", "\"&'+<>", "g"])
def test_no_secret_is_hidden_by_how_json_writes_it(signs: str, depth: int) -> None:
    """As PHP, Gson, .NET and nobody write them, where it is known without these escapes."""
    marked = [invented.filled(text) for _, text in MASKED]
    known = [text for text in marked if not _shown(text, "", depth)]
    assert len(known) > 0.8 * len(marked)
    assert [shown for text in known if (shown := _shown(text, signs, depth))] == []


def _shown(marked: str, signs: str, depth: int) -> list[str]:
    shown = redact(written(invented.bare(marked), signs, depth))
    secrets = {written(each, signs, depth)[9:-2] for each in invented.secrets(marked)}
    return [secret for secret in secrets if secret in shown]


@pytest.mark.parametrize("text", CONTROLS)
def test_evidence_is_told_as_json_writes_it(text: str) -> None:
    for signs in ("/", "&=<>'"):
        evidence = written(invented.filled(text), signs, 1)
        assert redact(evidence) == evidence


@pytest.mark.parametrize(("kind", "text"), NEAR)
def test_what_nearly_looks_like_a_secret_stays(kind: str, text: str) -> None:
    assert redact(invented.filled(text)) == invented.filled(text)


@pytest.mark.parametrize("text", CONTROLS)
def test_evidence_stays(text: str) -> None:
    assert redact(invented.filled(text)) == invented.filled(text)


@pytest.mark.parametrize("group", AGENTS["shown"])
def test_what_agents_print_shows_no_secret(group: str) -> None:
    marked = [invented.filled(text) for text in AGENTS["shown"][group]]
    shown = [text for text in marked if _is_shown(text)]
    assert shown == []


@pytest.mark.parametrize("group", AGENTS["evidence"])
def test_evidence_that_agents_print_stays(group: str) -> None:
    texts = [invented.filled(text) for text in AGENTS["evidence"][group]]
    assert [redact(text) for text in texts] == texts


def test_hardly_any_secret_is_of_a_kind_that_no_rule_knows() -> None:
    unknown = [text for group in AGENTS["unknown"].values() for text in group]
    known = [text for group in AGENTS["shown"].values() for text in group]
    assert len(unknown) <= 0.02 * len(known)


def _is_shown(marked: str) -> bool:
    result = redact(invented.bare(marked))
    return any(secret in result for secret in invented.secrets(marked))


def test_there_are_enough_cases_to_call_it_a_measure() -> None:
    assert len(MASKED) + len(EVERYDAY) >= 150
    assert len(CONTROLS) + len(NEAR) >= 150


def test_every_rule_has_texts_that_it_masks_and_texts_that_it_leaves() -> None:
    kinds = {rule.kind for rule in rules.rules()}
    assert kinds <= set(SECRETS["masked"])
    shapes = {row["kind"] for row in rules.table("rules.toml")["shapes"]}
    assert shapes | {"provider-key"} <= set(SECRETS["near"])


@pytest.mark.parametrize(
    ("kind", "prefix"),
    [
        (kind, p)
        for kind, row in rules.table("rules.toml")["tokens"].items()
        for p in row["prefixes"]
    ],
)
def test_a_prefix_alone_is_a_word(kind: str, prefix: str) -> None:
    text = f"the {prefix}example of the prefix {prefix} in a manual"
    assert redact(text) == text


def test_keywords_are_such_that_a_text_can_be_searched_for_them() -> None:
    keywords = {keyword for rule in rules.rules() for keyword in rule.keywords}
    assert [k for k in keywords if k != k.lower() or len(k) < 3] == []


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("user alice.b+c@mail.example.com.", "user [redacted:email]."),
        ("mailto:a@b.io?x", "mailto:[redacted:email]?x"),
        ("@decorator a@b x@", "@decorator a@b x@"),
        ("%%V@VV.V%%%V@VVV.V%%", "[redacted:email]%%"),
    ],
)
def test_strict_masks_addresses_too(text: str, masked: str) -> None:
    assert redact(text) == text
    assert redact(text, STRICT) == masked


def test_several_secrets_of_one_text_are_all_masked() -> None:
    key, token = invented.filled("AKIA{upper:16}"), invented.filled("{alnum:32}")
    shown = redact(f"A={TOKEN} B={key} password=x token={token}")
    assert shown == (
        "A=[redacted:github-token] B=[redacted:aws-key] password=[redacted:password]"
        " token=[redacted:secret]"
    )


def test_a_secret_key_beside_its_access_key_is_known_without_a_name() -> None:
    pair = invented.filled("AKIA{upper:16},{b64:40}")
    assert redact(pair) == "[redacted:aws-key],[redacted:aws-secret-key]"


def test_a_json_value_is_masked_throughout() -> None:
    value = {"a": [TOKEN, 1, None, True, {"b": (TOKEN, 2.5)}], TOKEN: "x"}
    mask = "[redacted:github-token]"
    assert everywhere(value, redact) == {"a": [mask, 1, None, True, {"b": (mask, 2.5)}], mask: "x"}


@pytest.mark.parametrize("length", range(1, 130))
def test_nothing_of_a_secret_is_left_by_a_cut(length: int) -> None:
    """An id of 80 characters that ends in a key must not end in half a key."""
    text = f"session of ann with {TOKEN} and more, " * 3
    cut = masked_cut(text, length, redact)
    assert len(cut) <= length
    assert redact(text).startswith(cut) or cut == "[redacted]"[:length]
    assert not re.search(r"gh?p?_?\w{2,}\Z|ghp_", cut.replace("[redacted:github-token]", ""))


def test_a_cut_that_is_long_enough_changes_nothing() -> None:
    assert masked_cut("short", 80, redact) == "short"
    assert masked_cut(TOKEN, 80, redact) == "[redacted:github-token]"


@pytest.mark.parametrize("prefix", ["ghp_", "sk-ant-api03-", "xoxb-", "glpat-"])
def test_what_somebody_else_cut_off_is_masked_too(prefix: str) -> None:
    part = f"{prefix}a1B2c3D4e5"
    for end in ("", "…", "...", " …"):
        assert part not in redact(f"the log ends with {part}{end}")


@given(
    st.lists(
        st.one_of(
            st.text(max_size=8),
            st.sampled_from([invented.bare(invented.filled(text)) for _, text in MASKED]),
        ),
        max_size=6,
    )
)
def test_masking_again_changes_nothing(parts: list[str]) -> None:
    once = redact("".join(parts), STRICT)
    assert redact(once, STRICT) == once


PATTERNS = {f"{n} {rule.kind}": rule.pattern for n, rule in enumerate(rules.rules())} | {
    f"form {n}": form["after"].replace("VALUE", rules.table("assigned.toml")["assigned"]["value"])
    for n, form in enumerate(rules.table("assigned.toml")["forms"])
}


@pytest.mark.parametrize("name", PATTERNS)
def test_a_pattern_looks_at_a_bounded_number_of_characters(name: str) -> None:
    # A reference to a group has no width that the parser knows: here it is one quote.
    pattern = PATTERNS[name].replace("(?P=quote)", "['\"]")
    assert _parser.parse(pattern).getwidth()[1] <= 40_000


ALMOST = [
    *("a", "0", " ", "\\", "token", "token ", "password=", 'password="', "password\\", "://"),
    *("://a:", "eyJ", "eyJaaaaaaaaaaaa.", "sk-", "sk-a-", "a@", "a.", "@a.", "-u a:", "bearer "),
    *("authorization: ", "cookie: a=", "-----BEGIN PRIVATE KEY-----", "-", "xoxb-", "?sig="),
    *("basic A", "123456789:AA", "hooks.slack.com/services/", "\u202e", "\ud800", "pwd:\t"),
    *("curl -u a", "curl ", "mysql ", "sshpass -p", "seed phrase ", "abc abc ", "a:*:", "echo a|"),
    *("config ", "identified by '", "github ", "github key", "token a1b2c3d4e5f6", "A1b2C3d4E5f6"),
    *("password: a ", "passphrase: ab ab ", "<password>", "<password ", "password value=", "key "),
    *('"password", "', "user=a pass", "login: admin/", "machine a ", "LS0tLS1CRUdJTi", "aws "),
]


@pytest.mark.parametrize("part", ALMOST)
def test_the_work_grows_with_the_text_and_not_with_its_square(part: str) -> None:
    """The part is repeated often enough for a squared number of steps to take minutes."""
    text = part * (100_000 // len(part))
    started = process_time()
    redact(text, STRICT)
    assert process_time() - started < 5


def test_signs_of_all_kinds_pass() -> None:
    assert "\u202e" in redact("İ\u202e password=hunter2 \ud800", STRICT)
    assert "hunter2" not in redact("İİİ password=hunter2")


def test_no_rule_is_read_before_a_text_is_masked() -> None:
    """Commands that list cards mask nothing, and must not pay for the rules."""
    code = (
        "import sys, tgt.redact as r\n"
        "assert not [m for m in sys.modules if m.startswith('tgt.redact.')]\n"
        "r.redact('password=x')\n"
        "assert 'tgt.redact.rules' in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
