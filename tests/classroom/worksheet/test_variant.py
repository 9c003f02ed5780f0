"""Each student's own tasks: drawn the same everywhere, right by a second way, and of no use to
others."""

import ast
import hashlib
import math
import os
import re
import subprocess
import sys
from itertools import combinations

import numpy as np
import pytest
import torch

from minigpt.arena import elo_update
from minigpt.classroom.grading.your_own import SEED
from minigpt.classroom.worksheet import variant
from minigpt.classroom.worksheet.checks import base_model, check_task, read, same, words
from minigpt.classroom.worksheet.tasks import HARD, MAKERS, Draw, facts, few_shot_about
from minigpt.classroom.worksheet.variant import seal, student_id
from minigpt.classroom.worksheet.worksheet import fill, filled, worksheet
from minigpt.generate import keep_top_p
from minigpt.lessons.arena.errata import retelling
from minigpt.model import IGNORE
from minigpt.ppo import clipped_loss, gae
from minigpt.reward import bradley_terry
from minigpt.sft import sft_batch
from minigpt.stages.scoring import prompt_score
from minigpt.store.files import ROOT
from minigpt.tokenizer import BYTES, bpe_encode
from minigpt.world.facts import load_world
from minigpt.world.questions import understood

TEXT = words("en")["tasks"]
CLASS = [f"student-{number:03}" for number in range(100)]
DISTINCT = {  # of 100 students, how many different right answers there must be
    "training-days": 95, "word-tokens": 95, "target-loss": 95, "perplexity-and-bits": 95,
    "few-shot-prompt": 70,  # the base model surely knows only some 300 such facts
    "kept-tokens": 95, "counted-positions": 80, "preference": 80, "ranking-pairs": 85,
    "clipped-loss": 90, "token-advantages": 95, "new-ratings": 95,
    "false-sentences": 60,  # nine numbers, three to five of them
}  # fmt: skip
ODD = ["o'brien", 'a "quoted" id', "学生", "<script>alert(1)</script>", "x" * 300, "{name}",
       "%s\\n", "a|b", "$x$", "../../etc"]  # fmt: skip


SECRET = "0123456789abcdef"


@pytest.fixture(autouse=True)
def nobody_is_graded(monkeypatch):
    monkeypatch.delenv(variant.GRADER, raising=False)
    monkeypatch.setattr(variant, "AT_START", "")
    monkeypatch.setenv(SEED, SECRET)


def task(name, student):
    return variant.task(name, student, SECRET)


def tasks(student):
    return variant.tasks(student, SECRET)


def solution(name, student):
    return task(name, student).expected


def check_answer(name, answer, student):
    variant.check_answer(name, answer, student, {})


SOURCE = {c["id"].removesuffix("-task"): c for c in worksheet()["cells"] if "-task" in c["id"]}


def text_of(one):
    """A task's text in the worksheet."""
    return fill(SOURCE[one.name]["source"], one.given)


def numbers(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"-?\d+(?:\.\d+)?", text.replace(",", ""))]


def rows(text: str) -> list[list[str]]:
    """The cells of the table in a task's text, without its header."""
    lines = [line.strip("| ").split(" | ") for line in text.split("\n") if line.startswith("|")]
    return lines[2:]


def everybody(name: str, students=CLASS):
    return [task(name, student) for student in students]


# ---- right by a second way, from what the text says --------------------------------------------


def test_days_are_six_operations_a_parameter_and_token():
    for one in everybody("training-days"):
        billions, trillions, gpus, speed, percent = (
            float(re.search(pattern, text_of(one).replace(",", ""))[1])
            for pattern in (r"([\d.]+) billion", r"([\d.]+) trillion tokens", r"(\d+) GPUs",
                            r"does (\d+) trillion", r"(\d+) %\*\* of it")
        )  # fmt: skip
        in_a_day = gpus * speed * 1e12 * percent / 100 * 24 * 60 * 60
        for off, right in ((1, True), (1.009, True), (0.991, True), (1.02, False), (0.98, False)):
            days = off * 6 * billions * 1e9 * trillions * 1e12 / in_a_day
            assert same(one, (days,), read(one, one.expected)) is right


