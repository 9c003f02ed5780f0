"""What notebook 05, the reward model, needs alone."""

from minigpt.lessons.reward_model.best_of_n import (
    best_of_n_curve,
    chosen,
    gold_change,
    pools,
    search_figure,
)
from minigpt.lessons.reward_model.inspector import examples, inspect_reward, weak_spots
from minigpt.lessons.reward_model.labeler import label_pairs
