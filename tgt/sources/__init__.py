"""Telemetry formats: which files there are, and how one of them becomes events."""