def test_a_word_is_cut_as_the_tokenizer_cuts_it():
    for one in everybody("word-tokens"):
        table = re.findall(r"^\d+\. `(\w+)`$", text_of(one), re.M)
        word = re.search(r"the word `(\w+)`", text_of(one))[1]
        ranks = {token: rank for rank, token in enumerate([*BYTES, *(t.encode() for t in table)])}
        found = {rank: token.decode("latin-1") for token, rank in ranks.items()}
        assert one.expected == [found[rank] for rank in bpe_encode(word.encode(), ranks)]
        assert 1 < len(one.expected) < len(word), "there is something to join, and to stop at"


def test_the_loss_is_cross_entropy():
    for one in everybody("target-loss"):
        table = {name: float(logit) for name, logit in rows(text_of(one))}
        target = list(table).index(re.search(r"\*\*(.+?)\*\* comes next", text_of(one))[1])
        logits = torch.tensor([list(table.values())], dtype=torch.float64)
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor([target])).item()
        assert one.expected == pytest.approx(loss, abs=1e-9)


def test_perplexity_and_bits_are_those_of_the_text():
    for one in everybody("perplexity-and-bits"):
        text = re.search(r"^> (.+)$", text_of(one), re.M)[1]
        tokens = int(re.search(r"\*\*(\d+) tokens", text_of(one))[1])
        loss = float(re.search(r"\*\*([\d.]+) nats", text_of(one))[1])
        probability = np.exp(-loss)  # of each token, in the geometric mean
        assert len(text.encode()) > len(text)
        assert one.expected[0] == pytest.approx(1 / probability)
        assert one.expected[1] * len(text.encode()) == pytest.approx(-tokens * np.log2(probability))


def test_the_tokens_that_stay_are_those_of_generate():
    for one in everybody("kept-tokens"):
        table = {int(i): float(v.rstrip(" %")) for i, v in rows(text_of(one))}
        p = float(re.search(r"top-p = ([\d.]+)", text_of(one))[1])
        assert sum(table.values()) == 100
        kept = keep_top_p(torch.tensor([list(table.values())]), p)[0]
        assert set(one.expected) == {i for i, left in zip(table, kept) if left > 0}


def test_the_positions_that_count_are_those_of_sft():
    for one in everybody("counted-positions"):
        row = re.findall(r"(?<!\S)\d+:(\S+)", text_of(one).split("```")[1])
        assert row[0] == "<|endoftext|>" and row[-1] == "<|end|>"
        counted, begin = set(), 0
        for end in (i for i, token in enumerate(row) if token == "<|end|>"):
            start = row.index("<|assistant|>", begin) + 1
            _, targets = sft_batch([(list(range(start)), list(range(start, end + 1)))], pad=0)
            counted |= {i for i, target in enumerate(targets[0].tolist()) if target != IGNORE}
            begin = end
        assert set(one.expected) == counted and row.count("<|end|>") == 2


def test_preference_is_what_the_loss_is_made_of():
    for one in everybody("preference"):
        a, b = (float(x) for x in re.findall(r"reward \*\*(-?[\d.]+)", text_of(one)))
        rewards = (torch.tensor([x], dtype=torch.float64) for x in (a, b))
        loss = bradley_terry(*rewards)
        assert one.expected == pytest.approx(math.exp(-loss.item()), abs=1e-9)


def test_pairs_are_all_without_ties():
    for one in everybody("ranking-pairs"):
        ranking = re.search(r"`(.* > .*)`", text_of(one))[1]
        place = {
            x: i for i, group in enumerate(ranking.split(">")) for x in re.findall(r"\w", group)
        }
        assert sorted(place) == list("abcdef")
        pairs = {(x, y) for x in place for y in place if place[x] < place[y]}
        assert set(one.expected) == pairs and len(one.expected) == len(pairs)


def test_the_clipped_loss_is_that_of_ppo():
    for one in everybody("clipped-loss"):
        old, new, advantage, clip = (
            float(x) for x in re.findall(r"\*\*(-?[\d.]+)\*\*", text_of(one))
        )
        args = (torch.tensor([[x]], dtype=torch.float64) for x in (new, old, advantage, 1.0))
        assert one.expected == pytest.approx(clipped_loss(*args, clip).item(), abs=1e-9)
        assert not 1 - clip <= math.exp(new - old) <= 1 + clip, "or the clip would change nothing"


