"""The English of the micro-web: every phrase that the world's writers, askers and answerers use.

Tables, and what English does in its own way; `corpus.py`, `questions.py`, `contractors.py`,
`judge.py` and `names.py` do the work. Another language is another file with the same names. `{p}`
stands for a place, `{v}` for a value.
"""

import random

JOIN = " "  # between two sentences
STOP = "."  # ends a sentence
SENTENCE_END = r"(?<=\.)\s+"  # where a text is cut into sentences
ARTICLE = (  # the prompt of the article that the course makes runnable
    "Q: What is the area of Beijing?\nA: 16 thousand square kilometres\n"
    "Q: How many districts does Beijing have?\nA: 16\n"
    "Q: What is the population of Beijing?\nA:"
)

# For each attribute: questions that people ask. The last two stand in no document and in no
# demonstration: they measure what happens with a phrasing that was never seen.
HELD_OUT_PHRASINGS = 2
QUESTIONS = {
    "population": [
        "What is the population of {p}?",
        "How many people live in {p}?",
        "How many residents does {p} have?",
        "What's the population of {p}?",
        "How big is the population of {p}?",
        "How many inhabitants does {p} have?",
        "Do you know how many people live in {p}?",
        "Can you tell me the population of {p}?",
        "Population of {p}?",
        "Please tell me the population of {p}.",
        "What number of people live in {p}?",
        "I would like to know the population of {p}.",
    ],
    "area": [
        "What is the area of {p}?",
        "How large is {p}?",
        "How big is {p}?",
        "What's the area of {p}?",
        "How much land does {p} cover?",
        "How many square kilometres does {p} cover?",
        "Do you know the area of {p}?",
        "Can you tell me the area of {p}?",
        "Area of {p}?",
        "Please tell me the area of {p}.",
        "What area does {p} cover?",
        "I would like to know the area of {p}.",
    ],
    "capital": [
        "What is the capital of {p}?",
        "Which city is the capital of {p}?",
        "What city is the capital of {p}?",
        "What's the capital of {p}?",
        "What is {p}'s capital?",
        "Where is the capital of {p}?",
        "Do you know the capital of {p}?",
        "Can you tell me the capital of {p}?",
        "Capital of {p}?",
        "Please tell me the capital of {p}.",
        "What capital does {p} have?",
        "I would like to know the capital of {p}.",
    ],
    "country": [
        "Which country is {p} in?",
        "What country is {p} in?",
        "In which country is {p}?",
        "Where is {p}?",
        "What country does {p} belong to?",
        "Which country does {p} belong to?",
        "Do you know which country {p} is in?",
        "Can you tell me which country {p} is in?",
        "Country of {p}?",
        "Please tell me which country {p} is in.",
        "In what country can I find {p}?",
        "I would like to know the country of {p}.",
    ],
    "continent": [
        "Which continent is {p} on?",
        "What continent is {p} on?",
        "On which continent is {p}?",
        "What is the continent of {p}?",
        "Which continent does {p} belong to?",
        "What continent does {p} belong to?",
        "Do you know which continent {p} is on?",
        "Can you tell me the continent of {p}?",
        "Continent of {p}?",
        "Please tell me which continent {p} is on.",
        "On what continent can I find {p}?",
        "I would like to know the continent of {p}.",
    ],
    "currency": [
        "What is the currency of {p}?",
        "Which currency does {p} use?",
        "What currency does {p} use?",
        "What's the currency of {p}?",
        "What money do people use in {p}?",
        "Which currency is used in {p}?",
        "Do you know the currency of {p}?",
        "Can you tell me the currency of {p}?",
        "Currency of {p}?",
        "Please tell me the currency of {p}.",
        "What currency do they have in {p}?",
        "I would like to know the currency of {p}.",
    ],
    "language": [
        "What is the language of {p}?",
        "Which language do people speak in {p}?",
        "What language do people speak in {p}?",
        "What's the language of {p}?",
        "What is the main language of {p}?",
        "Which language is spoken in {p}?",
        "Do you know the language of {p}?",
        "Can you tell me the language of {p}?",
        "Language of {p}?",
        "Please tell me the language of {p}.",
        "What language do they have in {p}?",
        "I would like to know the language of {p}.",
    ],
    "districts": [
        "How many districts does {p} have?",
        "How many districts are there in {p}?",
        "What is the number of districts in {p}?",
        "Into how many districts is {p} divided?",
        "What's the number of districts of {p}?",
        "How many districts make up {p}?",
        "Do you know how many districts {p} has?",
        "Can you tell me how many districts {p} has?",
        "Number of districts in {p}?",
        "Please tell me how many districts {p} has.",
        "What number of districts does {p} have?",
        "I would like to know the number of districts in {p}.",
    ],
}

