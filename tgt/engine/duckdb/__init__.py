"""The engine on one machine: DuckDB over the event store."""
