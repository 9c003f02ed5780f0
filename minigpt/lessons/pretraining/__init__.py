"""What notebook 02, pretraining, needs alone."""

from minigpt.lessons.pretraining.attention import attention_weights, copying_head, heads
from minigpt.lessons.pretraining.curves import loss_curves
from minigpt.lessons.pretraining.guess_next import guess_next
from minigpt.lessons.pretraining.mistakes import attention_mistake, loss_like
from minigpt.lessons.pretraining.sources import measure, mixtures, ways_of_asking
