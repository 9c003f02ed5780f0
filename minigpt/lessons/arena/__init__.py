"""What notebook 07, the arena, needs alone."""

from minigpt.lessons.arena.errata import check_errors, errata_text
from minigpt.lessons.arena.players import (
    document_bits,
    first_entropies,
    pick_one,
    places_named,
    ratings_figure,
    repeats_itself,
)
from minigpt.lessons.arena.vote import arena, kept_seconds, kept_votes
