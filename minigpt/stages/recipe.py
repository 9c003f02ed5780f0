"""The course's recipe: what each stage reads, how much of it, and with which settings."""

from dataclasses import dataclass, replace
from functools import cached_property

from minigpt.engine.bpe import fast_merges
from minigpt.engine.checks import Settings
from minigpt.engine.ranks import save_ranks
from minigpt.ppo import PPOConfig
from minigpt.pretrain import PretrainConfig
from minigpt.reward import RewardConfig
from minigpt.sft import SFTConfig, chat_answer, chat_prompt
from minigpt.stages.sizes import DEFAULT, EDITIONS, SIZES, size_of
from minigpt.tokenizer import PATTERNS, SPECIAL_TOKENS, load_tokenizer, train_bpe
from minigpt.world.contractors import demonstrations
from minigpt.world.corpus import MIXTURE, build_corpus, build_large_corpus, documents
from minigpt.world.facts import ASKED, DATA, load_world
from minigpt.world.questions import Questions, sample_questions

HELD_OUT_TOKENS = 150_000  # documents that are read for the held-out loss alone
SHARE = 20  # of this many steps a fast run takes one


@dataclass
class Recipe(Settings):
    """How much of everything the course uses. The stages' own settings are in their configs."""

    corpus_tokens: int = SIZES[DEFAULT].tokens  # tokens of the pretraining corpus, read once
    demonstrations: int = 22_000  # answers that contractors wrote
    comparison_prompts: int = 6000  # questions whose answers were ranked
    answers_per_prompt: int = 4  # sampled answers ranked a question, beside a written refusal
    rl_prompts: int = 4000  # questions that PPO draws from
    validation_questions: int = 400  # questions of split V on which checkpoints are chosen


class Plan:
    """The data and the settings of all runs of one seed and size.

    fast: a twentieth of everything, by the same code; figures are not meant then.
    """

    def __init__(
        self, lang="en", seed=0, recipe: Recipe | None = None, fast: bool = False,
        size: str = DEFAULT, say=print,
    ) -> None:  # fmt: skip
        self.world, self.encoding = load_world(lang), load_tokenizer(lang)
        self.lang, self.seed, self.size, self.say = lang, seed, size_of(size, lang), say
        self.recipe = recipe or Recipe(corpus_tokens=self.size.tokens)
        self.shrink = SHARE if fast else 1

    def count(self, n: int) -> int:
        return max(64, n // self.shrink)

    @cached_property
    def corpus(self):
        self.say("writing the corpus")
        tokens = self.recipe.corpus_tokens // self.shrink
        return build_large_corpus(self.world, self.encoding, tokens, self.seed)

    @cached_property
    def held_out_corpus(self):
        """Other documents about the same world, for the held-out loss."""
        return build_corpus(self.world, self.encoding, HELD_OUT_TOKENS, seed=self.seed + 1000)

    def demonstrations(self, **habits) -> list[tuple[list[int], list[int]]]:
        """The contractors' demonstrations as (prompt ids, answer ids)."""
        n, encoding = self.count(self.recipe.demonstrations), self.encoding
        return [
            (chat_prompt(encoding, d.question.text), chat_answer(encoding, d.answer))
            for d in demonstrations(self.world, n, self.seed, **habits)
        ]

    def prompts(self, questions: Questions) -> list[list[int]]:
        """The questions in the chat template."""
        return [chat_prompt(self.encoding, q.text) for q in questions]

    def questions(self, use: str) -> Questions:
        """ "compared", whose answers are ranked, or "practised", which PPO draws from, of splits A
        and B; or "validation", on which checkpoints are chosen, of split V. Names that stand in no
        document are those of the training makers. Rare places are compared and practised as often
        as popular ones, or PPO would learn to decline them."""
        recipe = self.recipe
        splits, n, seed, unknown = {
            "compared": (ASKED, recipe.comparison_prompts, 11, 0.35),
            "practised": (ASKED, recipe.rl_prompts, 23, 0.25),
            "validation": ("V", recipe.validation_questions, 77, 0.3),
        }[use]
        return sample_questions(
            self.world, splits, self.count(n), self.seed + seed, unknown,
            chat=0.0 if use == "validation" else 0.06, popular=use == "validation",
        )  # fmt: skip

    def settings(self, stage: str):
        """The config of one of the four stages for this seed and size."""
        if stage == "ppo":
            return self.shortened(PPOConfig(seed=self.seed))
        if stage == "reward":
            return RewardConfig(seed=self.seed)
        if stage == "base":
            config = PretrainConfig(self.size.batch_size, self.size.model.block_size)
        else:
            config = SFTConfig()
        return replace(config, head_lr=self.size.head_lr(config.head_lr), seed=self.seed)

    def shortened(self, config: PPOConfig) -> PPOConfig:
        return replace(config, iterations=max(2, config.iterations // self.shrink))


def tokenizer_text(lang: str, characters: int = 1_500_000) -> list[str]:
    """The texts that the shipped tokenizer was trained on: documents in the corpus's proportions,
    and a page that counts, so that each two-digit group is one token. GPT-4's vocabulary holds all
    numbers up to three digits for the same reason: a figure is then recalled in few steps."""
    out = [" ".join(f"{n:02d}" for n in range(100)) * 2000]
    for source, share in MIXTURE.items():
        left = characters * share
        for text in documents(load_world(lang), source, seed=12345):
            if left <= 0:
                break
            out.append(text)
            left -= len(text)
    return out


def make_tokenizer(lang: str) -> None:
    """Train the course's tokenizer of a language anew and write it into the package."""
    size = EDITIONS[lang].vocab_size - len(SPECIAL_TOKENS)
    ranks = train_bpe(tokenizer_text(lang), size, PATTERNS[lang], fast_merges)
    save_ranks(ranks, DATA / f"tokenizer-{lang}.tiktoken")
    load_tokenizer.cache_clear()
