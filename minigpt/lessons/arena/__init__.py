"""What notebook 07, the arena, needs alone."""

from minigpt.lessons.arena.errata import check_errors, print_summary
from minigpt.lessons.arena.players import (
    answer_entropies,
    document_bits,
    pick_one,
    ratings_figure,
    repeats_itself,
)
from minigpt.lessons.arena.vote import arena, kept_seconds, kept_votes
