"""What notebook 01, tokenization, needs alone."""

from minigpt.lessons.tokenization.figures import dots
from minigpt.lessons.tokenization.token_explorer import explore_tokens
from minigpt.lessons.tokenization.vocabulary import SIZES, fast_merges, held_out_bits
from minigpt.lessons.tokenization.vocabulary import our_encoding, training
