"""Plug-ins of another distribution: installed as any is, found by name, and never fatal.

The distribution in ``example`` is installed into a directory of its own, and the real command runs
with that directory on its path.
"""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import NOW, Result, Workplace

from tgt import plugins
from tgt.plugins import PluginError

EXAMPLE = Path(__file__).parent / "example"
AT = 1762185600  # NOW
Tgt = Callable[..., Result]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the example installed in it, and nothing else."""
    pytest.importorskip("pip", reason="installs a distribution")
    target = tmp_path_factory.mktemp("site")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "--no-deps", "--no-index", "--no-cache-dir", "--target", target, EXAMPLE],
        check=True,
        capture_output=True,
        timeout=120,
    )
    return target


@pytest.fixture
def run(workplace: Workplace, site: Path) -> Tgt:
    """The real command with the example installed."""

    def run(*arguments: str, **environ: str) -> Result:
        return workplace.tgt(*arguments, "--now", NOW, PYTHONPATH=str(site), **environ)

    return run


@pytest.fixture
def installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example, found by this process."""
    monkeypatch.syspath_prepend(str(site))
    plugins._installed.cache_clear()
    monkeypatch.setattr(sys, "modules", dict(sys.modules))


def _call(minutes: float, talk: str, asked: Any, **keys: Any) -> dict[str, Any]:
    call = {"at": AT - 60 * minutes, "talk": talk, "tool": "search", "asked": asked, "ok": True}
    return {**call, **keys}


def _write(workplace: Workplace, *calls: dict[str, Any]) -> str:
    """A file of the example's own format; the setting that names it."""
    logs = workplace.path / "logs"
    logs.mkdir()
    (logs / "calls.mini").write_text("".join(json.dumps(each) + "\n" for each in calls))
    return f"minilog:{logs}?service=shop"


LOOPS = [_call(2 * n, f"c{n % 3}", {"q": "same"}) for n in range(24)]
VARIED = [_call(2 * n, f"c{n % 3}", {"q": n}, tool="lookup") for n in range(24)]


def test_an_analyzer_and_a_source_of_another_distribution_make_a_card(
    workplace: Workplace, run: Tgt
) -> None:
    """Its questions need the arguments of calls; its options are settings like any."""
    source = _write(workplace, *LOOPS, *VARIED, {"at": AT, "other": 1}, {"tool": "timeless"})
    settings = {"TASKGEN_SOURCE": source, "TASKGEN_ANALYZERS": "repeated_calls"}
    result = run("run", "--json", **settings)
    assert (result.status, result.err) == (0, "")
    told = result.json["result"]
    assert (told["eventsAnalyzed"], told["malformedLines"]) == (48, 1)
    (task,) = told["tasks"]
    assert (task["type"], task["subject"]) == ("retry_loop", "tool_call/search")

    card = run("show", task["id"], "--json").json["task"]
    assert card["evidence"]["current"] == "8 calls"
    assert card["evidence"]["details"]["conversations"] == 3
    assert "same" in card["evidence"]["samples"][0]["text"]
    assert card["metadata"]["analyzer"] == "repeated_calls"

    again = run("run", "--json", **settings).json["result"]
    assert (again["tasksSaved"], again["tasksSkipped"]) == (0, 1)


@pytest.mark.parametrize(("most", "found"), [("8", 1), ("9", 0)])
def test_an_option_of_a_plug_in_is_a_setting(
    workplace: Workplace, run: Tgt, most: str, found: int
) -> None:
    settings = {
        "TASKGEN_SOURCE": _write(workplace, *LOOPS),
        "TASKGEN_ANALYZERS": "repeated_calls",
        "TASKGEN_REPEATED_CALLS": most,
    }
    result = run("run", "--json", "--dry-run", **settings)
    assert result.err == "", "it is no misspelled name"
    assert len(result.json["result"]["tasks"]) == found
    assert (
        run("config", "--json", **settings).json["tgt"]["settings"]["TASKGEN_REPEATED_CALLS"]
        == most
    )


@pytest.mark.parametrize("command", ["list", "run", "config", "stats"])
def test_a_bad_option_of_a_plug_in_is_refused_like_any(run: Tgt, command: str) -> None:
    result = run(command, TASKGEN_ANALYZERS="all,repeated_calls", TASKGEN_REPEATED_CALLS="1")
    assert result.status == 2
    told = "TASKGEN_REPEATED_CALLS='1' is not usable: accepted is a whole number from 2 to 1000"
    assert told in result.err


def test_an_engine_of_another_distribution_answers(workplace: Workplace, run: Tgt) -> None:
    sums = workplace.path / "sums.json"
    sums.write_text(
        json.dumps(
            {
                "tool_call/search": {"calls": 40, "failed": 39},
                "tool_call/lookup": {"calls": 40, "failed": 1},
            }
        )
    )
    result = run("run", "--json", TASKGEN_SOURCE=f"summary:{sums}")
    assert result.status == 0, result.err
    (task,) = result.json["result"]["tasks"]
    assert (task["type"], task["subject"]) == ("error_spike", "tool_call/search")


@pytest.mark.usefixtures("installed")
def test_a_notifier_of_another_distribution_is_told(tmp_path: Path) -> None:
    place, digest = tmp_path / "told.jsonl", {"notification": {"kind": "digest", "tasks": []}}
    for _ in range(2):
        plugins.call(plugins.NOTIFIERS, "append", str(place), digest)
    assert [json.loads(line) for line in place.read_text().splitlines()] == [digest] * 2
    with pytest.raises(PluginError, match="notifier append cannot be used: IsADirectoryError"):
        plugins.call(plugins.NOTIFIERS, "append", str(tmp_path), digest)


