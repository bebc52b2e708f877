"""Targets: how several stand in one setting, and what is shown of one."""

from __future__ import annotations

import pytest

from tgt.config import effective, load
from tgt.targets import Target, labels, parse


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("slack://a/b/c", ["slack://a/b/c"]),
        ("slack://a,mailto://b", ["slack://a", "mailto://b"]),
        ("slack://a, mailto://b\tjson://c\n", ["slack://a", "mailto://b", "json://c"]),
        ("json://h/?to=a@x.example,b@y.example", ["json://h/?to=a@x.example,b@y.example"]),
        ("json://u:a%2Cb%20c@h/", ["json://u:a%2Cb%20c@h/"]),
        ("exec:notify.sh --to ops, slack://a", ["exec:notify.sh --to ops", "slack://a"]),
        ("slack://a exec:mail -s tgt ops exec:other", ["slack://a", "exec:mail -s tgt ops"]),
        ("exec:echo a b,c append:x", ["exec:echo a b,c append:x"]),
        ("exec:echo a,append:x y", ["exec:echo a", "append:x y"]),
        ("exec:curl -d @- https://h/x", ["exec:curl -d @-", "https://h/x"]),
        ("exec:curl -d @- 'https://h/x, exec:y'", ["exec:curl -d @- 'https://h/x, exec:y'"]),
        ('exec:a "b\\" c://d", slack://a', ['exec:a "b\\" c://d"', "slack://a"]),
        ("exec:a don't, slack://a", ["exec:a don't", "slack://a"]),
        ("EXEC:a Exec:b", ["EXEC:a", "Exec:b"]),
        ("slack://a slack://a", ["slack://a"]),
        ("exec:a, nobody, exec:b", ["exec:a", "nobody", "exec:b"]),
        ("exec:a 'b, c' d", ["exec:a 'b, c' d"]),
        ("#ops slack://a", ["#ops", "slack://a"]),
        (" ,\t, ", []),
    ],
)
def test_several_stand_in_one_setting(text: str, parts: list[str]) -> None:
    assert [target.text for target in parse(text)][: len(parts)] == parts
    assert len(parse(text)) == len(parts) + text.count(" exec:other")


@pytest.mark.parametrize(
    ("text", "notifier", "place"),
    [
        ("slack://a/b", "apprise", "slack://a/b"),
        ("apprise:slack://a/b", "apprise", "slack://a/b"),
        ("https://hooks.example/x", "apprise", "https://hooks.example/x"),
        ("exec: mail ops ", "exec", "mail ops"),
        ("append:/var/log/x", "append", "/var/log/x"),
        ("nobody", "", "nobody"),
    ],
)
def test_which_notifier_reaches_it(text: str, notifier: str, place: str) -> None:
    target = Target(text)
    assert (target.notifier, target.place) == (notifier, place)


SECRET = "hunter2-S3cret"
WITH_SECRETS = [
    f"slack://{SECRET}/b/c",
    f"mailto://me:{SECRET}@mail.example?to=ops@x.example",
    f"https://hooks.example/services/{SECRET}",
    f"exec:curl -H {SECRET}",
    f"exec:{SECRET}=x curl",
    f"exec:'{SECRET} x",
    f"append:/x/{SECRET}",
    SECRET,
]


@pytest.mark.parametrize("text", WITH_SECRETS)
def test_nothing_shows_more_than_its_kind(text: str) -> None:
    settings = load({"TASKGEN_NOTIFY": text}, environ={})
    (target,) = settings.notify
    for shown in (str(target), repr(target), repr(settings), str(effective(settings))):
        assert SECRET not in shown
    assert SECRET not in target.key


def test_who_looks_alike_is_numbered() -> None:
    targets = parse("slack://a slack://b exec:mail x exec:mail")
    assert list(labels(targets).values()) == [
        *("slack://…", "slack://… (2)", "exec:mail …", "exec:mail")
    ]


@pytest.mark.parametrize("text", WITH_SECRETS[:4])
def test_what_a_target_says_is_taken_out_of_what_is_said_of_it(text: str) -> None:
    target = Target(text)
    told = target.redacted(f"cannot reach {target.place} with {SECRET}: time-out")
    assert SECRET not in told
    assert told.startswith("cannot reach ")
    assert told.endswith(" with …: time-out")


def test_an_escaped_password_is_taken_out_in_either_form() -> None:
    target = Target("mailto://me:p%40ss%20word@mail.example")
    assert target.redacted("535 p@ss word, p%40ss%20word") == "535 …, …"
