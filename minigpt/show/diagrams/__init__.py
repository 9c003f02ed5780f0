"""Pictures of ideas: one file a diagram, drawn from numbers that the caller passes.

Each function takes plain data and returns a `Diagram`: a cell's last expression, or `.svg` inside a
widget's HTML. Sequences of numbers may be lists, arrays or tensors; tokens are texts, as
`minigpt.show.pieces` gives them. Whatever is too long is cut off with an ellipsis, and whatever is
written is escaped.
"""

from minigpt.show.diagrams.pipeline import pipeline
from minigpt.show.diagrams.merge_tree import merge_tree
from minigpt.show.diagrams.shifted_window import shifted_window
from minigpt.show.diagrams.minus_log_p import minus_log_p
from minigpt.show.diagrams.sampling_loop import sampling_loop
from minigpt.show.diagrams.attention_arcs import attention_arcs
from minigpt.show.diagrams.prompt_in_document import prompt_in_document
from minigpt.show.diagrams.mask_over_chat import mask_over_chat
from minigpt.show.diagrams.two_answers import two_answers
from minigpt.show.diagrams.four_models import four_models
from minigpt.show.diagrams.clip_curve import clip_curve
from minigpt.show.diagrams.votes_to_ratings import votes_to_ratings
from minigpt.show.diagrams.svg import Diagram
