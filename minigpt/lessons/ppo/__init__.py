"""What notebook 06, PPO, needs alone."""

from minigpt.lessons.ppo.cockpit import cockpit
from minigpt.lessons.ppo.flight_instruments import flight_instruments
from minigpt.lessons.ppo.instruments import evaluate_round
from minigpt.lessons.ppo.mistakes import advantages_like, loss_like, rewards_like
from minigpt.lessons.ppo.museum import museum
from minigpt.lessons.ppo.other_uses import contend, contender_table
from minigpt.lessons.ppo.results import (
    beside_shipped,
    followed,
    fresh_answers,
    labelers_table,
    one_answer,
    reward_lines,
)