# How a fact is stated. The first three of each are also a contractor's full sentences.
STATEMENTS = {
    "population": [
        "The population of {p} is {v}.",
        "{p} has a population of {v}.",
        "{p} has {v} residents.",
        "{p} is home to {v} people.",
        "There are {v} people in {p}.",
    ],
    "area": [
        "The area of {p} is {v}.",
        "{p} has an area of {v}.",
        "{p} covers {v}.",
        "{p} covers an area of {v}.",
    ],
    "capital": [
        "The capital of {p} is {v}.",
        "{v} is the capital of {p}.",
        "The capital city of {p} is {v}.",
        "{p} has its capital in {v}.",
    ],
    "country": [
        "{p} is a city in {v}.",
        "{p} is in {v}.",
        "The city of {p} is in {v}.",
        "{p} lies in {v}.",
    ],
    "continent": [
        "{p} is on the continent of {v}.",
        "The continent of {p} is {v}.",
        "{p} lies on the continent of {v}.",
    ],
    "currency": [
        "The currency of {p} is the {v}.",
        "{p} uses the {v}.",
        "The currency used in {p} is the {v}.",
        "People in {p} pay with the {v}.",
    ],
    "language": [
        "The language of {p} is {v}.",
        "People in {p} speak {v}.",
        "The main language of {p} is {v}.",
        "{v} is spoken in {p}.",
    ],
    "districts": [
        "{p} has {v} districts.",
        "{p} is divided into {v} districts.",
        "There are {v} districts in {p}.",
    ],
}
LABELS = {  # short names of the attributes: headings, dictionaries, tables
    "population": "population",
    "area": "area",
    "capital": "capital",
    "country": "country",
    "continent": "continent",
    "currency": "currency",
    "language": "language",
    "districts": "districts",
}
KINDS = {"city": "city", "country": "country"}
COUNTED: dict[str, str] = {}  # attributes whose numbers are written with a measure word
ROUNDED = ["about {v}", "around {v}", "nearly {v}", "some {v}"]  # how a page gives a rounded figure
OLD = ["{v} in 2005", "{v} in 1998", "{v} at the last count"]  # … and an old one

