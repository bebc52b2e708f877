"""--source, --window and --since mean the same for every command that reads telemetry."""

from __future__ import annotations

import pytest
from conftest import NOW, Workplace, World, call

READING = ("run", "sources", "doctor", "backtest")


@pytest.fixture
def elsewhere(workplace: Workplace) -> str:
    """Telemetry where no setting points to: an event 30 minutes, 5 hours and 3 days ago."""
    world = World(workplace.path)
    world.write(*(call(60 * hours, f"c{hours}") for hours in (0.5, 5, 72)))
    return f"contextlog:{world.logs}"


@pytest.mark.parametrize("command", READING)
def test_telemetry_can_be_named(workplace: Workplace, elsewhere: str, command: str) -> None:
    words = (command, "--json", "--now", NOW, "--source")
    assert workplace.tgt(*words, elsewhere).status == 0
    result = workplace.tgt(*words, "contextlog:gone")
    assert "directory gone: No such file" in result.out


@pytest.mark.parametrize("command", READING)
@pytest.mark.parametrize("value", ["0", "-5", "x", "10081", "8d", "1e3", "٣", "9" * 5000])
def test_a_bad_window_blames_the_option(workplace: Workplace, command: str, value: str) -> None:
    result = workplace.tgt(command, f"--window={value}")
    assert result.status == 2
    assert result.err.startswith("tgt: --window=")
    accepted = "minutes from 1 to 10080, or a length such as 2h or 7d, at most 7d"
    assert (accepted in result.err) == (len(value) < 100), "or the message is cut"
    assert "TASKGEN_WINDOW_MIN" not in result.err


@pytest.mark.parametrize(
    ("given", "events"),
    [
        ((), 1),
        (("--window", "360"), 2),
        (("--window", "6h"), 2),
        (("--window", "7d"), 3),
        (("--since", "4d"), 3),
        (("--since", "2025-11-03T10:00:00Z"), 2),
    ],
)
def test_a_run_analyzes_what_is_named(
    workplace: Workplace, elsewhere: str, given: tuple[str, ...], events: int
) -> None:
    words = ("run", "--dry-run", "--json", "--now", NOW, "--source", elsewhere)
    assert workplace.tgt(*words, *given).json["result"]["eventsAnalyzed"] == events


@pytest.mark.parametrize(
    ("given", "records"),
    [((), 3), (("--window", "6h"), 2), (("--since", "2025-11-03T15:00:00Z"), 1)],
)
def test_sources_looks_at_what_is_named(
    workplace: Workplace, elsewhere: str, given: tuple[str, ...], records: int
) -> None:
    told = workplace.tgt("sources", "--json", "--now", NOW, "--source", elsewhere, *given).json
    assert told["sources"][0]["records"] == records


def test_doctor_looks_at_what_is_named(workplace: Workplace, elsewhere: str) -> None:
    words = ("doctor", "--json", "--now", NOW, "--source", elsewhere, "--window")
    for window, told in (("10", "no events in the last 10 minutes"), ("31", "1 event in the last")):
        checks = workplace.tgt(*words, window).json["checks"]
        assert any(check["message"].startswith(told) for check in checks)


def test_a_back_test_runs_over_other_windows(workplace: Workplace, elsewhere: str) -> None:
    words = ("backtest", "--json", "--now", NOW, "--source", elsewhere, "--since", "1h")
    few, many = (
        workplace.tgt(*words, "--window", window).json["backtest"]["idleRuns"]
        for window in ("20", "7d")
    )
    assert few > many == 0


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--window", "5", "--since", "2h"), "--window and --since are two ways"),
        (("--since", "8d"), "--since='8d' is not usable: accepted is a time of the last 7 days"),
        (("--since", "2099-01-01"), "it must lie in the past"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    workplace: Workplace, given: tuple[str, ...], told: str
) -> None:
    result = workplace.tgt("run", *given)
    assert result.status == 2
    assert told in result.err
