"""What notebook 04, supervised finetuning, needs alone."""

from minigpt.lessons.sft.measures import (
    as_assistant,
    before_and_after,
    by_times_read,
    habits_table,
    reads_bars,
    shares,
    token_costs,
    verdict_bars,
)
from minigpt.lessons.sft.own_demonstrations import read_demonstrations