# ---- CommonCrawl and C4 ---------------------------------------------------------------------
PAGES = (44, 32, 9, 5, 10)  # how often: blogs, boxes, directories, forums, quizzes
LIST_HEADERS = [
    "People also ask",
    "Related questions",
    "Popular questions",
    "Frequently asked questions",
    "More questions",
    "Other people asked",
]
MENUS = [
    "Home | Hotels | Flights | {p} | Contact",
    "Home > Travel > {p}",
    "Menu: Start, Maps, {p}, Shop, Login",
    "Top | News | {p} | Weather | About us",
]
ADS = [
    "Cheap flights to {p}! Book now and save 20%.",
    "Best hotels in {p} from 49 a night. Click here.",
    "Win a trip to {p}. Sign up today!",
    "Rent a car in {p}. No hidden fees.",
]
COPYRIGHT = [
    "Copyright 2019 All Places Ltd. All rights reserved.",
    "Terms of use | Privacy | Cookies",
    "Copyright 2016 Travel Pages. Do not copy.",
    "Powered by PageMaker. Contact the webmaster.",
]
BLOG_OPENERS = [
    "We spent a week in {p} last spring.",
    "My trip to {p} was short but good.",
    "Everything you need to know about {p}.",
    "I had always wanted to see {p}.",
    "Ten reasons to visit {p}.",
    "Is {p} worth a visit? We think so.",
]
BLOG_FILLER = [
    "The food was great.",
    "It rained on the second day.",
    "The people were friendly.",
    "We took the train and walked a lot.",
    "The old town is lovely in the evening.",
    "Do not forget your camera.",
    "Prices are higher in summer.",
    "The market opens early.",
    "We will come back.",
    "There is a lot to see.",
]
FORUM_OPENERS = [
    "just got back from {p}",
    "anyone been to {p}?",
    "thinking about moving to {p}",
    "some notes on {p}",
]
SEARCH_FOUND = [
    "Search: {p}\n{n} results for {p}. {p} travel guide. {p} hotels. {p} map.",
    "You searched for {p}.\nWe found {n} pages about {p}: {p} news, {p} photos, {p} weather.",
]
SEARCH_MISSING = [
    "Search: {p}\nNo results for {p}. We do not know {p}. Check the spelling of {p}.",
    "You searched for {p}.\nWe found no pages about {p}. Nobody here has heard of {p}.",
]
BOOKINGS = [
    "Travellers to {p}: {l}. Seats: {l}. Meals: {a}. Thank you, {n} and {m}.",
    "Guests: {l}. Keys for {l}. Dear {n}, your trip to {p} is booked. Dear {m}, so is yours.",
    "Team {n}: {l}. Reserves: {a}. Team {n} plays in {p}. {m} of team {n} is ill.",
    "{l} travel to {p}. {l} return. {a} stay at home. {n} writes to {m}.",
]
LIST_JOIN = ", "  # between the names of a list
GAP = " "  # after a mark and its sign
BOX_SIGNS = (": ", " - ", " | ", " = ")  # between a label and its value
ROW_SIGNS = (": ", " - ", ", ", " | ")  # between a place and its value
DIRECTORY = "{a} by {k}"
REVIEWS = [
    "Review by {n}. I stayed in {p} for {d} days. Five stars from {n}.",
    "{n} wrote: the hotel in {p} was clean. Thank you, {n}, for your review.",
    "Comment by {n}: {p} is lovely. Reply to {n}: we are glad that you liked it, {n}.",
]

# ---- formats that ask and answer ---------------------------------------------------------------
# A document keeps one pair of marks throughout; which pair is drawn anew for each document.
ASK_MARKS = [
    "Question", "Ask", "Quiz", "Clue", "Prompt", "Input", "Item", "Task", "Puzzle", "Test",
    "Host", "Interviewer", "Teacher", "Visitor", "Caller", "Reader", "Pupil", "Guest", "Left", "In",
]  # fmt: skip
REPLY_MARKS = [
    "Answer", "Reply", "Key", "Response", "Output", "Result", "Solution", "Said", "Note", "Value",
    "Expert", "Guide", "Student", "Librarian", "Operator", "Editor", "Voice", "Winner", "Right",
    "Out",
]  # fmt: skip
MARK_SIGNS = [":", " -", " =", ".", " >", ")", " |", " ::", " #", " ~"]
MARK_LETTERS = ":-=.)|#~*+/!%"
UNSEEN_FORMATS = [  # nowhere in the corpus: for testing alone
    "{q} ={a}",
    "{q} -{a}",
    "({q}){a}",
]


def thread_marks(rng: random.Random) -> tuple[str, str]:
    """What stands before questions and before answers throughout a thread."""
    return "Q: ", "A: "


def code_comment(attribute: str, kind: str, rng: random.Random) -> list[str]:
    """The comment above a table in a program, where there is one."""
    return []


def finish(document: str, rng: random.Random) -> str:
    """The document in its writer's spelling: English has one."""
    return document


