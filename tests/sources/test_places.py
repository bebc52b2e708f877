"""Where telemetry is looked for while nothing is set, and what is said of what is absent."""

from __future__ import annotations

from pathlib import Path

import pytest

from tgt.config import load
from tgt.engine.registry import telemetry_of
from tgt.environment import CONTEXTLOG_DIR
from tgt.errors import TelemetryError
from tgt.sources.registry import usual
from tgt.sources.spec import AGENTS

USUAL = Path(CONTEXTLOG_DIR)
VARIABLES = (
    *("CLAUDE_CONFIG_DIR", "CODEX_HOME", "COPILOT_HOME", "GEMINI_CLI_HOME", "QWEN_HOME"),
    *("QWEN_RUNTIME_DIR", "XDG_DATA_HOME", "OPENCODE_DB", "PI_CODING_AGENT_DIR", "XDG_CONFIG_HOME"),
    *("PI_CODING_AGENT_SESSION_DIR", "OPENCLAW_STATE_DIR", "CLINE_DIR", "CLINE_DATA_DIR"),
)
PLACES = {
    "claude-code": ".claude/projects",
    "codex": ".codex/sessions",
    "copilot": ".copilot/session-state",
    "gemini": ".gemini/tmp",
    "qwen": ".qwen/projects",
    "opencode": ".local/share/opencode",
    "pi": ".pi/agent/sessions",
    "cline": ".cline/data",
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, in which one stands."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def kinds() -> list[str]:
    return [spec.kind for spec in usual(USUAL)]


def test_every_agent_has_a_usual_place() -> None:
    assert tuple(PLACES) == AGENTS


@pytest.mark.parametrize(("kind", "place"), PLACES.items())
def test_an_agent_is_found_where_it_writes(home: Path, kind: str, place: str) -> None:
    assert kinds() == []
    (home / place).mkdir(parents=True)
    assert kinds() == [kind]


def test_all_agents_that_there_are_are_found(home: Path) -> None:
    for place in PLACES.values():
        (home / place).mkdir(parents=True)
    assert kinds() == list(AGENTS)


def test_the_context_log_comes_first_and_alone(home: Path) -> None:
    (home / PLACES["codex"]).mkdir(parents=True)
    USUAL.mkdir(parents=True)
    assert kinds() == ["contextlog"]


def test_an_agent_is_found_where_its_own_variable_says(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "elsewhere/projects").mkdir(parents=True)
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(home / "elsewhere"))
    assert kinds() == ["claude-code"]
    ((source, _),) = telemetry_of(load(environ={})).listed
    assert source.key == f"claude-code:{home}/elsewhere/projects"


def test_a_context_log_that_was_named_and_is_absent_is_told_beside_what_there_is(
    home: Path,
) -> None:
    (home / PLACES["codex"]).mkdir(parents=True)
    telemetry = telemetry_of(load({"FGK_CONTEXTLOG_DIR": "gone"}, environ={}))
    assert [source.kind for source, _ in telemetry.listed] == ["codex"]
    (warning,) = telemetry.warnings
    assert "directory gone: No such file" in warning


def test_where_nothing_is_it_says_where_it_looked_and_what_to_do(home: Path) -> None:
    assert home.is_dir()
    with pytest.raises(TelemetryError) as failure:
        telemetry_of(load(environ={}))
    said = str(failure.value)
    for words in (CONTEXTLOG_DIR, "FGK_CONTEXTLOG_DIR", "--source", "tgt init"):
        assert words in said
    for place in ("~/.claude/projects", "~/.codex/sessions", "~/.local/share/opencode"):
        assert place in said


@pytest.mark.parametrize(
    "absent", ["codex", "otlp:gone", "auto:gone", "contextlog:gone", "claude-code:gone"]
)
def test_an_absent_place_is_a_warning_beside_one_that_is_there(home: Path, absent: str) -> None:
    (home / PLACES["pi"]).mkdir(parents=True)
    telemetry = telemetry_of(load({"TASKGEN_SOURCE": f"{absent},pi"}, environ={}))
    assert [source.kind for source, _ in telemetry.listed] == ["pi"]
    (warning,) = telemetry.warnings
    assert "No such file or directory; all the rest was read" in warning
    with pytest.raises(TelemetryError, match="No such file or directory"):
        telemetry_of(load({"TASKGEN_SOURCE": absent}, environ={}))


def test_of_several_absent_places_each_is_named(home: Path) -> None:
    assert home.is_dir()
    with pytest.raises(TelemetryError, match=r"in one: .*; .* in two: ") as failure:
        telemetry_of(load({"TASKGEN_SOURCE": "otlp:one,auto:two"}, environ={}))
    assert "TASKGEN_SOURCE" in failure.value.hint
