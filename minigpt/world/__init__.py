"""The micro-web: a small world of real places whose truth is known, so that answers can be scored.

The facts stand in `minigpt/data/facts.json`, made once by `freeze.py`. Everything else here reads
them: the corpus writes documents about them, questions ask for them, contractors answer well or
badly, a judge gives verdicts, labelers have taste.

Simplified against the real thing: the real web has no answer key.
"""