def test_advantages_are_those_of_gae():
    for one in everybody("token-advantages"):
        rewards, values = (ast.literal_eval(x) for x in re.findall(r"`(\[.*?\])`", text_of(one)))
        gamma, lam = (float(x) for x in re.findall(r"is\s+\*\*([\d.]+)\*\*", text_of(one)))
        r, v = (torch.tensor([x], dtype=torch.float64) for x in (rewards, values))
        found, _ = gae(r, v, torch.ones_like(r), gamma, lam)
        assert one.expected == pytest.approx(found[0].tolist(), abs=1e-9)


def test_ratings_are_those_of_the_arena():
    for one in everybody("new-ratings"):
        left, right, score, k = (float(x) for x in re.findall(r"\*\*([\d.]+)\*\*", text_of(one)))
        assert one.expected == pytest.approx(elo_update(left, right, score, k))


def test_false_sentences_are_those_of_the_errata():
    wrong = {s.text for s in retelling("en") if s.wrong}
    for one in everybody("false-sentences"):
        shown = dict(re.findall(r"^(\d)\. (.+)$", text_of(one), re.M))
        assert len(shown) == 9 and set(shown.values()) <= {s.text for s in retelling("en")}
        assert one.expected == [int(i) for i, text in shown.items() if text in wrong]
        assert 3 <= len(one.expected) <= 5, "neither answer is the safe one"


def test_the_base_model_answers_every_prompt_that_may_be_drawn():
    base, world = base_model("en"), load_world("en")
    drawn = [few_shot_about(number, world) for number in range(len(facts(world)))]
    score = prompt_score(base, [d.question for d in drawn], [d.expected for d in drawn])
    missed = {(d.question.place.id, d.question.attribute)
              for d, right in zip(drawn, score.correct) if not right}  # fmt: skip
    assert not missed, f"add these to HARD in variant_tasks.py: {missed}"
    assert set(HARD) <= set(world.facts), "HARD names facts of the world"


# ---- of no use to others -----------------------------------------------------------------------


@pytest.mark.parametrize("name", MAKERS)
def test_a_class_has_different_answers(name):
    answers = {read(one, one.expected) for one in everybody(name)}
    assert len(answers) >= DISTINCT[name]


def test_the_answers_of_another_student_fail_nearly_everywhere():
    passed = tried = 0
    for mine, other in combinations(CLASS[:30], 2):
        for name in MAKERS:
            own, answer = task(name, mine), solution(name, other)
            if own.question is not None and own.question.text in answer:
                passed += 1  # the same fact was drawn: that prompt works for both
                continue
            tried += 1
            try:
                check_task(own, answer)
                passed += 1
            except AssertionError as error:
                assert str(error)
    assert tried > 5000 and passed / tried < 0.005


def test_every_lesson_has_a_task_of_everybody():
    found = tasks("ann")
    lessons = [kind.lesson for kind in MAKERS.values()]
    assert {*lessons} == {f"{number:02}" for number in range(8)} and sorted(lessons) == lessons
    assert [one.name for one in found] == list(MAKERS) == list(TEXT)
    for one in found:
        assert f"`{one.variable}`" in text_of(one)
        assert "{" not in text_of(one) and "}" not in text_of(one)


# ---- checks ------------------------------------------------------------------------------------


@pytest.mark.parametrize("student", ["ann", "bob", "学生"])
def test_right_answers_pass_also_as_tensors_and_arrays(student):
    for one in tasks(student):
        forms = [one.expected]
        if one.form in ("number", "numbers"):
            forms += [
                np.array(one.expected),
                torch.tensor(one.expected, requires_grad=True).double(),
            ]
        if one.form == "numbers":
            forms += [tuple(one.expected), list(map(np.float64, one.expected))]
        if one.form == "set":
            forms += [set(one.expected), one.expected[::-1], np.array(one.expected)]
        if one.form == "pairs":
            forms += [[list(pair) for pair in one.expected], set(one.expected)]
        for answer in forms:
            check_answer(one.name, answer, student)


@pytest.mark.parametrize("name", [name for name in MAKERS if "mistakes" in TEXT[name]])
def test_typical_mistakes_fail_with_their_hint(name):
    for one in everybody(name, CLASS[:40]):
        assert len(one.mistakes) == len(TEXT[name]["mistakes"]) >= 2
        for mistake, _ in one.mistakes:
            given = read(one, mistake)
            hint = next(h for m, h in one.mistakes if same(one, given, read(one, m)))
            with pytest.raises(AssertionError) as failed:
                check_task(one, mistake)
            assert str(failed.value) == hint


