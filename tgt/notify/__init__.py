"""Telling people what is news: the one part of tgt that others hear of, run as a program of its
own. A notifier's process loads its notifier from here, and none of the rest."""
