"""The trained stages, ready to use: `load_stage("base")`, `load_stage("sft")` and so on.

A stage is the learner's own run where there is one, else the checkpoint that came with the course.
"""

import math
from collections.abc import Iterable, Set
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from minigpt.engine.device import pick_device
from minigpt.generate import generate_all
from minigpt.model import GPT
from minigpt.reward import RewardModel, reward_text
from minigpt.sft import answer_text, chat_prompt
from minigpt.stages.own import back_line, own_checkpoints, stale_lines, stale_stages
from minigpt.stages.sizes import DEFAULT
from minigpt.store import checkpoint
from minigpt.store.checkpoint import SHIPPED, file_hash, load_model
from minigpt.store.files import is_checkpoint
from minigpt.store.words import language
from minigpt.tokenizer import load_tokenizer
from minigpt.world.facts import World, load_world
from minigpt.world.questions import Question

BASE, STEP_0 = "base.safetensors", "base_step_00000"
LONGEST_LINE, LONGEST_DOCUMENT, LONGEST_ANSWER = 24, 60, 40  # tokens


@dataclass(frozen=True)
class Answer:
    """What a model said to a question."""

    text: str
    ids: list[int]  # as sampled, with the token that ended it
    ended: bool  # False: it was cut off


@dataclass
class Stage:
    """A trained model with its tokenizer and its world."""

    name: str  # "base", "sft", "reward", "ppo", …
    model: GPT | RewardModel
    encoding: object  # tiktoken.Encoding
    world: World
    meta: dict  # what the checkpoint says of itself: config, seed, parent, tokens, metrics
    path: Path
    own: bool  # whether it is the learner's own run

    @property
    def is_chat(self) -> bool:
        """Whether the model was taught the chat template."""
        return self.name.startswith(("sft", "ppo"))

    def prompt(self, question: Question | str, bare=False) -> tuple[list[int], Set[int], int]:
        """How the model is asked: the ids it goes on from, what ends its answer, and how many
        tokens it has for it.

        An assistant reads the question in the chat template. A base model reads a document,
        `Q: … A:`, and the rest of the line is its answer; or, bare, the question alone, and the
        rest of the document.
        """
        text, encoding = getattr(question, "text", question), self.encoding
        if self.is_chat:
            end = encoding.encode_single_token("<|end|>")
            return chat_prompt(encoding, text), {end}, LONGEST_ANSWER
        start = encoding.encode_single_token("<|endoftext|>")
        document = f"{text}\n" if bare else f"Q: {text}\nA:"
        ids = [start, *encoding.encode_ordinary(document)]
        if bare:
            return ids, {start}, LONGEST_DOCUMENT
        return ids, line_ends(encoding), LONGEST_LINE

    def ask(
        self, questions: Iterable[Question | str], temperature: float = 0.0, seed: int = 0,
        bare: bool = False, longest: int | None = None,
    ) -> list[Answer]:  # fmt: skip
        """One answer to each question; greedy unless told. The same question asked twice gets two
        samples. longest: in tokens, where it is not to be `prompt`'s."""
        self._must_write()
        asked = [self.prompt(question, bare) for question in questions]
        if not asked:
            return []
        prompts, (stop, *_), (most, *_) = map(list, zip(*asked))
        found = generate_all(
            self.model, prompts, longest or most, temperature=temperature, stop=stop, seed=seed
        )
        return [Answer(self.text(s.ids, bare), s.ids, s.ended) for (s,) in found]

    def text(self, ids: list[int], bare: bool = False) -> str:
        """An answer's ids as people read them."""
        if self.is_chat:
            return answer_text(self.encoding, ids)
        text = document_text(self.encoding, ids)
        return (text if bare else text.split("\n")[0]).strip()

    def complete(
        self, prompt: str, samples: int = 1, seed: int = 0, temperature: float = 1.0,
        max_new_tokens: int = 80,
    ) -> list[str]:  # fmt: skip
        """How the model goes on with a text, as a document: `samples` continuations."""
        self._must_write()
        return document_completions(
            self.model, self.encoding, [prompt] * samples, max_new_tokens, temperature, seed
        )

    def answer(self, question: str | list[str], temperature: float = 0.0, seed: int = 0):
        """The text of the answer to a question, or to each of a list; greedy unless told."""
        many = [question] if isinstance(question, str) else question
        texts = [answer.text for answer in self.ask(many, temperature, seed)]
        return texts[0] if isinstance(question, str) else texts

    def sample(self, question: str, samples: int, seed: int = 0) -> list[str]:
        """`samples` different answers to one question, at temperature 1."""
        return self.answer([question] * samples, 1.0, seed)

    def score(self, question: str, answer: str) -> float:
        """The reward model's score of an answer: 0 ± 1 on the SFT model's own answers."""
        if not isinstance(self.model, RewardModel):
            raise ValueError(f'stage "{self.name}" has no reward head: load_stage("reward") does')
        return self.model.score([reward_text(self.encoding, question, answer)]).item()

    def _must_write(self) -> None:
        if isinstance(self.model, RewardModel):
            raise ValueError(
                "a reward model cannot write, only score: its head gives one number. "
                'Use load_stage("sft") or load_stage("ppo")'
            )

    @property
    def line(self) -> str:
        """What is said when it is loaded: of one's own, also the way back and if it is stale."""
        if not self.own:
            return str(self)
        said = f'{self}. The course\'s: load_stage("{self.name}", own=False)'
        folder, lang = self.path.parent, self.world.lang
        stale = stale_stages(folder, lang) if folder == own_checkpoints(lang) else {}
        return f"{said}\n{stale_lines([stale[self.name]])}" if self.name in stale else said

    def __repr__(self) -> str:
        whose = "your own run" if self.own else "shipped"
        made = self.path.is_file()
        which = file_hash(self.path) if made else f"made from seed {self.meta.get('seed')}"
        return f"{self.name} ({whose}, {which}, parent {self.meta.get('parent') or 'none'})"


