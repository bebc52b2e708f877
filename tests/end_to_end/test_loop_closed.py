"""From a fault to its proven end: one card all the way, told through the real command.

The world: 40 conversations an hour use ``read_file``, which fails in one of fifty. From hour 0 on
it fails in a third of them, from hour 3 on in nine of ten; at hour 6 it is mended; at hour 40 it
fails again.
"""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from command_server import Server
    from conftest import Workplace

BEGIN = datetime(2025, 11, 3, 0, 0, tzinfo=timezone.utc)
DAYS_BEFORE = 3
PER_HOUR = 40
GROWS, MENDED, BACK, END = 3, 6, 40, 44

pytestmark = pytest.mark.slow


def _share(hour: float) -> float:
    if 0 <= hour < GROWS:
        return 0.35
    if GROWS <= hour < MENDED or hour >= BACK:
        return 0.9
    return 0.02


def write_world(
    directory: Path,
    *,
    until: float = END,
    share: Callable[[float], float] = _share,
    version: Callable[[float], str | None] = lambda _hour: None,
) -> None:
    """The log of the world up to an hour."""
    chance = random.Random(7)
    log = directory / ".forgekeeper" / "context_log"
    log.mkdir(parents=True, exist_ok=True)
    lines: dict[str, list[str]] = {}
    for number in range(round((until + 24 * DAYS_BEFORE) * PER_HOUR)):
        hour = number / PER_HOUR - 24 * DAYS_BEFORE
        at = BEGIN + timedelta(hours=hour)
        is_bad = chance.random() < share(hour)
        told = {} if version(hour) is None else {"version": version(hour)}
        for call in range(3):
            event = {
                "ts": (at + timedelta(seconds=5 * call)).isoformat(timespec="milliseconds"),
                "act": "tool_call",
                "actor": "tool",
                "name": "read_file" if call == 1 else "list_files",
                "status": "error" if is_bad and call == 1 else "ok",
                "conv_id": f"c{number}",
                "elapsed_ms": 20 + chance.random(),
                **told,
            }
            if event["status"] == "error":
                event["error"] = "the disk does not answer"
            lines.setdefault(f"{at:%Y%m%d-%H}", []).append(json.dumps(event) + "\n")
    for name, some in lines.items():
        (log / f"ctx-{name}.jsonl").write_text("".join(some), encoding="utf-8")


def _at(hour: float) -> str:
    return (BEGIN + timedelta(hours=hour)).isoformat().replace("+00:00", "Z")


def _run(workplace: Workplace, hour: float) -> dict[str, Any]:
    done = workplace.tgt(
        "run", "--json", "--now", _at(hour), TASKGEN_ANALYZERS="error_spike,ux_issue"
    )
    assert done.status == 0, done
    result: dict[str, Any] = done.json["result"]
    return result


def _cards(workplace: Workplace, hour: float) -> list[dict[str, Any]]:
    done = workplace.tgt("list", "--all", "--json", "--now", _at(hour))
    assert done.status == 0, done
    cards: list[dict[str, Any]] = done.json["tasks"]
    return cards


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory, server: Server) -> dict[float, dict[str, Any]]:
    """The only card after each run, and what ``tgt log`` and ``tgt verify`` say at the end."""
    from conftest import Workplace

    workplace = Workplace(tmp_path_factory.mktemp("story"), server)
    write_world(workplace.path)
    told: dict[float, dict[str, Any]] = {}
    for hour in (1, 3, 5, 7, 8, 12, 20, 30, 36, 41, 42):
        _run(workplace, hour)
        cards = _cards(workplace, hour)
        assert len(cards) == 1, (hour, cards)
        told[hour] = cards[0]
    log = workplace.tgt("log", "--json", "--now", _at(42)).json["log"]
    told[0] = {"log": [(change["kind"], change["by"]) for change in log]}
    return told


def test_it_is_one_card_all_the_way(story: dict[float, dict[str, Any]]) -> None:
    assert len({card["id"] for hour, card in story.items() if hour}) == 1


