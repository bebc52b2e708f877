"""``tgt gate`` as JUnit's XML, which nearly every CI server shows: a test case for each analyzer.

It is written in ASCII, so that no locale and no pipe changes what it says.
"""

from __future__ import annotations

from datetime import timezone
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from tgt.output.gate_words import message, places
from tgt.output.safe import safe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tgt.gate import Gate, Problem
    from tgt.judgeable import Verdict

_LINE = 1000


def gate(result: Gate) -> str:
    """The document: a failure for each problem, an error for each analyzer that failed, and
    skipped for those that could judge nothing."""
    by_analyzer: dict[str, list[Problem]] = {each.analyzer: [] for each in result.verdicts}
    for problem in result.problems:
        by_analyzer.setdefault(problem.card.analyzer or problem.card.type, []).append(problem)
    verdicts = {each.analyzer: each for each in result.verdicts}
    suite = ET.Element("testsuite", name="tgt")
    for analyzer, problems in by_analyzer.items():
        suite.append(_case(analyzer, verdicts.get(analyzer), problems))
    counts = {
        "tests": str(len(suite)),
        "failures": str(len(suite.findall("testcase/failure/.."))),
        "errors": str(len(suite.findall("testcase/error/.."))),
        "skipped": str(len(suite.findall("testcase/skipped/.."))),
    }
    ended = result.period.end.astimezone(timezone.utc)
    suite.attrib.update(counts, timestamp=f"{ended:%Y-%m-%dT%H:%M:%S}")
    ET.SubElement(suite, "system-out").text = safe(message(result), limit=_LINE)
    suites = ET.Element("testsuites", {"name": "tgt gate", **counts})
    suites.append(suite)
    ET.indent(suites)
    written: bytes = ET.tostring(suites, encoding="us-ascii", xml_declaration=True)
    return written.decode("ascii") + "\n"


def _case(analyzer: str, verdict: Verdict | None, problems: Sequence[Problem]) -> ET.Element:
    case = ET.Element("testcase", classname="tgt.gate", name=safe(analyzer, limit=100), time="0")
    for problem in problems:
        card = problem.card
        failure = ET.SubElement(
            case,
            "failure",
            type=safe(card.severity, limit=20),
            message=safe(card.title, limit=200),
        )
        failure.text = "\n".join(_lines(problem))
    if verdict is None or problems:
        return case
    if verdict.failure:
        ET.SubElement(case, "error", type="failed", message=safe(verdict.failure, limit=_LINE))
    elif not verdict.is_judged:
        ET.SubElement(case, "skipped", message=safe(verdict.missing, limit=_LINE))
    return case


def _lines(problem: Problem) -> list[str]:
    card = problem.card
    lines = [
        f"{card.severity}: {card.subject}",
        *card.text("description").splitlines(),
        *(f"{file}:{line}" for file, line in places(card.mapping("evidence").get("samples"))),
    ]
    return [safe(line, limit=_LINE) for line in lines]