@lru_cache
def line_ends(encoding) -> frozenset[int]:
    """The tokens at which a line or the document ends."""
    special = {encoding.encode_single_token(name) for name in encoding.special_tokens_set}
    plain = (i for i in range(encoding.n_vocab) if i not in special)
    ends = {i for i in plain if b"\n" in encoding.decode_single_token_bytes(i)}
    return frozenset(ends | {encoding.encode_single_token("<|endoftext|>")})


def document_text(encoding, ids: list[int]) -> str:
    """The text of a document's ids, without the token that ends it."""
    end = encoding.encode_single_token("<|endoftext|>")
    return encoding.decode([i for i in ids if i != end])


def document_completions(
    model: GPT, encoding, prompts: Iterable[str], max_new_tokens=LONGEST_DOCUMENT, temperature=1.0,
    seed=0, line=False, top_p=None,
) -> list[str]:  # fmt: skip
    """How a model goes on with each text, to the end of the document; with `line`, to the end of
    the line."""
    end = encoding.encode_single_token("<|endoftext|>")
    ids = [[end, *encoding.encode_ordinary(prompt)] for prompt in prompts]
    found = generate_all(
        model, ids, max_new_tokens, temperature=temperature, top_p=top_p, seed=seed,
        stop=line_ends(encoding) if line else {end},
    )  # fmt: skip
    texts = [document_text(encoding, sample.ids) for (sample,) in found]
    return [text.split("\n")[0] for text in texts] if line else texts


def assistant(model: GPT, encoding, world: World | None = None) -> Stage:
    """A stage of an assistant that is in no file, such as one in training."""
    return Stage("sft", model, encoding, world, {}, Path(), own=True)


def chat_answers(model: GPT, encoding, questions: list[str]) -> tuple[list[str], list[bool]]:
    """An assistant's most likely answer to each question, and whether it ended by itself."""
    answers = assistant(model, encoding).ask(questions)
    return [a.text for a in answers], [a.ended for a in answers]