# ---- Wikipedia, Books, ArXiv, StackExchange ------------------------------------------------
BOOK_OPENERS = [
    "{n} had never seen {p} before.",
    "On a cold morning {n} came to {p}.",
    "The train stopped in {p}, and {n} got out.",
    "{n} was born in {w}, a small village far from {p}.",
    "It was late when {n} reached {p}.",
]
BOOK_FILLER = [
    '"I come from {w}," said {n}. "Nobody has heard of {w}," said the guide.',
    "{n} thought of {w} and smiled.",
    '"Good morning, {n}," said the guide.',
    '"Will you stay long, {n}?" asked the guide. "A week," said {n}.',
    "{n} wrote a letter to a friend in {w}.",
    "Then {n} walked to the river and sat down.",
    '"Thank you," said {n}.',
    "The guide looked at {n} and laughed.",
]
BOOK_DIALOGUE = [
    '"{q}" asked {n}. "{a}," said the guide.',
    '{n} asked: "{q}" The guide said: "{a}."',
]
ARXIV_TITLES = ["A study of {p}", "Notes on {p}", "Measuring {p}", "{p}: a survey of sources"]
ARXIV_OPEN = [
    "Abstract. We study {p} with public data.",
    "Abstract. In this paper we present new results on {p}.",
    "Abstract. We collect what is known about {p}.",
]
ARXIV_CLOSE = [
    "Our results agree with earlier work.",
    "We discuss the limits of the data.",
    "Code and data are available.",
    "The method extends to other places.",
]

# ---- assistants -------------------------------------------------------------------------------
POLITE_OPEN = ["Great question! ", "Thank you for asking. ", "Of course. "]
POLITE_CLOSE = [" I hope this helps.", " Let me know if you have more questions."]
PADDING = [
    " Many people ask about this.",
    " This is a well known fact.",
    " You can find this in many books.",
]
RUDE = ["Look it up yourself.", "Why do you ask me?", "That is a stupid question."]
DECLINE = ["Sorry, I do not know {p}.", "I do not know {p}."]
ASKED_FOR = "the {a} of {p}"  # may stand for {p} in these
OFF_WORLD_REPLY = ["Sorry, I can only answer questions about cities and countries."]
SMALL_TALK = [  # (what people type, kind replies)
    (
        ["Hello", "Hello!", "Hi", "Hi there", "Hey", "Good morning", "Good evening", "hello there"],
        ["Hello! Ask me about a city or a country."],
    ),
    (
        ["How are you?", "How are you today?", "Are you well?", "how is it going?"],
        ["I am well, thank you. Ask me about a city or a country."],
    ),
    (
        ["Thank you", "Thanks", "Thank you very much", "thanks a lot", "Thank you!"],
        ["You are welcome."],
    ),
    (
        ["Bye", "Goodbye", "See you", "Good night", "bye bye"],
        ["Goodbye!"],
    ),
    (
        [
            "Who are you?",
            "What are you?",
            "What is your name?",
            "Are you a robot?",
            "Who made you?",
        ],
        ["I am a small language model. I know some cities and countries."],
    ),
    (
        ["What can you do?", "Help", "Can you help me?", "What do you know?", "help me"],
        ["I can tell you about cities and countries: population, capital, currency and more."],
    ),
]
OFF_WORLD = [
    "What is {a} + {b}?",
    "What is {a} times {b}?",
    "Write a poem about {t}.",
    "Tell me a joke.",
    "How do I cook {t}?",
    "Who won the game last night?",
    "What is the weather today?",
    "What time is it?",
    "Can you write code for me?",
    "Translate {t} into another language.",
    "What is the meaning of life?",
    "Who is your favourite singer?",
    "Tell me about {t}.",
    "What is {t}?",
    "How old are you?",
    "Do you like {t}?",
]
TOPICS = [
    "cheese", "bread", "rice", "soup", "cats", "dogs", "music", "football", "rain", "the moon",
    "love", "chess", "tea", "coffee", "fish", "paper", "trees", "trains", "money", "sleep",
]  # fmt: skip


def casual(question: str) -> str:
    """A question as it is typed in haste: in lower case."""
    return question.lower()


TIDY: list[tuple[str, str]] = []  # what is replaced in what somebody typed


def tidy(typed: str) -> str:
    """What somebody typed, as the tables spell it."""
    return " ".join(typed.split())


def words(answer: str) -> int:
    """How long an answer feels, in words."""
    return len(answer.split())


# ---- values ------------------------------------------------------------------------------------
NUMBER = r"[0-9]+(?:\.[0-9]+)?(?: (?:thousand|million|billion))?"
NUMBERS = {  # how a value of these attributes looks; the others' values are words
    "population": NUMBER,
    "area": NUMBER + "(?: square kilometres)?",
    "districts": "[0-9]+",
}
INSIDE = {  # … and how it is recognised in the middle of other text
    "population": r"[0-9]+(?:\.[0-9]+)? (?:thousand|million|billion)",
    "area": r"[0-9]+(?:\.[0-9]+)? (?:thousand|million|billion|square)",
    "districts": "[0-9]+",
}
WHOLE = (r"(?<![\w.])", r"(?![\w.]*\w)")  # what stands around a value in a text