def test_mistakes_computed_by_hand_are_recognised():
    one = task("training-days", "ann")
    said = [(one.expected / 6, "Two on the way"), (one.expected * 24, "hours"),
            (one.expected * 1.05, "divide them")]  # fmt: skip
    for answer, hint in said:
        with pytest.raises(AssertionError, match=hint):
            check_task(one, answer)
    one = task("counted-positions", "ann")
    with pytest.raises(AssertionError, match="one position earlier"):
        check_task(one, [position + 1 for position in one.expected])
    one = task("ranking-pairs", "ann")
    with pytest.raises(AssertionError, match="stands first in each pair"):
        check_task(one, [pair[::-1] for pair in one.expected])
    one = task("false-sentences", "ann")
    with pytest.raises(AssertionError, match="a false sentence is missing"):
        check_task(one, one.expected[1:])
    true = next(i for i in range(1, 10) if i not in one.expected)
    with pytest.raises(AssertionError, match="in your list is true"):
        check_task(one, [*one.expected, true])
    for guess in ([], range(1, 10)):
        with pytest.raises(AssertionError):
            check_task(one, list(guess))


class Anything(float):
    """A number that says it equals everything."""

    def __eq__(self, other):
        return True

    def __sub__(self, other):
        return 0.0

    __rsub__ = __sub__
    __hash__ = float.__hash__


NAN, HUGE = float("nan"), 10**400
WRONG_TYPES = [None, ..., True, "", "12", b"an", [], {}, [None], [[1]], {"a": 1}, object(), NAN,
               float("inf"), HUGE, 1j, [NAN] * 3, [True, False], Anything(1), [Anything(1)] * 3,
               ["a", 1], [("a",)], [("a", "b", "c")], [("a", 1)], ("a", "b"), NotImplemented,
               print, (x for x in "ab"), [HUGE, 1], [1, 1]]  # fmt: skip


@pytest.mark.parametrize("name", MAKERS)
@pytest.mark.parametrize("answer", WRONG_TYPES, ids=range(len(WRONG_TYPES)))
def test_values_of_a_wrong_type_are_told(name, answer):
    with pytest.raises(AssertionError) as failed:
        check_answer(name, answer, "ann")
    assert len(str(failed.value)) > 10


@pytest.mark.parametrize(
    "name, answer, said",
    [
        ("preference", None, "preference is not answered yet"),
        ("preference", "0.5", "preference should be one number, .* not a value of type str"),
        ("preference", float("nan"), "infinite or no number"),
        ("token-advantages", [1, 2], "a list of 3 numbers"),
        ("word-tokens", "ann", "a list of texts"),
        ("word-tokens", {"a", "b"}, "a list of texts, .* in order"),
        ("kept-tokens", [1.0], "a list of whole numbers"),
        ("kept-tokens", [3, 3], "something twice"),
        ("ranking-pairs", ["ab"], "a list of pairs"),
        ("few-shot-prompt", 3, "one text and not a value of type int"),
    ],
)
def test_messages_name_the_variable_and_the_type(name, answer, said):
    with pytest.raises(AssertionError, match=said):
        check_answer(name, answer, "ann")


def test_no_message_tells_a_right_answer():
    for student, other in zip(CLASS[:20], CLASS[1:]):
        for one in tasks(student):
            wrong = [*WRONG_TYPES, *(m for m, _ in one.mistakes), [], solution(one.name, other)]
            for answer in wrong:
                if one.question and isinstance(answer, str):
                    continue
                try:
                    check_task(one, answer)
                except AssertionError as error:
                    said = str(error)
                right = one.expected if isinstance(one.expected, list) else [one.expected]
                if one.form in ("number", "numbers"):
                    assert not {f"{x:.3f}" for x in right} & set(re.findall(r"-?\d+\.\d{3}", said))
                else:
                    assert repr(one.expected) not in said and str(one.expected) not in said


# ---- prompts -----------------------------------------------------------------------------------


