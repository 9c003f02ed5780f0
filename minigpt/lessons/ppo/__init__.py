"""What notebook 06, PPO, needs alone."""

from minigpt.lessons.ppo.bugs import EXHIBITS, choices, diagnose, exhibit
from minigpt.lessons.ppo.flight_instruments import flight_instruments
from minigpt.lessons.ppo.instruments import evaluate_round
from minigpt.lessons.ppo.other_uses import contend, contender_table
from minigpt.lessons.ppo.results import (
    labeler_tables,
    over_figure,
    parts_figure,
    parts_table,
    price_figure,
    price_table,
)
