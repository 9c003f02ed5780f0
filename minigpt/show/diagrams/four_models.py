"""One round of PPO: four models and what flows between them."""

from collections.abc import Sequence

from minigpt.show.diagrams.svg import Diagram, floats, listed, plain, plus, visible
from minigpt.store.words import _

LEFT, ROOM, HIGH = 44, 464, 48


def four_models(
    question: str, tokens: Sequence[str], kl_rewards: Sequence[float], score: float,
    values: Sequence[float], advantages: Sequence[float],
) -> Diagram:  # fmt: skip
    """What policy, reference, reward model and value model say of one answer, token by token.

    tokens: the answer's, T with its end, of more than six the first and last are drawn. kl_rewards:
    (T,) -β (log π - log π_ref), the price of each token, without the score. score: the reward
    model's, given at the last token. values: (T,) expected before each token. advantages: (T,) as
    `gae` returns them, before whitening. All in rewards. ValueError if the numbers do not fit.
    """
    T, score = len(tokens), float(score)
    prices, values, gains = (floats(x, T) for x in (kl_rewards, values, advantages))
    if not T:
        raise ValueError("an answer has one token or more: its end")
    shown = list(range(T)) if T <= 6 else [0, 1, 2, None, T - 2, T - 1]  # None: those left out
    here = [i for i in shown if i is not None]
    scale = HIGH / max(*map(abs, [score, *prices, *values, *gains]), 0.1)
    step = ROOM / len(shown)
    xs = {i: LEFT + step * (n + 0.5) for n, i in enumerate(shown)}
    pic = Diagram(_("One round of PPO: four models and what flows between them"))

    def model(y: float, kind: str, name: str, does: str, frozen: bool = False) -> None:
        right = LEFT + ROOM - 12
        pic.box(LEFT, y, ROOM, 36, f"{kind} model", 10)
        pic.text(LEFT + 14, y + 24, name, "b")
        pic.text(right - 24 * frozen, y + 24, does, "s e")
        if frozen:  # a lock
            pic.box(right - 16, y + 15, 14, 11, "lock", 2)
            pic.path(f"M{right - 13} {y + 15}v-3a4 4 0 0 1 8 0v3", "axis bow")

    def lane(y: float, numbers: dict[int, float], kind: str, strong: int | None = None) -> float:
        """Bars from a zero line, or marks for what is expected, and numbers; where it ends."""
        least = 0.005 if min(numbers.values()) < -0.005 else -0.005  # where zeros stand
        below = {i: n < least for i, n in numbers.items()}
        zero = y + max((24 + n * scale for i, n in numbers.items() if not below[i]), default=4.0)
        pic.path(f"M{LEFT} {zero}H{LEFT + ROOM}", "axis")
        for i, n in numbers.items():
            x, high = xs[i], max(abs(n) * scale, 1.0)
            if kind:
                pic.box(x - 18, zero - high * (n > 0), 36, high, kind, 0)
            else:
                pic.path(f"M{x - 18} {zero - n * scale}h36", "ink")
            y = zero + high + 20 if below[i] else zero - n * scale - 8
            pic.text(x, y, plus(n) if kind else plain(n), "b m" if i == strong else "s m")
        return zero + 20 + max((24 - n * scale for i, n in numbers.items() if below[i]), default=0)

    pic.box(LEFT, 10, ROOM, 36, "panel", 10)
    pic.text(LEFT + ROOM / 2, 34, question, "m", room=ROOM - 24)
    pic.arrow(f"M{LEFT + ROOM / 2} 46", LEFT + ROOM / 2, 62, "down")
    model(64, "ppo", _("Policy"), _("writes an answer"))
    for i, x in xs.items():
        if i is None:
            pic.text(x, 134, "…", "s m")
        else:
            pic.token(x - step / 2 + 3, 110, step - 6, tokens[i], "ppo model thin")
    model(166, "sft", _("Reference"), _("price of a change"), frozen=True)
    y = lane(206, {i: prices[i] for i in here}, "sft bar")
    model(y, "reward", _("Reward model"), _("one score at the end"), frozen=True)
    y = value = lane(y + 40, {T - 1: score}, "reward bar", T - 1)
    model(y, "value", _("Value model"), _("expected reward"))
    y = lane(y + 40, {i: values[i] for i in here}, "")
    panel = len(pic.parts)
    pic.text(LEFT + 8, y + 28, _("Advantage"), "b")
    pic.text(LEFT + 8, y + 54, _("reward from here on, less what was expected"), "s")
    best = max(here, key=lambda i: gains[i])
    end = lane(y + 66, {i: gains[i] for i in here}, "ppo bar", best)
    pic.box(LEFT - 8, y, ROOM + 16, end - y - 4, "panel", 10)
    pic.parts.insert(panel, pic.parts.pop())  # under what stands on it
    way = f"M{LEFT - 8} {y + 36}h-12q-8 0 -8 -8V90q0 -8 8 -8"
    pic.arrow(way, LEFT - 3, 82, "right", "ppo main")
    pic.arrow(f"M16 {value + 18}", LEFT - 3, value + 18, "right", "ppo main")
    told = _("Asked {question}, the policy writes {tokens}. The reference, a frozen copy of the "
             "SFT model, prices each token: {prices}. The frozen reward model gives one score, "
             "{score}, at the end. The value model expects {values} before each token. What came, "
             "less what was expected, is the advantage: {gains}. It goes back to the policy, which "
             "makes those tokens likelier or less likely; the value model learns from it too.",
             question=question, score=plus(score),
             tokens=listed(shown, lambda i: "…" if i is None else visible(tokens[i])),
             prices=listed((prices[i] for i in here), plus), values=listed(values[i] for i in here),
             gains=listed((gains[i] for i in here), plus))  # fmt: skip
    return pic.done(told, end + 8)
