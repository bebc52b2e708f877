"""The triage screen: a thin shell of keys and lines over ``tgt.board``, the use case behind it.

A screen, its bindings and its messages stand in one file. Nothing here decides what a card means
or what may be done with it, and text of a card reaches the terminal only through ``tgt.output``,
which makes it harmless; nothing is ever taken for markup.
"""
