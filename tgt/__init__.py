"""Telemetry-driven Task Generator: from what LLM agents log to a short list of task cards."""

__version__ = "1.0.0"
