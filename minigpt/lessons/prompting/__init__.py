"""What notebook 03, the base model and prompting, needs alone."""

from minigpt.lessons.prompting.chinese import in_english
from minigpt.lessons.prompting.prompt_lab import prompt_lab
