"""What notebook 00, the whole course on one page, needs alone."""

from minigpt.lessons.overview.compare import compare
from minigpt.lessons.overview.course_map import course_map