def test_now_follows_a_fault_that_grows_within_a_run(story: dict[float, dict[str, Any]]) -> None:
    small, grown = story[1]["now"], story[5]["now"]
    assert grown["value"] > 2 * small["value"]
    assert grown["priority"] > small["priority"]


def test_it_is_quiet_within_two_hours_of_traffic(story: dict[float, dict[str, Any]]) -> None:
    assert not story[7].get("quietSince") or story[7]["quietSince"] >= _stamp(MENDED)
    quiet = story[MENDED + 2]
    assert _stamp(MENDED) <= quiet["quietSince"] < _stamp(MENDED + 2)
    assert quiet["status"] == "generated"
    assert quiet["now"]["priority"] < story[5]["now"]["priority"]


def test_its_end_is_verified_within_a_day_and_then_tgt_completes_it(
    story: dict[float, dict[str, Any]],
) -> None:
    within_a_day = story[20]["verification"]
    assert within_a_day["state"] == "holds"
    assert within_a_day["figures"]["expected"] > 5 * within_a_day["figures"]["bad"]
    assert story[20]["status"] == "generated", "a day has not passed"
    done = story[36]
    assert (done["status"], done["completedBy"]) == ("completed", "tgt")
    assert done["verification"]["state"] == "holds"
    assert done["verification"]["figures"]["of"] > 900


def test_it_is_reopened_when_it_returns(story: dict[float, dict[str, Any]]) -> None:
    back = story[42]
    assert back["status"] == "generated"
    assert back["metadata"]["reopened"]["reason"] == "came_back"
    assert not any(back.get(key) for key in ("quietSince", "verification", "completedBy"))


def test_the_log_tells_the_story(story: dict[float, dict[str, Any]]) -> None:
    told = story[0]["log"]
    assert [kind for kind, _ in told if kind not in {"worse", "better"}] == [
        *("found", "quiet", "completed", "reopened")
    ]
    assert dict(told)["completed"] == "tgt"


def _stamp(hour: float) -> str:
    return _at(hour).replace("Z", ".000Z")


def test_where_the_telemetry_is_gone_after_the_mend_nothing_is_ever_completed(
    workplace: Workplace,
) -> None:
    write_world(workplace.path, until=MENDED)
    for hour in (1, 5, 7, 8, 12, 20, 32, 60):
        done = workplace.tgt(
            "run", "--json", "--now", _at(hour), TASKGEN_ANALYZERS="error_spike,ux_issue"
        )
        assert done.status == 0, done
        (card,) = _cards(workplace, hour)
        assert card["status"] == "generated"
        assert not card.get("quietSince")


def test_what_a_person_completes_is_verified_and_what_did_not_help_comes_back(
    workplace: Workplace,
) -> None:
    """One fix at hour 6, which helps, and one at hour 5, which does not."""
    write_world(workplace.path, until=20)
    for hour in (1, 5):
        _run(workplace, hour)
    (card,) = _cards(workplace, 5)
    assert workplace.tgt("complete", card["id"], "--now", _at(5)).status == 0
    too_early = workplace.tgt("verify", card["id"], "--json", "--now", _at(5)).json["tasks"][0]
    assert too_early["verification"]["state"] == "too_early"
    not_holding = workplace.tgt("verify", "--json", "--now", _at(6)).json["tasks"][0]
    assert not_holding["verification"]["state"] == "not_holding"
    assert not_holding["criteria"][0]["met"] is False
    _run(workplace, 6)
    assert _cards(workplace, 6)[0]["status"] == "generated", "the fix did not help"
    assert workplace.tgt("complete", card["id"], "--now", _at(6)).status == 0
    for hour in (8, 12, 16):
        _run(workplace, hour)
    (after,) = _cards(workplace, 16)
    assert (after["status"], after["verification"]["state"]) == ("completed", "holds")
    assert after.get("completedBy") != "tgt"
    journal = (workplace.tasks / "generated_tasks.jsonl").read_text()
    assert journal.count('"holds"') == 1, "what is proven is written once"