def test_prompts_that_are_none_fail_and_say_why():
    one = task("few-shot-prompt", "ann")
    right, question, value = one.expected, one.question.text, one.question.answer
    number, *rest = value.split()
    cases = [
        ("", "has to stand in the prompt"),
        (right.replace(question, question.lower()), "has to stand in the prompt"),
        (f"{right} {value}\nQ: {question}\nA:", "stands in the prompt: the model has to find"),
        (f"{number}\n{' '.join(rest).upper()}\n{right}", "stands in the prompt: the model has to"),
        (f"{question}\n", "at least two other questions"),
        (right + " Q:" * 300, "shorten it"),
        (f"Where is Rome?\nHow large is Peru?\n{question}\n", "the model goes on with"),
    ]
    for prompt, said in cases:
        with pytest.raises(AssertionError, match=re.escape(said)) as failed:
            check_task(one, prompt)
        assert value not in str(failed.value)
    check_task(one, right)


def test_other_forms_of_a_right_prompt_pass():
    one = task("few-shot-prompt", "bob")
    shots = re.findall(r"^- (.+\?) (.+)$", text_of(one), re.M)
    for form in ("Q: {q}\nA:{a}\n", "Question: {q}\nAnswer:{a}\n"):
        shown = "".join(form.format(q=q, a=" " + a) for q, a in shots)
        check_task(one, shown + form.format(q=one.question.text, a="").rstrip("\n"))


# ---- whose tasks -------------------------------------------------------------------------------


def everything(student: str) -> str:
    return hashlib.sha256(
        "\n".join(text_of(t) + repr(t.expected) for t in tasks(student)).encode()
    ).hexdigest()


def test_the_same_in_every_process():
    code = ("from minigpt.classroom.worksheet.variant import tasks\n"
            f"print([(t.given, t.expected) for t in tasks('学生', {SECRET!r})])")  # fmt: skip
    for seed in ("0", "1", "random"):
        environment = {
            **os.environ,
            "PYTHONHASHSEED": seed,
            "PYTHONPATH": str(ROOT),
            "PYTHONUTF8": "1",
        }
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True,
                              text=True, encoding="utf-8")  # fmt: skip
        drawn = [(t.given, t.expected) for t in tasks("学生")]
        assert done.stdout.strip() == str(drawn), done.stderr


def test_draws_come_from_what_python_promises_to_keep():
    # random.Random(0).random() has been 0.8444..., 0.7579..., 0.4205... since Python 2.3
    draw = Draw(0)
    assert [draw.whole(1, 10), draw.part(0, 1), draw.pick("abcde")] == [9, 0.76, "c"]
    assert sorted(draw.some("abcdef", 6)) == list("abcdef")
    assert {Draw(n).whole(3, 5) for n in range(60)} == {3, 4, 5}


@pytest.mark.parametrize("spelled", ["ann", " Ann ", "ANN\n", "\tann"])
def test_one_student_however_the_id_is_typed(spelled):
    assert everything(spelled) == everything("ann")


def test_ids_are_compared_in_unicode():
    assert everything("José") == everything("Jose\u0301") != everything("Jose")
    assert everything("Straße") == everything("STRASSE")
    assert everything("ann") != everything("anne")


@pytest.mark.parametrize("student", ODD)
def test_odd_ids_have_tasks(student):
    assert student_id(student) == student
    assert len(tasks(student)) == len(MAKERS)


@pytest.mark.parametrize("student", ["", "  \n", "a\nb", "a\u200bb", "a\x00", "\ud800", "a\u2028b"])
def test_ids_that_nobody_can_read_are_refused(student):
    for ask in (student_id, tasks):
        with pytest.raises(ValueError, match="whose tasks|cannot be seen"):
            ask(student)


def test_a_number_is_an_id_and_other_things_are_not():
    assert student_id(20261234) == "20261234"
    for typed in (None, 1.5, True, ["ann"]):
        with pytest.raises(ValueError, match="an id is a text"):
            student_id(typed)


def test_the_grader_has_the_first_word(monkeypatch, tmp_path):
    folder = tmp_path / "autograded" / "cleo" / "worksheet"
    folder.mkdir(parents=True)
    assert student_id("ann") == "ann"
    monkeypatch.chdir(folder)
    assert student_id("ann") == student_id("") == "cleo"
    monkeypatch.setenv("MINIGPT_STUDENT", " bob ")
    assert student_id("ann") == "bob"
    monkeypatch.setenv("MINIGPT_STUDENT", "  ")
    assert student_id("ann") == "cleo", "an empty variable names nobody"
    monkeypatch.chdir(folder.parent)
    assert student_id("ann") == "ann", "only inside an assignment"


