"""The words of the worksheet: its instructions, and the questions that are answered in words.

Each question asks for something that only this student has: their own numbers, labels, votes,
prompts and runs. General knowledge, however well put, earns one point at most.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """A question to be answered in words, and what its answer earns."""

    lesson: str
    title: str
    text: str
    full: str  # what earns 2 points
    half: str  # 1 point
    none: str  # 0 points


TEXT = {
    "en": {
        "title": """\
# Worksheet: your own tasks

{how} Each of the {tasks} tasks has an answer cell: replace the line that raises an error by your
answer, run the cell, then run the check below it. If a check fails, its message says what to look
at. You may compute with Python and with the functions that the notebooks use.

At the end come {questions} questions that you answer in words. There are {points} points in
all.""",
        "shared": "Everybody in the class has other numbers and facts here, drawn from their id. "
        "Write your id, as your teacher has it, into the cell below, and run it. Grading goes by "
        "the id under which you hand in, so another one's answers earn nothing.",
        "own": "This is the worksheet of {student}. Everybody in the class has other numbers and "
        "facts in it, drawn from their id. Grading goes by the id under which you hand in, so "
        "another one's answers earn nothing.",
        "id": "your id, between the quotation marks",
        "example": "a grader names the student",
        "task": "### {number}. {title} (notebook {lesson})",
        "again": "notebook {heading}",
        "pass": "All checks pass.",
        "forms": {
            "number": "a number",
            "numbers": "a list of numbers",
            "texts": "a list of texts",
            "set": "a list of whole numbers",
            "pairs": "a list of pairs",
            "prompt": "a text",
        },
        "checks": {  # what is wrong with an answer
            "open": "{variable} is not answered yet",
            "number": "{variable} should be one number, such as 12.5, and not a value of type "
            "{type}",
            "finite": "{variable} holds a number that is infinite or no number (nan)",
            "numbers": "{variable} should be a list of {n} numbers, such as [0.5, -1.25], in order",
            "texts": '{variable} should be a list of texts, such as ["l", "an", "d"], in order',
            "set": "{variable} should be a list of whole numbers, such as [3, 5]",
            "pairs": '{variable} should be a list of pairs of texts, such as [("a", "b")]',
            "twice": "{variable} holds something twice: each belongs there once",
            "prompt": "{variable} should be one text and not a value of type {type}",
            "question": "your question has to stand in the prompt, letter by letter: {question}",
            "told": "the answer to your question stands in the prompt: the model has to find it "
            "itself",
            "shots": "few-shot means: at least two other questions with their answers, before "
            "yours",
            "long": "the prompt has {n} tokens, and the context has room for {most}: shorten it",
            "goes on": "the model goes on with {line}, and that is not the answer: is each shot in "
            "the same form, and does the prompt end where the answer begins, before its space?",
            "more": "the model goes on with more than the answer: let each shot have the bare "
            "value",
        },
        "in words": """\
## In your own words

