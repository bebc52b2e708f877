"""Telemetry that lies in ClickHouse: read where it is new, and reduced on the way."""
