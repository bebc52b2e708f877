"""``tgt gate`` from outside: what a CI job sees of a service's telemetry, in every form."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree as ET

import pytest
from command_server import Server
from conftest import END, NOW, Result, Workplace, before, call, hours_of

from tgt import __version__, demo
from tgt.errors import ExitStatus
from tgt.events import Interval
from tgt.gate import Change, Gate, Problem
from tgt.judgeable import Verdict
from tgt.output import gate_junit, gate_sarif, gate_view, text
from tgt.tasks.card import Card, Severity

HOSTILE = 'a"><failure/>]]>&{0} [x](https://evil.example)\x1b[2J\x07\u202e'
NEXT = (END + timedelta(minutes=1)).isoformat()
HEALTHY = (END - timedelta(days=2)).isoformat()


@dataclass(frozen=True)
class Service:
    """The week of the demo, which goes wrong in its last hours: once without a card, and once with
    those that a run saved in the end."""

    place: Path
    workplace: Workplace

    def gate(self, *words: str, has_run: bool = False, **more: str) -> Result:
        tasks = str(self.place / ("tasks" if has_run else "fresh"))
        file = str(self.place / ".env")
        return self.workplace.tgt("--env-file", file, "gate", *words, FGK_TASKS_DIR=tasks, **more)

    def files(self) -> dict[str, tuple[int, int]]:
        return {
            str(path): (path.stat().st_mtime_ns, path.stat().st_size)
            for path in sorted(self.place.rglob("*"))
        }


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Service:
    place = tmp_path_factory.mktemp("service")
    demo.write(place, END)
    workplace = Workplace(place, server)
    done = workplace.tgt("--env-file", str(place / ".env"), "run", "--now", NOW)
    assert done.status == 0, done.err
    # What was read once need not be read again by every test.
    shutil.copytree(place / "tasks" / "cache", place / "fresh" / "cache")
    return Service(place, workplace)


def test_what_went_wrong_since_fails_the_job(service: Service) -> None:
    kept = service.files()
    result = service.gate("--now", NOW)
    assert (result.status, result.err) == (10, "")
    first, counts, *rest = result.out.splitlines()
    assert first.endswith("new problems since 2025-11-03 15:00 UTC (high or worse)")
    assert "9 of 9 analyzers could judge" in counts
    assert "critical  Errors of read_file" in rest
    every = service.gate("--now", NOW, "--json", "--fail-on", "low").json["gate"]["problems"]
    shown = [each["title"] for each in every if each["severity"] in {"critical", "high"}]
    assert [line[10:] for line in rest if line.startswith(("critical", "high"))] == shown
    assert f"{len(every) - len(shown)} new but less severe" in counts
    assert len(every) > len(shown)
    assert service.files() == kept, "nothing is written"


def test_what_a_run_has_saved_since_fails_it_too(service: Service) -> None:
    kept = service.files()
    result = service.gate("--now", NEXT, "--json", has_run=True)
    assert result.status == 10
    problems = result.json["gate"]["problems"]
    assert {each["change"] for each in problems} == {"saved"}
    assert all(each["id"] for each in problems)
    assert service.files() == kept


def test_what_was_saved_before_does_not(service: Service) -> None:
    """An hour later nothing is new; but for the silence, which is not asked for."""
    later = (END + timedelta(minutes=55)).isoformat()
    words = ("--now", later, "--since", "50m", "--json")
    result = service.gate(*words, has_run=True, TASKGEN_ANALYZERS="error_spike,ux_issue")
    told = result.json["gate"]
    assert (result.status, told["outcome"], told["problems"]) == (11, "unknown", [])


def test_a_healthy_hour_passes(service: Service) -> None:
    result = service.gate("--now", HEALTHY)
    assert (result.status, result.err) == (0, "")
    assert result.out.splitlines()[0] == "Nothing new since 2025-11-01 15:00 UTC (high or worse)"


@pytest.mark.parametrize("since", ["30s", (END - timedelta(days=2, minutes=1)).isoformat()])
def test_too_little_telemetry_tells_nothing(service: Service, since: str) -> None:
    result = service.gate("--now", HEALTHY, "--since", since)
    assert result.status == 11
    told = "Too little telemetry since 2025-11-01 15:59 UTC to tell: no subject has 5 events in 3"
    assert " ".join(result.out.split()).startswith(told)


def test_no_telemetry_tells_nothing_and_says_what_is_missing(workplace: Workplace) -> None:
    log = workplace.path / ".forgekeeper" / "context_log"
    absent = workplace.tgt("gate", "--now", NOW, "--json")
    assert absent.status == 1
    assert "cannot read the telemetry directory" in absent.json["error"]
    log.mkdir(parents=True)
    empty = workplace.tgt("gate", "--now", NOW, "--json")
    assert empty.status == 11
    assert empty.json["gate"]["missing"].startswith("no events since then, nor before")
    assert empty.json["message"].startswith("Too little telemetry since 2025-11-03 15:00 UTC")
    assert not workplace.tasks.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--fail-on", "bad"], "--fail-on='bad' is not usable: accepted is critical, high"),
        (["--format", "xml"], "--format='xml' is not usable: accepted is text, json, junit or"),
        (["--since", "8d"], "--since='8d' is not usable: accepted is a time of the last 7 days"),
        (["--since", "soon"], "--since='soon' is not usable"),
        (["--since", "2025-11-03T17:00Z"], "it must lie in the past"),
    ],
)
def test_what_cannot_be_used_is_refused(workplace: Workplace, words: list[str], told: str) -> None:
    result = workplace.tgt("gate", "--now", NOW, *words)
    assert (result.status, result.out) == (2, "")
    assert told in result.err


def test_the_document_of_json(service: Service) -> None:
    plain = service.gate("--now", NOW, "--format", "json", "--fail-on", "low")
    result = service.gate("--now", NOW, "--json", "--fail-on", "low")
    assert result.out == plain.out
    assert service.gate("--json", "--format", "sarif", "--now", HEALTHY).json["gate"]
    told = result.json["gate"]
    assert (result.status, told["exitStatus"], told["outcome"]) == (10, 10, "failed")
    assert (told["since"], told["until"]) == ("2025-11-03T15:00:00.000Z", NOW)
    assert told["milder"] == 0
    by_type = {each["type"]: each for each in told["problems"]}
    assert by_type["documentation_gap"]["severity"] == "medium"
    spike = by_type["error_spike"]
    assert (spike["change"], spike["id"], spike["subject"]) == ("new", None, "tool_call/read_file")
    assert len(spike["samples"]) == 3
    assert [each["analyzer"] for each in told["analyzers"]][:2] == ["continuation", "error_spike"]
    assert all(each["judged"] for each in told["analyzers"])


# --- JUnit ----------------------------------------------------------------------------------------


def test_the_document_of_junit(service: Service) -> None:
    result = service.gate("--now", NOW, "--format", "junit")
    assert (result.status, result.err) == (10, "")
    assert result.out.isascii()
    suites = ET.fromstring(result.out)
    (suite,) = suites
    assert (suites.tag, suite.tag, suite.get("name")) == ("testsuites", "testsuite", "tgt")
    cases = {case.get("name"): case for case in suite.findall("testcase")}
    problems = service.gate("--now", NOW, "--json").json["gate"]["problems"]
    assert len(cases) == 9
    for name, case in cases.items():
        titles = [each["title"] for each in problems if each["analyzer"] == name]
        assert [failure.get("message") for failure in case.findall("failure")] == titles
    failing = sum(case.find("failure") is not None for case in cases.values())
    assert (suite.get("tests"), suite.get("failures")) == ("9", str(failing))
    assert (suite.get("errors"), suite.get("skipped")) == ("0", "0")
    (spike,) = cases["error_spike"].findall("failure")
    assert spike.get("type") == "critical"
    assert str(spike.text).count(".jsonl:") == 3


def test_what_could_not_be_judged_is_skipped_in_junit(service: Service) -> None:
    result = service.gate("--now", HEALTHY, "--since", "30s", "--format", "junit")
    assert result.status == 11
    (suite,) = ET.fromstring(result.out)
    assert (suite.get("tests"), suite.get("skipped"), suite.get("failures")) == ("9", "9", "0")
    reasons = {case.find("skipped").get("message") for case in suite.findall("testcase")}  # type: ignore[union-attr]
    assert reasons == {"no subject has 5 events in 3 conversations"}


# --- SARIF ----------------------------------------------------------------------------------------


def check_sarif(document: Any) -> Any:
    """What the schema of SARIF 2.1.0 asks of the parts that are used, and GitHub beyond it."""
    assert document["version"] == "2.1.0"
    assert document["$schema"].endswith("sarif-2.1.0.json")
    (run,) = document["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["version"]) == ("tgt", __version__)
    ids = [rule["id"] for rule in driver["rules"]]
    assert len(set(ids)) == len(ids)
    for rule in driver["rules"]:
        assert rule.keys() <= {"id", "name", "shortDescription"}
    for message in _messages(document):
        assert message.keys() == {"text"}
        assert isinstance(message["text"], str)
        assert message["text"]
        assert message["text"].count("{") % 2 == message["text"].count("}") % 2 == 0
        assert "](" not in message["text"]
    (invocation,) = run["invocations"]
    assert isinstance(invocation["executionSuccessful"], bool)
    for note in invocation["toolExecutionNotifications"]:
        assert note["level"] in {"none", "note", "warning", "error"}
    for result in run["results"]:
        assert result["ruleId"] == ids[result["ruleIndex"]]
        assert result["level"] in {"none", "note", "warning", "error"}
        assert result["kind"] == "fail"
        assert 0 <= result["rank"] <= 100
        assert result["locations"]
        assert all(isinstance(each, str) for each in result["partialFingerprints"].values())
        for location in result["locations"]:
            assert location["logicalLocations"][0]["fullyQualifiedName"]
            if "physicalLocation" in location:
                place = location["physicalLocation"]
                assert place["region"]["startLine"] >= 1
                uri = place["artifactLocation"]["uri"]
                assert uri.isascii()
                assert not set(uri) & set(' <>"{}|\\^`')
    return run


def _messages(value: Any) -> list[Any]:
    if isinstance(value, list):
        return [message for item in value for message in _messages(item)]
    if not isinstance(value, dict):
        return []
    told = [v for k, v in value.items() if k in {"message", "shortDescription"}]
    return told + [message for item in value.values() for message in _messages(item)]


def test_the_document_of_sarif(service: Service) -> None:
    result = service.gate("--now", NOW, "--format", "sarif", "--fail-on", "low")
    assert (result.status, result.err) == (10, "")
    run = check_sarif(result.json)
    assert run["invocations"][0]["exitCode"] == 10
    problems = service.gate("--now", NOW, "--json", "--fail-on", "low").json["gate"]["problems"]
    levels = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}
    for told, problem in zip(run["results"], problems, strict=True):
        assert told["ruleId"] == problem["type"]
        assert told["level"] == levels[problem["severity"]]
        assert told["partialFingerprints"] == {"tgt/v1": problem["fingerprint"]}
        logical, *_ = told["locations"][0]["logicalLocations"]
        assert logical["fullyQualifiedName"] == problem["subject"]
        places = [each["physicalLocation"] for each in told["locations"]]
        stands = [
            (service.place / unquote(each["artifactLocation"]["uri"]), each["region"]["startLine"])
            for each in places
        ]
        assert [(str(path), line) for path, line in stands] == [
            (sample["file"], sample["line"]) for sample in problem["samples"]
        ]


def test_a_gate_that_passes_or_cannot_tell_is_sarif_without_results(service: Service) -> None:
    passed = service.gate("--now", HEALTHY, "--format", "sarif")
    assert passed.status == 0
    assert check_sarif(passed.json)["results"] == []
    unknown = service.gate("--now", HEALTHY, "--since", "30s", "--format", "sarif")
    run = check_sarif(unknown.json)
    assert (unknown.status, run["invocations"][0]["exitCode"], run["results"]) == (11, 11, [])
    (note,) = run["invocations"][0]["toolExecutionNotifications"]
    assert note["message"]["text"] == "no subject has 5 events in 3 conversations"


# --- hostile and broken telemetry -----------------------------------------------------------------


@pytest.fixture
def hostile(workplace: Workplace) -> Workplace:
    """A tool with a hostile name that fails, in a file whose name has to be quoted."""
    log = workplace.path / ".forgekeeper" / "context_log"
    log.mkdir(parents=True)

    def calls(minutes: float, conv: str, bad: bool) -> list[dict[str, Any]]:
        return [call(minutes, conv, HOSTILE, status="error" if bad else "ok")]

    lines = [*hours_of(calls), *(call(m, f"n{m}", HOSTILE, status="error") for m in range(1, 41))]
    (log / "a [%41] ü{0}.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8"
    )
    return workplace


GATE = ("gate", "--now", NOW, "--fail-on", "high")


def test_hostile_names_stay_text_in_every_form(hostile: Workplace) -> None:
    environment = {"TASKGEN_ANALYZERS": "error_spike"}
    shown = hostile.tgt(*GATE, **environment)
    assert shown.status == 10
    assert not set(shown.out) & set("\x1b\x07\u202e")
    assert "a [%41]" in shown.out

    (suite,) = ET.fromstring(hostile.tgt(*GATE, "--format", "junit", **environment).out)
    (case,) = suite.findall("testcase")
    (failure,) = case.findall("failure")
    assert len(failure) == 0
    assert '"><failure/>]]>&{0} [x](https://evil.example)' in str(failure.get("message"))
    assert not set(ET.tostring(suite, encoding="unicode")) & set("\x1b\x07\u202e")

    run = check_sarif(hostile.tgt(*GATE, "--format", "sarif", **environment).json)
    (result,) = run["results"]
    assert "{{0}} [x] (https://evil.example)" in result["message"]["text"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == ".forgekeeper/context_log/a%20%5B%2541%5D%20%C3%BC%7B0%7D.jsonl"


def test_what_cannot_be_read_is_a_warning_and_fails_a_job_that_would_pass(
    workplace: Workplace,
) -> None:
    log = workplace.path / ".forgekeeper" / "context_log"
    log.mkdir(parents=True)
    calls = [{**call(m, f"c{m}", "x"), "ts": before(m)} for m in range(1, 30)]
    (log / "a.jsonl").write_text("".join(json.dumps(line) + "\n" for line in calls))
    assert workplace.tgt(*GATE).status == 0
    (log / "b.jsonl.gz").write_bytes(b"\x1f\x8b\x08\x00broken")
    result = workplace.tgt(*GATE, "--json")
    assert result.status == 4
    assert "b.jsonl.gz" in result.json["gate"]["warnings"][0]
    assert "b.jsonl.gz" in result.err
    assert workplace.tgt(*GATE, "--since", "30s").status == 11, "this weighs more"


# --- what the outputs say of what real telemetry seldom has ---------------------------------------


def a_gate(*problems: Problem, verdicts: tuple[Verdict, ...] = (), **changes: Any) -> Gate:
    period = Interval(END - timedelta(hours=1), END)
    return Gate(period, Severity.HIGH, 100, problems=problems, verdicts=verdicts, **changes)


def test_an_analyzer_that_failed_is_an_error(tmp_path: Path) -> None:
    failed = Verdict("mine", "custom", "", is_judged=False, failure="analyzer mine failed: {x}")
    other = Verdict("theirs", "custom", "it is {bad}")
    told = a_gate(verdicts=(failed, other), warnings=("analyzer mine failed: {x}",))
    (suite,) = ET.fromstring(gate_junit.gate(told))
    assert (suite.get("errors"), suite.get("tests"), suite.get("skipped")) == ("1", "2", "0")
    run = check_sarif(gate_sarif.gate(told, ExitStatus.DEGRADED, tmp_path))
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["custom"]
    assert run["invocations"][0]["executionSuccessful"] is False
    assert "mine" in gate_view.gate(text.Screen(80, colour=False), told)


@pytest.mark.parametrize(
    "samples",
    [None, "x", [], [{"file": "a"}, {"file": "a", "line": 0}, {"file": "a", "line": True}, 3]],
)
def test_a_card_of_another_writer_is_told_as_far_as_it_goes(tmp_path: Path, samples: Any) -> None:
    """Saved since by somebody, about something that no analyzer here is asked for."""
    card = Card({"id": "01K", "type": "odd", "severity": "high", "evidence": {"samples": samples}})
    told = a_gate(Problem(Change.SAVED, card))
    (suite,) = ET.fromstring(gate_junit.gate(told))
    (case,) = suite.findall("testcase")
    assert (case.get("name"), len(case.findall("failure"))) == ("odd", 1)
    document = gate_sarif.gate(told, ExitStatus.PROBLEM_FOUND, tmp_path)
    (result,) = document["runs"][0]["results"]
    assert "physicalLocation" not in result["locations"][0]
    assert "1 new problem since" in gate_view.gate(text.Screen(80, colour=False), told)


@pytest.mark.parametrize(
    ("file", "uri"),
    [
        ("{root}/log/a b.jsonl", "log/a%20b.jsonl"),
        ("/elsewhere/a:b.jsonl", "file:///elsewhere/a%3Ab.jsonl"),
        ("log/ü.jsonl", "log/%C3%BC.jsonl"),
        ("log/\ud800.jsonl", "log/%3F.jsonl"),
    ],
)
def test_where_a_file_lies(tmp_path: Path, file: str, uri: str) -> None:
    samples = [{"file": file.format(root=tmp_path), "line": 7}]
    card = Card(
        {"id": "01K", "type": "odd", "title": "t", "subject": "s", "severity": "low"}
    ).changed(evidence={"samples": samples}, fingerprint="f")
    run = check_sarif(gate_sarif.gate(a_gate(Problem(Change.NEW, card)), 10, tmp_path))
    (location,) = run["results"][0]["locations"]
    assert location["physicalLocation"]["artifactLocation"]["uri"] == uri
    assert run["results"][0]["level"] == "note"


def test_a_document_names_the_time_that_it_looked_at(service: Service) -> None:
    since = datetime.fromisoformat(HEALTHY) - timedelta(minutes=30)
    told = service.gate("--now", HEALTHY, "--since", since.isoformat(), "--json").json["gate"]
    assert told["since"] == "2025-11-01T15:30:00.000Z"
