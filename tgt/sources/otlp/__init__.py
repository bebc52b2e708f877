"""OpenTelemetry: one reader for all encodings, one table of names for all dialects."""