# --- plug-ins that fail --------------------------------------------------------------------------

FAULTS = {
    "absent": "ModuleNotFoundError: No module named 'nothing_of_this_name'",
    "quitter": "SystemExit: not on this machine",
    "faulty": "LookupError: nothing known of 2025",
    "puzzled": "ZeroDivisionError: by no conversations",
    "misnamed": "it calls itself 'faulty'",
    "incomplete": "it has no name, task_type",
}


def test_an_analyzer_that_fails_is_named_with_the_reason_and_the_others_go_on(
    workplace: Workplace, run: Tgt
) -> None:
    """On import, by ending the program, when asked, before, and by declaring nonsense."""
    (workplace.path / "docs").mkdir()
    result = run(
        *("run", "--json"),
        TASKGEN_SOURCE=_write(workplace, *LOOPS),
        TASKGEN_ANALYZERS=f"all,repeated_calls,{','.join(FAULTS)}",
    )
    told = result.json["result"]
    assert result.status == 4
    assert told["success"]
    assert {task["type"] for task in told["tasks"]} == {"retry_loop", "documentation_gap"}
    assert len(told["warnings"]) == len(FAULTS)
    for name, reason in FAULTS.items():
        (warning,) = (text for text in told["warnings"] if text.startswith(f"analyzer {name} "))
        assert reason in warning
    health = run("stats", "--json", TASKGEN_ANALYZERS=f"all,{','.join(FAULTS)}").json["stats"]
    assert {name for name, of in health["analyzers"].items() if of["consecutiveFailures"]} == set(
        FAULTS
    )


def test_a_source_that_fails_is_named_and_the_others_are_read(
    workplace: Workplace, run: Tgt
) -> None:
    both = f"unreadable:x,{_write(workplace, *LOOPS)}"
    told = run("run", "--json", TASKGEN_SOURCE=both)
    assert told.status == 4
    assert told.json["result"]["eventsAnalyzed"] == 24
    warnings = told.json["result"]["warnings"]
    (warning,) = (each for each in warnings if "documentation" not in each)
    assert warning.startswith("source unreadable cannot be used: RuntimeError: x is in no format")


def test_a_source_that_fails_alone_fails_the_run(run: Tgt) -> None:
    told = run("run", TASKGEN_SOURCE="unreadable:x")
    assert told.status == 1
    assert "source unreadable cannot be used" in told.err


@pytest.mark.parametrize(
    ("variable", "value"), [("TASKGEN_ANALYZERS", "nobody"), ("TASKGEN_SOURCE", "nobodys:x")]
)
def test_what_nobody_offers_is_refused(run: Tgt, variable: str, value: str) -> None:
    result = run("run", **{variable: value})
    assert result.status == 2
    assert f"{variable}='{value}' is not usable" in result.err


@pytest.mark.usefixtures("installed")
def test_the_names_that_there_are_include_what_is_installed() -> None:
    assert set(FAULTS) | {"repeated_calls", "docs_gap"} <= set(plugins.names(plugins.ANALYZERS))
    assert plugins.names(plugins.ANALYZERS)[0] == "continuation", "tgt's own come first"
    assert {"minilog", "unreadable"} <= set(plugins.names(plugins.SOURCES))


@pytest.mark.usefixtures("installed")
def test_nothing_else_is_imported_to_find_a_plug_in() -> None:
    assert plugins.analyzer("repeated_calls").name == "repeated_calls"
    loaded = {name for name in sys.modules if name.startswith("tgt_example.")}
    assert loaded == {"tgt_example.repeated_calls"}


def test_tgts_own_are_found_without_a_look_at_what_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def look(**_: object) -> None:
        raise AssertionError("entry points were read")

    monkeypatch.setattr(importlib.metadata, "entry_points", look)
    plugins._installed.cache_clear()
    for name in plugins.BUILT_IN[plugins.ANALYZERS]:
        assert plugins.analyzer(name).name == name


def test_a_name_that_two_distributions_offer_is_of_neither(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        importlib.metadata.EntryPoint("twice", f"{package}.it:It", plugins.SOURCES)
        for package in ("one", "other", "one")
    ]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: points)
    plugins._installed.cache_clear()
    with pytest.raises(PluginError, match=r"source twice .* several .*: one.it:It, other.it:It"):
        plugins.source("twice")
    plugins._installed.cache_clear()


def test_tgt_notify_tells_through_a_notifier_of_another_distribution(
    workplace: Workplace, run: Tgt, card_data: Callable[..., dict[str, Any]]
) -> None:
    place = workplace.path / "told.jsonl"
    targets = f"append:{workplace.path}, append:{place}"
    assert run("notify", TASKGEN_NOTIFY=targets).status == 0
    workplace.write_journal(card_data())
    told = run("notify", TASKGEN_NOTIFY=targets)
    assert told.status == 4
    assert "append:… was not told: notifier append cannot be used: IsADirectoryError: " in told.err
    assert str(workplace.path) not in told.err
    (line,) = place.read_text().splitlines()
    assert [task["change"] for task in json.loads(line)["notification"]["tasks"]] == ["new"]
