"""How the course shows things: tables, figures, strips, live runs, predictions, widgets.

A notebook imports from here, and first, for it says which package is missing.
"""

from minigpt.show.start import environment  # isort: skip

from minigpt.show.concept_quiz import concept_test, ten_questions
from minigpt.show.figure import curves, figure, intervals, say, share_bars, show
from minigpt.show.live import live
from minigpt.show.predict import predict, scoreboard
from minigpt.show.progress import progress
from minigpt.show.results import beside_shipped, load_results
from minigpt.show.strip import Strip, pieces, shades
from minigpt.show.style import STAGE_COLOURS, amount, signed, verdict_shares
from minigpt.show.table import Cell, Table
