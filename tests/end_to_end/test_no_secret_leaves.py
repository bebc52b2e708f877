"""Whatever key of a record a secret stands in, and whatever its file is called: it is in nothing
that leaves and in nothing that is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import invented_secrets as invented
from agent_client import connected
from conftest import NOW, Workplace, call, response

TOKEN = invented.filled("ghp_{alnum:36}")
KEY = invented.filled("AKIA{upper:16}")
OWN = "shop-4711-secret"
"""Of a kind that only a pattern of one's own knows."""


def _lines() -> Iterator[dict[str, Any]]:
    for number in range(400):
        fails = number % 4 == 0
        minutes = 2 + number % 50 if fails else 60 * (1 + number % 40)
        yield call(
            minutes,
            f"conversation {TOKEN} {number % 40}",
            f"fetch https://u:{TOKEN}@git.example/x",
            id=f"id {TOKEN} {number}",
            trace_id=f"trace {TOKEN} {number}",
            status="error" if fails else "ok",
            error=f"fatal: {TOKEN} {OWN}" if fails else None,
            error_type=f"E {TOKEN}",
            error_code=TOKEN,
            model=f"m {TOKEN}",
            service=f"shop {TOKEN}",
            version=f"1.{TOKEN}",
            args_preview={"cmd": f"curl -u ann:{TOKEN} x", "n": number, TOKEN: KEY},
        )
    for number in range(60):
        about = {"id": f"q{number}", "args_preview": f"key {KEY} {OWN}"}
        yield call(2 + number % 50, f"c{number % 6}", f"tool {KEY}", **about)
        yield {"ts": call(3)["ts"], "act": f"custom {TOKEN}", "id": f"a{number}"}
        finish = ["stop", "length"][number % 2]
        yield response(2 + number % 50, f"c{number % 6}", finish, model=f"gpt {TOKEN}")
        down = {"act": "upstream_error", "where": TOKEN, "status": 503, "error": TOKEN}
        yield {"ts": call(4)["ts"], "id": f"u{number}", **down}


def test_no_secret_leaves_or_stays(workplace: Workplace) -> None:
    logs = workplace.path / ".forgekeeper" / "context_log"
    logs.mkdir(parents=True)
    (workplace.path / "docs").mkdir()
    good = "".join(f"{json.dumps(line)}\n" for line in _lines())
    bad = json.dumps({"no time": TOKEN}) + f'\n{{"half": "{TOKEN}\n'
    (logs / f"{TOKEN}.jsonl").write_text(good + bad)
    (logs / f"{TOKEN}.jsonl.xz").write_text("of no format that is read")
    around = {
        "TASKGEN_MIN_CONFIDENCE": "0",
        "TASKGEN_DOCS_GAP_MIN_USAGE": "5",
        "TASKGEN_MAX_TASKS": "50",
        "TASKGEN_MAX_PER_HOUR": "50",
        "TASKGEN_REDACT_PATTERNS": r"shop-\d{4}-secret",
        "TASKGEN_NOTIFY": f"exec:cat >> {workplace.path / 'told'}",
        "TASKGEN_NOTIFY_MIN_SEVERITY": "low",
    }

    def told(*arguments: str) -> str:
        done = workplace.tgt(*arguments, **around)
        assert done.status in {0, 1, 4, 10, 11}, done.err
        assert "defect" not in done.err
        return done.out + done.err

    outputs = [told("run", "--dry-run", "--now", NOW), told("run", "--json", "--now", NOW)]
    cards = json.loads(told("list", "--all", "--json"))["tasks"]
    assert len(cards) >= 6
    for card in cards:
        outputs += [told("show", card["id"]), told("show", card["id"], "--format", "markdown")]
    for card in {card["type"]: card for card in cards}.values():
        outputs += [told("events", card["id"], "--now", NOW)]
    for words in (
        *("list --all", "list --all --json", "stats --json", "doctor", "log", "log --json"),
        *("sources", "sources --json", f"verify --now {NOW} --json", f"notify --now {NOW}"),
        *(f"report --now {NOW} --since 7d --format {f}" for f in ("text", "markdown", "html")),
        *(f"gate --now {NOW} --format {f}" for f in ("text", "json", "junit", "sarif")),
        *(
            f"report --now {NOW} --json",
            f"show {cards[0]['id']} --why",
            f"show {cards[0]['id']} --json",
        ),
    ):
        outputs.append(told(*words.split()))
    with connected(workplace, **around) as agent:
        outputs += [json.dumps(agent.told(tool)) for tool in ("list_tasks", "get_report")]
        for card in cards[:3]:
            outputs += [
                json.dumps(agent.told(t, task=card["id"])) for t in ("get_task", "get_events")
            ]
    assert sum("[redacted:" in output for output in outputs) > 20
    for output in outputs:
        for secret in (TOKEN, KEY, OWN):
            assert secret[6:] not in output
    for path in _kept(workplace.path, logs):
        held = path.read_bytes()
        for secret in (TOKEN, KEY, OWN):
            # The store has to know the file again by its name.
            is_name = secret is TOKEN and path.name.startswith("events.duckdb")
            assert is_name or secret[6:].encode() not in held, path.name


def _kept(place: Path, logs: Path) -> list[Path]:
    return [p for p in place.rglob("*") if p.is_file() and not p.is_relative_to(logs)]