{questions} questions, two points each. Three to eight sentences are enough. Each asks for what came
out in *your* run: quote your numbers, texts and choices as they stand in your notebooks, so that
somebody who runs them again finds the same. Keep your copies of the notebooks, for your teacher
may ask you to show where a number came from. An answer that would fit anybody's notebook earns one
point at most.""",
        "rubric": "**What earns how many points**",
        "columns": ["notebook", "question", "2 points", "1 point", "0 points"],
    },
}
QUESTIONS = {
    "en": [
        Words(
            "00",
            "Your days of training",
            "Write down your result of *Days of training* and the numbers that it came from. "
            "Halve the days in two ways, each time by changing one of your numbers: to what "
            "value, and what does it cost, in machines, money or in what the model can do? Then "
            "name one thing that makes a real run take longer than your number says, although the "
            "share of full speed is in it already.",
            "The student's own numbers. Two different changes with their new values (twice the "
            "GPUs, half the tokens, half the parameters, or twice the share or speed), each with "
            "its own price: twice the GPUs cost as many GPU hours as before and need them at "
            "once; fewer tokens or parameters cost quality; twice the share may be out of reach. "
            "One thing outside the formula: failures and restarts, lost updates, evaluations, "
            "waiting for machines, runs that are thrown away.",
            "Own numbers and correct new values, but a price is missing or the same for both "
            "ways, or the last point is only that GPUs are not at full speed, which is counted "
            "already.",
            "Numbers of nobody's task or of another student's, or the days are not halved.",
        ),
        Words(
            "01",
            "A word that nobody else has",
            "Choose a word that hardly anybody in your class will choose: a name from your "
            "family, your street, a word of your dialect. Cut it with our tokenizer and with "
            "GPT-4's, each with a space before it and without, as notebook 01 does. Write down "
            "the four rows of tokens. Then explain one place where the two tokenizers cut "
            "differently: which pair was joined in one of them, and what must the text have been "
            "like that it was trained on?",
            "Four rows that come out when the cell is run again. One difference is pinned to a "
            "certain token, and its cause is how often that pair stood in the training text at "
            "the moment of the merge: the small web of places and facts for ours, a large part of "
            "the web for GPT-4's. A row where the space changes the cut is not called an error.",
            "The rows are right, and the explanation stays general: one vocabulary is larger, "
            "rare words have more tokens.",
            "The rows do not come out when it is run again, or fewer than two are given, or the "
            "word is one of the notebook's own examples.",
        ),
        Words(
            "02",
            "You against the model",
            "Play at least ten texts of *You against the model* in notebook 02. Give your score "
            "and that of the model which has read most. Quote the words before one gap where one "
            "of you was right and the other was not, with your guess and the true word. What did "
            "the one who was right know that the other did not? Then give the probability that "
            "the model had for the true word, and the loss that follows from it.",
            "Scores of at least ten texts. A quoted gap with guess and true word. A reason that "
            "fits this gap: the model has read the micro-web's forms and facts; a person knows "
            "the world, the story so far, or how people talk. The loss is minus the natural "
            "logarithm of the probability that is given.",
            'Score and gap are there, but the reason would fit any gap ("it has read more"), or '
            "the loss is missing or does not follow from the probability.",
            "No quoted gap, or a gap that is not in the notebook's documents.",
        ),
        Words(
            "03",
            "Break your own prompt",
            "Take your prompt of *A prompt for your question* and change it a little, in one "
            "place, so that the model's most likely continuation is no longer the right answer; "
            "your question stays in it. Give the place before and after the change, and what the "
            "model wrote each time, letter by letter. What kind of document does the broken "
            "prompt look like to a model that has read the micro-web? Name one change that you "
            "tried and that did no harm.",
            "Both versions of the place and both continuations, which come out when they are run "
            "again. The explanation names a kind of document, or a habit of a source, in which "
            "the broken text is followed by what the model wrote. One harmless change is named.",
            "The prompt is broken as told and the continuations are right, but the explanation is "
            'that the model "got confused" or "did not understand"; or the harmless change is '
            "missing.",
            "Another student's question, or a continuation that does not come out.",
        ),
        Words(
            "04",
            "What your demonstrations teach",
            "In notebook 04, *You are the contractor*, replace all five demonstrations by your "
            "own, in a manner that nobody else in your class will choose, and run it. Quote one "
            "of your demonstrations, the two rows of the table (before, and after your five), and "
            "one answer that shows your manner. Then take your row of *Which positions count*: "
            "name one position of a question in it. What would the model learn if that position "
            "counted as well, and would you see it in the answers?",
            "Own demonstrations in a manner of their own, both rows of figures, a quoted answer. "
            "A position of the student's own row whose next token belongs to a question, with "
            "that token. Counting it teaches the model to write questions. Little of that would "
            "show in the answers, for it writes on after `<|assistant|>`, and whoever asks writes "
            "the questions. That some of the training is spent on it is a good further point.",
            "Run and quotes are there, but the position is not one of the student's row, or is "
            "one that counts, or the effect is only called bad.",
            "The five demonstrations of the notebook, or figures without a quote.",
        ),
        Words(
            "05",
            "Your taste, and what you did not mean",
            "Label at least thirty pairs in notebook 05. Quote the pair on which you hesitated "
            "longest: question, both answers, your choice and why. Say in one sentence the rule "
            "that you think you followed, and find one of your labels that breaks it. Then look "
            "at the judge of your labels in *Where it is fooled*: name one kind of answer that it "
            "puts above the right one though you did not mean it, or one that you meant and that "
            "it did not learn, with the figure from the table.",
            "A pair of their own with a reason that is seen in the two texts. A rule, and a label "
            "against it. One figure of the column of their own labels, read in the right "
            "direction, and why thirty labels bring that about: a trait that went along with what "
            "was meant, or too few pairs in which the answers differ in it.",
            "Pair, rule and exception are there, but the figure is not from the column of their "
            "own labels, or what was meant and what was learned are not held against each other.",
            "No pair of their own, or the column of the script (fewer than ten labels).",
        ),
        Words(
            "06",
            "One token, and your labels again",
            "First, your *One token in PPO*: did the token become more or less likely since it "
            "was drawn, was that wanted, and does the clipped loss still move it in the next "
            "step? Change the sign of your advantage and answer the last part again. Second, run "
            "*Your taste* of notebook 06 with your own labels: quote one question with the answer "
            "before and after, and give one figure that changed. Had you asked for this change "
            "when you labeled?",
            "From the student's own numbers: the ratio lies above or below 1; a move up is wanted "
            "at a positive advantage, a move down at a negative one. A wanted move beyond the "
            "clip is over: no gradient. An unwanted one is pulled back. With the other sign it is "
            "the other case. A quoted answer before and after from the run with their own labels, "
            "a figure, and a judgment that refers to how they labeled.",
            "One of the two parts is complete and right, the other is missing or general.",
            "Numbers of another student's task, and no answers from a run of their own.",
        ),
        Words(
            "07",
            "When you could not check",
            "Vote twenty times in notebook 07, the first ten times without looking up the answer, "
            "then ten times with. Copy the columns *won*, *tied* and *lost* of all players after "
            "the tenth vote and after the twentieth. Quote one vote of the first ten that you "
            "would take back, and what had convinced you. Then take your nine sentences of *Find "
            "the errors*: of which one were you least sure, and which result in your notebooks, "
            "which number or text, decided it?",
            "Two tables, in which wins and half of the ties add up to 10 and to 20 votes. A "
            "quoted vote (question and both answers), and what it went by: length, manners, "
            "confidence, an exact figure. One of the student's own nine sentences, rightly "
            "judged, with a certain result or passage that settles it.",
            "Tables and vote are there, but nothing is said of what convinced, or the sentence is "
            'settled by "the notebook says so" with no result named.',
            "Tables that do not add up or are the script's, or a sentence that is not among the "
            "student's nine.",
        ),
    ],
}
