"""The same error has the same template, whoever meets it where; another error has another."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tgt
from tgt.templates import LONGEST_TEMPLATE, at_the_error, family, template
from tgt.templates.families import _table

HERE = Path(__file__).parent
SAMPLES = Path(tgt.__file__).parents[2] / "shared/telemetry-samples/claude-code/transcripts"


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads((HERE / name).read_text(encoding="utf-8"))


ERRORS = _read("same_error.toml")["errors"]
TEXTS = [text for error in ERRORS for text in error["texts"]]
FAMILIES = _read("families.toml")


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error["template"][:60])
def test_texts_of_one_error_have_one_template(error: dict[str, Any]) -> None:
    assert {text: template(text) for text in error["texts"]} == dict.fromkeys(
        error["texts"], error["template"]
    )


def test_two_errors_have_two_templates() -> None:
    templates = [error["template"] for error in ERRORS]
    assert len(set(templates)) == len(templates)


@pytest.mark.parametrize("text", _read("no_content.toml")["texts"])
def test_a_text_that_says_nothing_has_no_template(text: str) -> None:
    assert template(text) is None


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error["template"][:60])
def test_a_template_is_its_own_template(error: dict[str, Any]) -> None:
    assert template(error["template"]) == error["template"]


VALUES: dict[str, st.SearchStrategy[str]] = {
    "path": st.from_regex(
        r"(/|\./|\.\./|~/)[a-z]{1,8}(/[a-z0-9_-]{1,12}){0,4}(\.py)?", fullmatch=True
    ),
    "n": st.integers(0, 10**9).map(str),
    "uuid": st.uuids().map(str),
    "sha": st.from_regex(r"[0-9a-f]{6}[a-f][0-9][0-9a-f]{32}", fullmatch=True),
    "time": st.datetimes().map(lambda at: at.isoformat() + "Z"),
    "quoted": st.from_regex(r"'[a-zA-Z0-9 _.,:;/<>|()#éß☃\"-]{1,40}'", fullmatch=True).filter(
        lambda quoted: not quoted.startswith("'-")
    ),
    "seconds": st.builds(
        "{}{}".format, st.integers(1, 5000), st.sampled_from(["s", " ms", ".5 h"])
    ),
    "size": st.builds(
        "{}{}".format, st.integers(1, 5000), st.sampled_from(["KB", ".5 MB", " bytes"])
    ),
    "address": st.ip_addresses(v=4).map(str),
}
WORDINGS = [
    ("cannot open {}: it is locked", ("path", "quoted")),
    ("Request {} was refused by the gateway", ("uuid",)),
    ("object {} is missing in the store", ("sha", "uuid")),
    ("lock held by process {} cannot be taken", ("n",)),
    ("gave up after {} without an answer", ("seconds",)),
    ("payload of {} exceeds the limit", ("size",)),
    ("host {} does not answer", ("address",)),
    ("certificate is not valid before {} here", ("time",)),
    ("unknown field {} in the manifest", ("quoted",)),
]


@pytest.mark.parametrize(("wording", "kinds"), WORDINGS)
@given(data=st.data())
def test_what_varies_is_no_part_of_a_template(
    wording: str, kinds: tuple[str, ...], data: st.DataObject
) -> None:
    kind = data.draw(st.sampled_from(kinds))
    first, second = data.draw(VALUES[kind]), data.draw(VALUES[kind])
    assert template(wording.format(first)) == template(wording.format(second))


@given(st.lists(st.one_of(st.text(), st.sampled_from(TEXTS)), max_size=5).map("".join))
def test_any_text_has_a_short_template_or_none(text: str) -> None:
    reduced = template(text)
    assert reduced is None or (0 < len(reduced) <= LONGEST_TEMPLATE and "\n" not in reduced)
    family(reduced or "")


HOSTILE = [
    *(
        "a",
        "(",
        '"',
        "'",
        "/a",
        "a/",
        "a.",
        "1",
        "1:",
        "\\n",
        "\x1b[",
        "<error ",
        "{",
        '{"a":',
        "[",
    ),
    *(
        "Error: ",
        ": ",
        "\n",
        "E   ",
        "`",
        "-> ",
        "a@",
        "0x",
        "<path>",
        "...",
        "bash: ",
        "Traceback ",
    ),
]


@pytest.mark.parametrize("part", HOSTILE)
def test_the_work_does_not_grow_with_the_text(part: str) -> None:
    """Megabytes cost no more than what is read of them."""
    started = process_time()
    template(part * (3_000_000 // len(part)))
    assert process_time() - started < 1.0


def test_the_end_of_a_long_output_is_read_too() -> None:
    progress = "\n".join(f"step {n} of 9000 done" for n in range(9000))
    assert template(f"{progress}\nfatal: the disk is full") == "fatal: the disk is full"


def test_credentials_are_masked_before_anything_is_cut() -> None:
    token = "ghp_" + "aB3dE5gH7jK9mN1pQ2sT4vW6yZ8bC0fX1234"
    reduced = template(f"fatal: {'the remote says no ' * 9} {token} is not welcome")
    assert reduced is not None
    assert "ghp_" not in reduced


@pytest.mark.parametrize("name", [row.name for row in _table()])
def test_a_family_knows_its_own_and_no_other(name: str) -> None:
    def family_of(text: str) -> str | None:
        reduced = template(text)
        known = family(reduced) if reduced else None
        return known.name if known else None

    cases = FAMILIES[name]
    assert {text: family_of(text) for text in cases["yes"]} == dict.fromkeys(cases["yes"], name)
    assert [text for text in cases["no"] if family_of(text) == name] == []


def test_no_family_of_the_cases_is_unknown() -> None:
    assert set(FAMILIES) == {row.name for row in _table()}


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ("bash: line 3: foo: command not found", "install foo, or add to CLAUDE.md or AGENTS.md"),
        ("ModuleNotFoundError: No module named 'yaml'", "install yaml, or add to CLAUDE.md"),
        ("ImportError: cannot import name 'a' from 'b'", "install what is missing, or add"),
    ],
)
def test_advice_names_what_is_missing(text: str, advice: str) -> None:
    known = family(template(text) or "")
    assert known is not None
    assert known.advice.startswith(advice)
    assert "{" not in known.advice


def _failed_results() -> Iterator[str]:
    for path in sorted(SAMPLES.glob("*.jsonl")):
        for line in path.read_text(encoding="utf-8").splitlines():
            message = json.loads(line).get("message") or {}
            content = message.get("content") if isinstance(message, dict) else None
            for block in content if isinstance(content, list) else []:
                if block.get("type") == "tool_result" and block.get("is_error"):
                    yield str(block.get("content"))


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples are not beside this checkout")
def test_failed_results_of_real_transcripts_fall_into_few_templates() -> None:
    texts = list(_failed_results())
    templates = {template(text) for text in texts} - {None}
    assert len(texts) >= 30
    assert 5 <= len(templates) <= len(texts) / 2
    assert "File does not exist" in templates


PROGRESS = "\n".join(f"tests/test_{n}.py ...... [ {n}%]" for n in range(40))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"Exit code 1\n{PROGRESS}\nE   ValueError: odd", "… E   ValueError: odd"),
        (f"{PROGRESS}\nauth failed: token=ghp_{'a1B2c3' * 6}", "… auth failed: token="),
        ("ENOENT: no such file", "ENOENT: no such file"),
        (f"fatal: no shop is open\n{PROGRESS}", f"fatal: no shop is open\n{PROGRESS}"),
        (f"fatal:   no\tshop is open {'x' * 200}", f"fatal:   no\tshop is open {'x' * 200}"),
        (PROGRESS, PROGRESS),
    ],
    ids=["at the end", "with a secret", "short", "at the beginning", "in one line", "nowhere"],
)
def test_what_is_shown_of_an_error_begins_with_what_names_it(text: str, shown: str) -> None:
    told = at_the_error(text)
    assert told.startswith(shown)
    assert told == text or "a1B2c3" not in told


@pytest.mark.parametrize("before", ["", "ready\nsteady\n"])
def test_a_secret_in_letters_written_as_numbers_is_masked(before: str) -> None:
    said = json.dumps({"level": "error", "message": f"shop shut for ghp_{'a1B2c3' * 6}"})
    told = template(before + said.replace("ghp_", "\\u0067hp_"))
    assert told is not None
    assert told.startswith("shop shut for ")
    assert "a1B2c3" not in told
