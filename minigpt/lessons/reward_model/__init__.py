"""What notebook 05, the reward model, needs alone."""

from minigpt.lessons.reward_model.best_of_n import (
    best_of_n_curve,
    best_of_n_explorer,
    curve_figure,
    gold_change,
)
from minigpt.lessons.reward_model.inspector import (
    inspect_reward,
    kind_word,
    scores_by_kind,
    utility_by_kind,
)
from minigpt.lessons.reward_model.labeler import GOAL, label_pairs, scripted
from minigpt.lessons.reward_model.taste import TRAITS, preferences