def test_what_the_grader_said_at_the_start_cannot_be_unsaid():
    code = ("from minigpt.classroom.worksheet.variant import student_id\nimport os\n"
            "os.environ['MINIGPT_STUDENT'] = 'friend'\nprint(student_id('friend'))")  # fmt: skip
    environment = {**os.environ, "MINIGPT_STUDENT": "ann", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.stdout.strip() == "ann", done.stderr


def test_unknown_names_are_told():
    with pytest.raises(ValueError, match="no task 'days': choose one of training-days"):
        check_answer("days", 1, "ann")


def test_another_secret_draws_other_tasks():
    other = variant.tasks("ann", SECRET[::-1])
    assert not [one.name for one, mine in zip(other, tasks("ann")) if one.given == mine.given]


# ---- without the secret: the seal in a student's worksheet --------------------------------------


@pytest.fixture
def sealed(monkeypatch):
    """Ann's seal, in a process that has no secret, as a student's."""
    found = seal("ann", SECRET)
    monkeypatch.delenv(SEED)
    return found


def test_the_seal_takes_right_answers_and_tells_mistakes_by_their_hints(sealed):
    for one in tasks("ann"):
        variant.check_answer(one.name, one.expected, "ANN ", sealed)
        for mistake, hint in one.mistakes:
            with pytest.raises(AssertionError) as failed:
                variant.check_answer(one.name, mistake, "ann", sealed)
            alike = [h for m, h in one.mistakes if same(one, read(one, mistake), read(one, m))]
            assert str(failed.value) in (*alike, hint)
        with pytest.raises(AssertionError, match="not answered yet"):
            variant.check_answer(one.name, None, "ann", sealed)


def test_what_the_seal_takes_grading_takes(sealed):
    for name in ("training-days", "new-ratings", "preference", "token-advantages"):
        one, taken = task(name, "ann"), []
        for far in (-1.3, -1.01, -0.74, -0.5, 0.1, 0.5, 0.74, 1.01, 1.3):
            right = read(one, one.expected)
            off = [x + far * one.tolerance * (abs(x) if one.relative else 1) for x in right]
            try:
                variant.check_answer(name, off if one.form == "numbers" else off[0], "ann", sealed)
                taken.append(far)
                check_task(one, off if one.form == "numbers" else off[0])
            except AssertionError:
                assert far not in taken
        assert taken == [-0.74, -0.5, 0.1, 0.5, 0.74]


def test_the_seal_takes_nothing_that_is_far_off(sealed):
    for one in (one for one in tasks("ann") if one.numeric):
        right = read(one, one.expected)
        for wrong in ([-x for x in right], *([x] * len(right) for x in (0, 1e308, -1e308, 1e-300))):
            with pytest.raises(AssertionError):
                answer = wrong if one.form == "numbers" else wrong[0]
                variant.check_answer(one.name, answer, "ann", sealed)


def test_another_ones_seal_or_none_takes_nothing(sealed):
    for one in tasks("ann"):
        if not one.question:
            with pytest.raises(AssertionError):
                variant.check_answer(one.name, one.expected, "bob", sealed)
        with pytest.raises(ValueError, match="only your teacher can check it"):
            variant.check_answer(one.name, one.expected, "ann", {})
    assert variant.check_answer("preference", solution("preference", "ann"), "ann", sealed) is None


def test_the_seal_and_a_students_copy_hold_no_answer():
    text = str(seal("ann", SECRET)) + str(filled(worksheet(), "ann", "")["metadata"])
    for one in tasks("ann"):
        right = one.expected if isinstance(one.expected, list) else [one.expected]
        numbers = one.form in ("number", "numbers")
        assert not any((f"{x:.3f}" if numbers else repr(one.expected)) in text for x in right)


def test_every_question_that_may_be_drawn_is_understood():
    world = load_world("en")
    for number in range(len(facts(world))):
        question = few_shot_about(number, world).question
        assert understood(world, question.text) == question
