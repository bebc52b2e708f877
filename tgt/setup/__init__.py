"""Setting tgt up for one account: what telemetry there is, the settings file, what runs it."""
