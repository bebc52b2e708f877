"""Settings: where they come from, what is accepted, and that little is loaded to know it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Workplace

from tgt import config, options
from tgt.analyzers import documentation, error_spike, signals
from tgt.errors import SettingsError


def refused(variable: str, value: object) -> str:
    """What the refusal of a value says."""
    with pytest.raises(SettingsError) as refusal:
        config.load({variable: value}, environ={})
    return refusal.value.message


QUOTAS = (
    f"a comma-separated list of ANALYZER=N, each analyzer once: {', '.join(config.ANALYZERS)} or"
    " rules/NAME, and N a whole number from 0 to 10000"
)


@pytest.mark.parametrize(
    ("variable", "value", "accepted"),
    [
        ("TASKGEN_WINDOW_MIN", "0", "a whole number from 1 to 10080"),
        ("TASKGEN_WINDOW_MIN", "10081", "a whole number from 1 to 10080"),
        ("TASKGEN_WINDOW_MIN", "1.5", "a whole number from 1 to 10080"),
        ("TASKGEN_WINDOW_MIN", "9" * 5000, "a whole number from 1 to 10080"),
        ("TASKGEN_WINDOW_MIN", "", None),
        ("TASKGEN_WINDOW_MIN", " 10080 ", None),
        ("TASKGEN_MIN_CONFIDENCE", "1.01", "a number from 0 to 1"),
        ("TASKGEN_MIN_CONFIDENCE", "nan", "a number from 0 to 1"),
        ("TASKGEN_MIN_CONFIDENCE", "-inf", "a number from 0 to 1"),
        ("TASKGEN_MIN_CONFIDENCE", "1e0", None),
        ("TASKGEN_ENABLED", "maybe", "1 or 0 (also true/false, yes/no, on/off)"),
        ("TASKGEN_ENABLED", "OFF", None),
        ("TASKGEN_REDACT", "none", "standard or strict"),
        ("FGK_TASKS_DIR", "\0", "the path of a directory"),
        ("TASKGEN_ERROR_SPIKE_MULTIPLIER", "1", "a number above 1 up to 1000"),
        ("TASKGEN_ERROR_SPIKE_MULTIPLIER", "1.001", None),
        ("TASKGEN_ERROR_SPIKE_MULTIPLIER", "nan", "a number above 1 up to 1000"),
        ("TASKGEN_CONTINUATION_THRESHOLD", "2", "a number from 0 to 1"),
        ("TASKGEN_CONTINUATION_THRESHOLD", "0", None),
        ("TASKGEN_DOCS_GAP_MIN_USAGE", "0", "a whole number from 1 to 1000000"),
        ("TASKGEN_DOCS_GAP_MIN_USAGE", "many", "a whole number from 1 to 1000000"),
        ("TASKGEN_LONG_WAIT_S", "0", "a number above 0 up to 86400"),
        ("TASKGEN_LONG_WAIT_S", "0.5", None),
        ("TASKGEN_DOCS_PATHS", "a, ~/b ,,", None),
        *(
            ("TASKGEN_ANALYZER_MAX_PER_HOUR", value, QUOTAS)
            for value in (
                *("docs_gap", "docs_gap=", "=2", "2", "docs_gap=x", "docs_gap=-1", "docs_gap=1.5"),
                *("docs_gap=10001", "docs_gap=" + "9" * 5000, "docs_gap=²", "docsgap=2", ","),
                *("docs_gap=1,docs_gap=2", "docs_gap=1,Docs-Gap=1", "rules/=1", "rules=1", "\0"),
                "docs_gap=1;performance=2",
            )
        ),
        ("TASKGEN_ANALYZER_MAX_PER_HOUR", " Docs-Gap = 0 ,, performance=10000 ", None),
    ],
)
def test_a_bad_value_is_refused_with_what_is_accepted(
    variable: str, value: str, accepted: str | None
) -> None:
    """The settings of the program and the options of analyzers speak alike."""
    if accepted is None:
        config.load({variable: value}, environ={})
    else:
        told = f"{variable}={value!r} is not usable: accepted is {accepted}"
        assert refused(variable, value) == told


def test_all_bad_values_are_told_at_once() -> None:
    values = {"TASKGEN_MAX_TASKS": "0", "TASKGEN_LONG_WAIT_S": "x", "TASKGEN_UX_ABORT_THRESHOLD": 9}
    with pytest.raises(SettingsError) as refusal:
        config.load(values, environ={})
    assert all(f"{name}=" in refusal.value.message for name in values)


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ("all", config.ANALYZERS),
        ("ux_issue,continuation", ("continuation", "ux_issue")),
        (" Docs-Gap ,, docs_gap", ("docs_gap",)),
        ("performance,all", config.ANALYZERS),
    ],
)
def test_analyzers_are_chosen_by_name_in_their_own_order(
    words: str, names: tuple[str, ...]
) -> None:
    assert config.load({"TASKGEN_ANALYZERS": words}, environ={}).analyzers == names


def test_quotas_of_analyzers_and_of_rules(tmp_path: Path) -> None:
    variable, rules = "TASKGEN_ANALYZER_MAX_PER_HOUR", tmp_path / "rules.toml"
    assert config.load(environ={}).analyzer_max_per_hour == ()
    settings = config.load({variable: "Performance=5, docs-gap=2"}, environ={})
    assert settings.analyzer_max_per_hour == (("performance", 5), ("docs_gap", 2))
    assert config.effective(settings)[variable] == "performance=5,docs_gap=2"
    rules.write_text(
        '[[rules]]\nname = "mine"\nmeasure = "count"\nmore_than = 3\ntitle = "t"\n'
        "where = \"name = 'a'\"\n"
    )
    values = {variable: "rules/mine=1", "TASKGEN_RULES": str(rules)}
    assert config.load(values, environ={}).analyzer_max_per_hour == (("rules/mine", 1),)
    with pytest.raises(SettingsError) as refusal:
        config.load({**values, variable: "rules/mien=1"}, environ={})
    told = "'rules/mien=1' is not usable: accepted is a rule that there is: rules/mine"
    assert refusal.value.message == f"{variable}={told}"
    assert refused(variable, "rules/mine=1").endswith("a rule that there is: there is none")
    # Where it is not known which rules there are the file alone is refused.
    rules.write_text("[[rules]\n")
    with pytest.raises(SettingsError) as refusal:
        config.load(values, environ={})
    assert variable not in refusal.value.message
    assert config.load({**values, "TASKGEN_RULES": "none"}, environ={}).rules.path is None


@pytest.mark.parametrize("words", [",", "x", "continuation,x", "all,x"])
def test_an_unknown_analyzer_is_refused_with_those_that_there_are(words: str) -> None:
    assert f"choice of {', '.join(config.ANALYZERS)}" in refused("TASKGEN_ANALYZERS", words)


def test_an_option_has_its_default_until_it_is_set() -> None:
    settings = config.load(environ={})
    assert settings.option(signals.LONG_WAIT) == 8
    assert settings.option(documentation.PATHS) == (Path("docs"), Path("README.md"))
    environ = {"TASKGEN_LONG_WAIT_S": "20", "TASKGEN_DOCS_PATHS": "manual.txt", "OTHER": "1"}
    changed = config.load({"TASKGEN_LONG_WAIT_S": 30.0}, environ=environ)
    assert changed.option(signals.LONG_WAIT) == 30, "a command-line option is stronger"
    assert changed.option(documentation.PATHS) == (Path("manual.txt"),)
    assert changed.option(error_spike.MULTIPLIER) == 3


def test_the_defaults_written_out_are_the_defaults() -> None:
    values = {name: config.default_text(name) for name in config.variables()}
    assert config.load(values, environ={}) == config.load(environ={})


def test_a_settings_file_is_found_in_the_usual_places(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The nearest counts, as a whole; one that is named counts alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "etc"))
    places = {3: tmp_path / "etc" / "tgt" / "tgt.env", 2: tmp_path / ".env", 1: tmp_path / "my.env"}
    for number, place in places.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(f"TASKGEN_MAX_TASKS={number}\n")
        assert config.load(environ={}).max_tasks == max(number, 2)
    assert config.load(environ={}, env_file=places[1]).max_tasks == 1
    assert config.load(environ={"TASKGEN_MAX_TASKS": "9"}).max_tasks == 9


def test_names_that_resemble_a_setting_are_told() -> None:
    names = {
        "TASKGEN_MAX_TASK",
        "TASKGEN_LONGWAIT_S",
        "TASKGEN_ZZZZZZZZZZZZZZZZZZ",
        "FGK_X",
        "PATH",
    }
    told = {
        "TASKGEN_MAX_TASK": "TASKGEN_MAX_TASKS",
        "TASKGEN_LONGWAIT_S": "TASKGEN_LONG_WAIT_S",
        "TASKGEN_ZZZZZZZZZZZZZZZZZZ": "",
    }
    assert config.misspelled({*names, *config.variables()}) == told


def test_what_decides_on_cards_can_be_varied() -> None:
    varying = set(config.varying())
    assert varying <= set(config.variables())
    assert varying >= set(config.options_of())
    fixed = {"FGK_TASKS_DIR", "TASKGEN_SOURCE", "TASKGEN_ENABLED", "TASKGEN_MEMORY_MB"}
    assert not varying & fixed


def test_every_value_is_told_as_it_would_be_written() -> None:
    settings = config.load({"TASKGEN_ENABLED": "no", "TASKGEN_LONG_WAIT_S": "12"}, environ={})
    told = config.effective(settings)
    assert tuple(told) == config.variables()
    assert (told["TASKGEN_ENABLED"], told["TASKGEN_LONG_WAIT_S"]) == ("0", "12.0")
    assert told["TASKGEN_DOCS_PATHS"] == "docs,README.md"


def test_an_option_is_a_setting_of_tgt_by_its_name() -> None:
    with pytest.raises(ValueError, match="TASKGEN_"):
        options.share("THRESHOLD", 0.5, "of anything")


SCRIPT = """
import json, sys
from tgt import config
config.load()
print(json.dumps([*sys.modules]))
"""


@pytest.mark.parametrize(
    ("environ", "asks_analyzers"),
    [
        ({}, False),
        ({"TASKGEN_MAX_TASKS": "3", "FGK_TASKS_DIR": "tasks"}, False),
        ({"TASKGEN_ANALYZERS": "docs_gap"}, False),
        ({"TASKGEN_LONG_WAIT_S": "9"}, True),
    ],
)
def test_analyzers_are_loaded_only_for_their_own_options(
    workplace: Workplace, environ: dict[str, str], asks_analyzers: bool
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=workplace.path,
        env=workplace.environment(**environ),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = set(json.loads(done.stdout))
    assert ("tgt.analyzers.ux_issue" in loaded) is asks_analyzers
    assert not loaded & {"duckdb", "rich", "scipy", "tgt.store", "tgt.engine.duckdb"}


@pytest.mark.parametrize("command", ["list", "stats", "config", "run", "pause"])
def test_a_bad_option_of_an_analyzer_stops_every_command(
    workplace: Workplace, command: str
) -> None:
    result = workplace.tgt(command, TASKGEN_UX_ABORT_THRESHOLD="2")
    assert result.status == 2
    told = "TASKGEN_UX_ABORT_THRESHOLD='2' is not usable: accepted is a number from 0 to 1"
    assert told in result.err
