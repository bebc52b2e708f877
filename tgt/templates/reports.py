"""Reports of tests: what code raises while it is tested is a test that failed.

Tests fail while somebody develops, which is the work itself. That something is missing where they
run (a module, a server, a setting) is an error as anywhere else.
"""

from __future__ import annotations

import re

from tgt.templates.families import IN_A_TEST, family

# How runners of tests end when some have failed.
_REPORT = re.compile(
    r"^[= ]*\d{1,6} failed\b|^[= ]{4,}.{0,80}\b\d{1,6} failed\b"
    r"|short test summary info[ =]{1,80}\nFAILED |^FAILED \((?:failures|errors)=|^FAILURES!"
    r"|^ *(?:Tests?|Test Files|Test Suites):? {1,10}(?:\d{1,6} passed, )?\d{1,6} failed"
    r"|test result: FAILED|^--- FAIL: |^FAIL\t|^# fail [1-9]|^There were failing tests"
    r"|\b\d{1,6} (?:tests?|runs|examples?|specs?), (?:\d{1,6} assertions?, )?[1-9]\d{0,5} failures?"
    r"|\bExecuted \d{1,6} tests?, with [1-9]"
    r"|\b\d{1,6} tests? completed, [1-9]\d{0,5} failed|^Failed!  - Failed: "
    r"|^ *[1-9]\d{0,5} (?:fail|failing|tests? failed)$|Tests run: \d{1,6}, Failures: [1-9]",
    re.MULTILINE,
)
_RAISED_BY_CODE = frozenset({"wrong_value", "build_failed"})
_TEST_FAILED = "test_failed"
_LACKS_SOMETHING = re.compile(
    r"\b(?:requires|dependenc(?:y|ies)|install(?:ed)?|configur(?:ed|ation))\b"
)


def is_test_report(text: str) -> bool:
    return _REPORT.search(text) is not None


def in_a_test(template: str) -> str:
    """The template of an error that a report of tests tells."""
    error_family = family(template)
    if error_family is not None and error_family.name == _TEST_FAILED:
        return template
    is_of_code = (
        error_family is None
        or error_family.name in _RAISED_BY_CODE
        or template.startswith("AssertionError")
    )
    return (
        f"{IN_A_TEST}{template}"
        if is_of_code and not _LACKS_SOMETHING.search(template)
        else template
    )
