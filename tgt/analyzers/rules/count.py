"""Rules about a count: so many events in the run's window. A count is a fact."""

from __future__ import annotations

from collections.abc import Iterator

from tgt.analyzers.builder import Judged
from tgt.analyzers.criteria import gone, reading_of
from tgt.analyzers.figures import Measure, Unit
from tgt.analyzers.judgements import Judgement, capped, of_conversations
from tgt.analyzers.rules.asked import Asked, Said
from tgt.analyzers.rules.question import Question
from tgt.analyzers.touched import Harm
from tgt.engine.protocol import Reading
from tgt.events import Interval
from tgt.outcome import Abstention
from tgt.tasks.card import Finding
from tgt.tasks.criterion import Criterion, Tally


class Count(Question):
    """The number of events that count."""

    def judge(self, window: Interval) -> Iterator[Judged]:
        for reading in self.context.snapshot.counts(self.signals[0], window):
            yield reading.subject, self._judged(self.asked(reading.subject, window), reading)

    def tally(self, criterion: Criterion, since: Interval) -> Tally | None:
        """How many conversations have something that counts, where others can have none of it."""
        readings = self.context.snapshot.counts(self.signals[0], since)
        reading = reading_of(readings, criterion.subject)
        if self.rule.counted == "true" or reading is None:
            return None
        now = reading.now
        return gone(criterion, *((now.k, now.n) if now.by_event else (now.bad_units, now.units)))

    def _judged(self, question: Asked, reading: Reading) -> Finding | Abstention | None:
        now, line = reading.now, self.rule.more_than or 0.0
        if now.k <= line:
            return None
        if missing := self.too_few(now):
            return question.abstention(missing)
        conversations = now.bad_conversations or now.k
        judgement = Judgement(
            Measure("events", Unit.COUNT, now.k, threshold=line, noun="events"),
            capped(of_conversations(conversations), by_event=now.by_event),
            details={"n": now.n, "k": now.k, "conversations": now.bad_conversations},
        )
        where = f" in {now.bad_conversations} conversations" if now.bad_conversations else ""
        wording = Said(
            str(now.k), None, f"{line:g}", f"{now.k} events of {question.label} count{where}"
        )
        return question.finding(
            judgement, wording, touched=question.builder.touched_by(now, Harm.FAILED)
        )