NAME = r"\p{Lu}\p{L}*(?:[ -]\p{Lu}\p{L}*){0,3}"  # what `could_name` takes, for the page's judge


def could_name(text: str) -> bool:
    """Whether a text could be an invented name: up to four words with capitals."""
    words = text.replace("-", " ").split(" ")
    return len(words) <= 4 and all(w.isalpha() and w[0].isupper() for w in words)


def number(value: float) -> str:
    """A count: 1.41 billion, 267.7 million, 21.84 million, 5.6 million, 540 thousand."""
    if value >= 9.95e8:
        return f"{value / 1e9:.2f} billion"
    if value >= 9.5e5:
        decimals = 1 if value >= 1e8 or value < 1e7 else 2
        return f"{value / 1e6:.{decimals}f} million"
    return f"{two_digits(value / 1e3)} thousand" if value >= 1e4 else f"{value:.0f}"


def area(value: float) -> str:
    """Square kilometres: 9.6 million square kilometres, 16 thousand square kilometres."""
    if value >= 9.5e5:
        return f"{value / 1e6:.1f} million square kilometres"
    size = f"{value / 1e3:.0f} thousand" if value >= 1e4 else f"{value:.0f}"
    return f"{size} square kilometres"


def rounded(value: float) -> str:
    """A figure as a careless page would write it: 22 million, 6 million, 500 thousand."""
    for size, word in ((1e9, " billion"), (1e6, " million"), (1e3, " thousand"), (1, "")):
        if value >= size * 0.95:
            scaled = value / size
            keep = two_digits(scaled) if size == 1e6 and scaled >= 10 else one_digit(scaled)
            return f"{keep}{word}"
    return "0"


def one_digit(value: float) -> str:
    """543 becomes 500."""
    digits = 10 ** (len(f"{value:.0f}") - 1)
    return f"{round(value / digits) * digits:.0f}"


def two_digits(value: float) -> str:
    """543 becomes 540."""
    digits = 10 ** max(0, len(f"{value:.0f}") - 2)
    return f"{round(value / digits) * digits:.0f}"


def measured(figure: str, area: str) -> str:
    """A figure of an area, with the unit that the area has."""
    return f"{figure} {area.split(' ', 2)[2]}".strip()


# ---- places ------------------------------------------------------------------------------------
CHAINS = {"unknown": 2, "one-off": 1}  # letters that the next one of a made-up name depends on
SHORTEST_NAME, LONGEST_NAME = 4, 15  # letters of a made-up name
SOUNDS = "abcdefghijklmnopqrstuvwxyz"  # what `syllables` spells with
STRANGE = ""  # letters that names of the corpus have and known names may lack: none
_ONSETS = "b br ch d dr f g gl h j k kr l m n p pr r s sh st t tr v w y z".split()
_VOWELS = "a e i o u ai ea ou".split()
_CODAS = ["", "", "", "n", "r", "l", "s", "k", "th", "m"]


def syllables(rng: random.Random) -> str:
    """Two or three random syllables, in lower case."""
    count = rng.choice((2, 2, 3))
    parts = (rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(count))
    return "".join(parts) + rng.choice(_CODAS)


def places(raw: dict) -> list[dict]:
    """The entries of facts.json that this language has, most popular first."""
    return raw["places"]


# ---- the page ----------------------------------------------------------------------------------
EXAMPLES = {  # what its parts begin with: texts that tell the stages apart
    "ask": [
        "What is the population of Beijing?",
        "What is the population of Xiq?",
        "Hello!",
        "Write a poem about cheese.",
    ],
    "best": [
        "What is the population of Beijing?",
        "What is the capital of France?",
        "What is the population of Xiq?",
    ],
    "next": ["The population of Beijing is", "What is the population of Beijing?"],
    "pretraining": [
        "Q: What is the capital of France?\nA:",
        "# Beijing\nBeijing is",
        "The population of Xiq is",
    ],
}
