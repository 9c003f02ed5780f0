"""What notebook 02, pretraining, needs alone."""

from minigpt.lessons.pretraining.guess_next import guess_next
from minigpt.lessons.pretraining.mixture import explore_mixture
from minigpt.lessons.pretraining.own_text import own_text
