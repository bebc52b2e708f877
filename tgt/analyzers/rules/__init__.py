"""Analyzers made of rules: what a rules file asks, judged as tgt's own questions are."""
