"""minigpt: how a ChatGPT-like assistant is trained, on one small model that fits a laptop.

The eight files of the course, in reading order:

    1. tokenizer.py  text to integers and back: byte-level byte-pair encoding
    2. model.py      the GPT, its hidden states and the next-token loss
    3. generate.py   sampling: temperature, top-k, top-p
    4. pretrain.py   stage 1, pretraining: a base model that completes documents
    5. sft.py        stage 2, supervised finetuning: answers instead of documents
    6. reward.py     stage 3, reward modelling: which of two answers people prefer
    7. ppo.py        stage 4, reinforcement learning: answers that the reward model likes
    8. arena.py      blind votes between the stages, and a rating from them

This file exports nothing: write `from minigpt.pretrain import PretrainConfig, pretrain`. It and
__main__.py parse on every Python 3, so that an old one gets a sentence and no SyntaxError.
"""

import os

# PyTorch's threads (GNU's OpenMP, on Linux) wait for each other by spinning, for some milliseconds.
# Where two notebooks compute at once, they spin on cores that the other one needs: each becomes
# about ten times slower. A wait of microseconds costs one notebook alone next to nothing. Read when
# PyTorch is loaded, and by every process that is started from here (`python3 -m minigpt lab`).
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
