"""Telemetry: the canonical event, the sources that become events, the engine that reads them."""
