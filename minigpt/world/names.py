"""Names of places that do not exist, from makers that spell differently, and real ones left out.

An assistant that has only ever declined one maker's names may have learned that maker's spelling.
So the training stages see the names of `markov` and `anagrams`, and the report asks about the
other two: `syllables`, a maker of another style, and `real`, places that exist and stand nowhere
in the corpus.
"""

import random

from minigpt.world.facts import Place, World

TRAIN_MAKERS = ("markov", "anagrams")
TEST_MAKERS = ("syllables", "real")
MARKOV_LIMIT = {"city": 3000, "country": 1500}  # how many names are asked of the chain at most


def markov_names(world: World, kind: str, n: int, seed: int, order: int | None = None) -> list[str]:
    """`n` names from a character Markov chain over the known names of one kind; none is real.

    Shannon (1948), section 3, makes English by the same chain. `order` is the number of letters
    that the next one depends on; the language's for unknown places unless given.
    """
    order = world.text.CHAINS["unknown"] if order is None else order
    table = {}
    for place in world.places:
        if place.kind == kind:
            for state, letter in transitions(place.name, order):
                table.setdefault(state, []).append(letter)
    rng = random.Random(f"markov/{kind}/{seed}/{order}")

    def draw():
        state, out = "^" * order, ""
        while len(out) <= world.text.LONGEST_NAME:
            letter = rng.choice(table[state])
            if letter == "$":
                return out
            out, state = out + letter, (state + letter)[1:] if order else ""
        return ""

    return _distinct(world, draw, n)


def transitions(name: str, order: int) -> list[tuple[str, str]]:
    """The steps of a chain through a name: (the letters before, the letter); "$" ends it."""
    padded = "^" * order + name + "$"
    return [(padded[i - order : i], padded[i]) for i in range(order, len(padded))]


def chains(world: World):
    """Whether a chain over the known names of a kind could make a name; both in lower case."""
    known = {
        kind: {s for p in world.places if p.kind == kind for s in transitions(p.name.lower(), 1)}
        for kind in ("city", "country")
    }
    return lambda name: any(made.issuperset(transitions(name, 1)) for made in known.values())


def one_off_names(world: World, n: int, seed: int) -> list[str]:
    """`n` names of each kind for people and villages in documents: none that `unknown_places`
    could ever make, so that those really stand nowhere."""
    text, chained, order = world.text, chains(world), world.text.CHAINS["unknown"]
    taken = {
        kind: {step for p in world.places if p.kind == kind for step in transitions(p.name, order)}
        for kind in ("city", "country")
    }
    spelled, left_out = letters_of(world), [p.name for p in world.held_out]
    strange, rng = text.STRANGE, random.Random(f"one-off/{seed}")

    def elsewhere(name: str) -> bool:  # could a maker of unknown places make it?
        if any(set(transitions(name, order)) <= made for made in taken.values()):
            return True
        sounds = set(text.SOUNDS).issuperset(name) or "".join(sorted(name)) in spelled
        return not chained(name.lower()) and (sounds or any(x in name for x in left_out))

    chain = text.CHAINS["one-off"]
    names = [name for kind in taken for name in markov_names(world, kind, n, seed, chain)]
    if strange:  # a letter that never stood in a name would never be copied out of one
        names = ["".join(rng.choice(strange) if rng.random() < 0.25 else letter for letter in name)
                 for name in names]  # fmt: skip
    return [name for name in names if not elsewhere(name)]


def letters_of(world: World) -> set[str]:
    """The letters of each known name, sorted."""
    return {"".join(sorted(p.name.lower())) for p in world.places}


def anagram_names(world: World, kind: str, n: int, seed: int) -> list[str]:
    """`n` names that are the letters of a known place's, ten at most, in an order that no chain
    over the known names could make: to write one means to copy it."""
    rng, chained = random.Random(f"anagrams/{kind}/{seed}"), chains(world)
    names = [p.name.lower() for p in world.places if p.kind == kind]
    known = [name for name in names if name.isalpha() and len(name) <= 10]

    def draw():
        letters = rng.choice(known)
        name = "".join(rng.sample(letters, len(letters)))
        return "" if chained(name) else name.capitalize()

    return _distinct(world, draw, n)


def syllable_names(world: World, n: int, seed: int) -> list[str]:
    """`n` names of the language's random syllables; none is real, and none could come from a chain
    over the known names or is made of one's letters, so that no stage has met one as an unknown
    place or a one-off name."""
    rng, chained = random.Random(f"syllables/{seed}"), chains(world)
    letters = letters_of(world)

    def draw():
        name = world.text.syllables(rng)
        return "" if chained(name) or "".join(sorted(name)) in letters else name.capitalize()

    return _distinct(world, draw, n)


def _distinct(world: World, draw, n: int) -> list[str]:
    """`n` different names, none too short and none a real place's.

    Raises ValueError when the maker does not seem to have so many.
    """
    taken = {p.name.casefold() for p in world.places + world.held_out}
    taken |= {value.casefold() for values in world.values.values() for value in values}
    out, misses = [], 0  # misses in a row
    while len(out) < n:
        name = draw()
        if len(name) >= world.text.SHORTEST_NAME and name.casefold() not in taken:
            taken.add(name.casefold())
            out.append(name)
            misses = 0
        elif (misses := misses + 1) == 20_000:
            raise ValueError(f"this maker has about {len(out)} names: ask for fewer than {n}")
    return out


def unknown_places(world: World, maker: str, n: int, seed: int = 0) -> list[Place]:
    """`n` places that the model has never read about, from one maker, cities and countries mixed.

    `maker` is "markov", "anagrams", "syllables" or "real". Real ones are at most as many as were
    left out, and those of the Markov chain at most 4,500 (`MARKOV_LIMIT`).
    """
    if maker == "real":
        order = random.Random(f"real/{seed}").sample(world.held_out, len(world.held_out))
        return order[:n]
    if maker == "markov":
        count = min(n // 3, MARKOV_LIMIT["country"])
        countries = markov_names(world, "country", count, seed)
        cities = markov_names(world, "city", min(n - count, MARKOV_LIMIT["city"]), seed)
    elif maker == "anagrams":
        countries = anagram_names(world, "country", n // 3, seed)
        cities = anagram_names(world, "city", n - n // 3, seed)
    elif maker == "syllables":
        names = syllable_names(world, n, seed)
        cities, countries = names[n // 3 :], names[: n // 3]
    else:
        raise ValueError(f"no maker {maker!r}: choose markov, anagrams, syllables or real")
    made = [("city", name) for name in cities] + [("country", name) for name in countries]
    random.Random(f"mix/{maker}/{seed}").shuffle(made)
    return [
        Place(f"{maker}-{seed}-{i}", kind, name, -1, True, False, {}, {})
        for i, (kind, name) in enumerate(made)
    ]
