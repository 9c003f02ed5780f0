"""What notebook 04, supervised finetuning, needs alone."""

from minigpt.lessons.sft.demonstrations import as_assistant
from minigpt.lessons.sft.loss_mask import view_loss_mask
from minigpt.lessons.sft.own_demonstrations import read_demonstrations
