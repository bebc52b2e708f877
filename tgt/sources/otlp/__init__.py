"""OpenTelemetry: one reader for all encodings, one table of names for all dialects."""

from __future__ import annotations

from tgt.sources.otlp.decode import recognises
from tgt.sources.otlp.source import SUFFIXES, Otlp

__all__ = ["SUFFIXES", "Otlp", "recognises"]