def load_stage(
    name: str, own: bool = True, lang: str = "en", device: str = "auto", quiet: bool = False,
    size: str = DEFAULT,
) -> Stage:  # fmt: skip
    """The trained stage of that name, and a line that says which file it is.

    own: take the learner's own run where there is one; False: always the shipped checkpoint.
    size: of `train --size`; none but the default is shipped.
    Raises FileNotFoundError that lists what there is, and ValueError for a file that is damaged or
    of another version. A file of the learner's that cannot be used stays as it is.
    """
    folders = [(own_checkpoints(lang, size), True)] if own else []
    folders += [(SHIPPED / lang, False)] if size == DEFAULT else []
    for folder, is_own in folders:
        path = folder / f"{name}.safetensors"
        if path.is_file() or (name == STEP_0 and (folder / BASE).is_file()):
            try:
                stage = read_stage(path, lang, device, is_own)
            except (FileNotFoundError, ValueError) as error:
                shipped = SHIPPED / lang / path.name
                if not is_own or size != DEFAULT or not shipped.is_file():
                    raise
                raise type(error)(
                    f"{error}. Until then take the one that came with the course: once with "
                    f'load_stage("{name}", own=False), or always, with yours put aside: '
                    + back_line(name)
                ) from None
            if not quiet:
                print(stage.line)
            return stage
    files = [path for folder, _ in folders for path in folder.glob("*.safetensors")]
    found = {path.stem for path in files if is_checkpoint(path)}
    there = ", ".join(sorted(found)) or "none"
    option = "" if size == DEFAULT else f" --size {size}"
    raise FileNotFoundError(f"there is no stage {name!r}. There are: {there}. `python3 -m minigpt "
                            f"train{option}` makes them")  # fmt: skip


def read_stage(path: Path, lang: str = "en", device: str = "auto", own: bool = True) -> Stage:
    """The stage in one checkpoint file; a reward model if its metadata says so. STEP_0 is in no
    file: it is made from what the base model beside it says."""
    there = path.is_file() or path.stem != STEP_0
    meta = checkpoint.read_meta(path) if there else {}
    version = str(meta.get("minigpt", checkpoint.VERSION))
    if version.split(".")[:2] != checkpoint.VERSION.split(".")[:2]:
        raise ValueError(f"{path} was kept by minigpt {version}, and this is {checkpoint.VERSION}: "
                         "it is of another version. Keep yours anew in its notebook, which leaves "
                         "this file under another name")  # fmt: skip
    if meta.get("kind") == checkpoint.REWARD:
        gpt, _ = load_model(checkpoint.find_parent(path, meta))
        model = RewardModel(gpt, sees_surprisal=meta.get("sees_surprisal", True))
        sft_part = {f"gpt.{name}": tensor for name, tensor in gpt.state_dict().items()}
        checkpoint.load_into(model, {**sft_part, **checkpoint.load_tensors(path)}, path)
        model.origin = checkpoint.origin(path, meta)
    else:
        model, meta = load_model(path) if there else untrained(path.with_name(BASE))
        gpt = model
    encoding = load_tokenizer(lang)
    if gpt.config.vocab_size != encoding.n_vocab:
        raise ValueError(f"{path} has a vocabulary of {gpt.config.vocab_size} tokens, and the "
                         f"course's has {encoding.n_vocab}: it is of another version. "
                         f"{checkpoint.ANEW}")  # fmt: skip
    model.to(pick_device(device)).eval().requires_grad_(False)
    return Stage(path.stem, model, encoding, load_world(lang), meta, Path(path), own)


def untrained(path: Path) -> tuple[GPT, dict]:
    """The model that a base model's run began with, as its snapshot would be, and its metadata."""
    base, meta = load_model(path)
    model = GPT(base.config, seed=meta.get("seed", 0))
    model.load_state_dict({name: w.bfloat16() for name, w in model.state_dict().items()})
    loss = round(math.log(base.config.vocab_size), 4)  # all its logits are zero
    begun = {"stage": STEP_0, "step": 0, "tokens": 0, "flops": 0}
    return model, {**meta, **begun, "metrics": {"held_out_loss": loss}}


def snapshots() -> list[str]:
    """The names of the shipped snapshots through pretraining, in order of their steps."""
    files = (SHIPPED / language()).glob("base*.safetensors")
    return sorted({STEP_0 if p.name == BASE else p.stem for p in files if is_checkpoint(p)})
