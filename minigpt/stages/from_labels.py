"""From answers to labels, and from labels to a reward model: a few of one's own, or thousands of a
scripted labeler.

Labels of one question are a ranking of its answers, and all its pairs are in one batch.
"""

from collections.abc import Callable, Sequence
from itertools import groupby

import torch

from minigpt.generate import Sample
from minigpt.reward import (
    RewardConfig,
    RewardModel,
    normalise,
    reward_input,
    reward_inputs,
    sample_answers,
    train_reward,
)
from minigpt.sft import answer_text, chat_answer, chat_prompt
from minigpt.stages.labels import Label
from minigpt.stages.stage import Stage
from minigpt.store.words import _
from minigpt.world.facts import World
from minigpt.world.labelers import Chooser
from minigpt.world.questions import Question, sample_questions

FEW = 1000  # questions below which the new layers do not learn where to look
PASSES = 24  # over few labels; over more of them fewer, so that about UPDATES are made
UPDATES = 160


# ---- who labels ------------------------------------------------------------------------------


def compared(
    encoding, question: Question, answers: Sequence[Sample], choose: Chooser
) -> list[tuple[int, int, str]]:
    """What a scripted labeler says of all pairs among a question's answers: (i, j, choice).

    Pairs of the same text and answers that were cut off are left out: nobody is asked about them.
    """
    found = choose.ranking(question, [answer_text(encoding, s.ids) for s in answers])
    return [(i, j, choice) for i, j, choice in found if answers[i].ended and answers[j].ended]


def with_refusals(world: World, encoding, questions, samples) -> list[list[Sample]]:
    """The answers to each question, and, where it names a place, one more that was written: that
    one does not know the place. Sampled refusals of known places are too few to learn from."""
    decline = world.text.DECLINE[-1]
    return [
        [*row, Sample(chat_answer(encoding, decline.format(p=q.place.name)), [], True)]
        if q.place else row
        for q, row in zip(questions, samples)
    ]  # fmt: skip


def simulated_labels(encoding, questions, samples, choose: Chooser) -> list[Label]:
    """A scripted labeler's labels; samples: the answers to each question, as `sample_answers`
    gives them."""
    return [
        Label(question.text, answers[i].ids, answers[j].ids, choice)
        for question, answers in zip(questions, samples)
        for i, j, choice in compared(encoding, question, answers, choose)
    ]


def simulated_pairs(encoding, questions, samples, choose: Chooser) -> tuple[list, int]:
    """The same as `train_reward` takes it: for each question its (better, worse) pairs, indices
    into its answers; and how many ties there were."""
    rankings = [compared(encoding, q, row, choose) for q, row in zip(questions, samples)]
    pairs = [[(i, j) if c == "a" else (j, i) for i, j, c in row if c != "tie"] for row in rankings]
    return pairs, sum(map(len, rankings)) - sum(map(len, pairs))


# ---- learning from labels --------------------------------------------------------------------


def grouped(labels: Sequence[Label], encoding) -> tuple[list, list]:
    """Labels as `train_reward` takes them: for each question its answers as `reward_input` makes
    them, and its (better, worse) pairs. Ties are left out. Labels that follow one another and have
    the same question are of one ranking; the question may come again later."""
    sequences, pairs = [], []
    decided = (label for label in labels if label.preferred is not None)
    for question, ranking in groupby(decided, key=lambda label: label.question):
        answers: dict[tuple, int] = {}
        pairs.append([])
        for label in ranking:
            i, j = (answers.setdefault(ids, len(answers)) for ids in (label.a, label.b))
            pairs[-1].append((i, j) if label.choice == "a" else (j, i))
        prompt = chat_prompt(encoding, question)
        sequences.append([reward_input(encoding, prompt, list(ids)) for ids in answers])
    return sequences, pairs


def reward_from_labels(
    labels: Sequence[Label], sft_stage: Stage, seed: int = 0, sees_surprisal: bool = True,
    watch: Callable = iter,
) -> RewardModel:  # fmt: skip
    """A reward model of these labels, scaled to 0 ± 1 on the SFT model's own answers.

    Few labels are read several times in small batches, or there would be too few updates to learn
    anything, and the new layers then look at all tokens alike (`even_attention`). watch: takes the
    run, as `live` does, and gives its steps. ValueError if no label prefers one answer.
    """
    sequences, pairs = grouped(labels, sft_stage.encoding)
    if not pairs:
        raise ValueError(_(
            "There are no labels that prefer one answer: all are ties, or nothing was labeled. "
            "Label some pairs first."))  # fmt: skip
    model = RewardModel(sft_stage.model, seed, sees_surprisal)
    model.to(sft_stage.model.embedding.weight.device)
    config, passes = few_labels_config(len(pairs), seed)
    if len(pairs) < FEW:
        even_attention(model)
    for _step in watch(train_reward(model, sequences * passes, pairs * passes, config)):
        pass
    normalise(model, reference_answers(sft_stage))
    return model.eval().requires_grad_(False)


@torch.no_grad()
def even_attention(model: RewardModel) -> None:
    """Make the new layers' attention an even mean over all tokens so far, for good.

    Where to look takes many labels to learn. From thirty, a model that may choose finds some token
    that happens to tell the pairs apart; an even mean knows of length and manners, and of surprise.
    """
    for block in model.layers.blocks:
        queries_and_keys = block.qkv.weight.chunk(3)[:2]
        for weight in queries_and_keys:
            weight.zero_()  # scores are 0 then, and so are the gradients: it stays


def few_labels_config(questions: int, seed: int = 0) -> tuple[RewardConfig, int]:
    """Settings for labels of so many questions, and how many times they are read."""
    batch = 8 if questions < FEW else 32
    passes = max(1, min(PASSES, UPDATES * batch // questions))
    return RewardConfig(prompts_per_batch=batch, seed=seed), passes


def reference_answers(sft_stage: Stage) -> list[list[int]]:
    """Answers of the SFT model that set a reward model's scale, as `reward_input` makes them."""
    encoding = sft_stage.encoding
    questions = sample_questions(sft_stage.world, "A", 64, seed=11)
    prompts = [chat_prompt(encoding, q.text) for q in questions]
    samples = sample_answers(sft_stage.model, encoding, prompts, 4, seed=11)
    return [ids for row in reward_inputs(encoding, prompts, samples) for ids in row]
