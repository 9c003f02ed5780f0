"""What the flight instruments say. Which light is on is decided in `instruments.py`."""

from minigpt.store.words import _

GREEN, AMBER, RED, OFF = "green", "amber", "red", "off"


def light_word(light: str) -> str:
    return {GREEN: _("green"), AMBER: _("amber"), RED: _("red"), OFF: _("off")}[light]


def instrument_words(name: str) -> dict:
    """An instrument's label, how its value is written, and a word and a sentence for each light."""
    label, value, *lights = {
        "ratio": (_("ratio on the first minibatch"), _("1, off by at most {off}"),
            (_("one"), _("Each token has the probability that it was sampled with.")),
            (_("not quite one"), _("More than rounding: compare precision, padding and batch.")),
            (_("not one"), _("Stop. Nothing has been learned yet, and sampling and learning "
                "differ: look for dropout, another temperature, a token that is off by one."))),
        "kl": (_("KL from the SFT model"),
            _("{value:.2f} nats; k1 {k1:.2f} ± {k1_error:.2f}"),
            (_("near"), _("The KL is small, and k1 not below 0 by more than chance.")),
            (_("far"), _("The reward model has seen few answers like these: look at gold, raise "
                "kl_coef or stop earlier.")),
            (_("negative"), _("Stop. k1 is below 0 by more than three standard errors, which no KL "
                "can be: look for a wrong sign or direction."))),
        "sampling": (_("surprisal of the samples less entropy"),
            _("{value:+.3f} nats a token ({z:+.1f} standard errors)"),
            (_("as scored"), _("The samples are as surprising as the policy says.")),
            (_("doubtful"), _("Rare by chance: if it comes back, compare how answers are sampled "
                "and scored.")),
            (_("other distribution"), _("Stop. The answers were drawn from another distribution "
                "than the one that learns: temperature 1, no filters."))),
        "entropy": (_("entropy of the next token"),
            _("{value:.3f} nats ({share:.0%} of the first round's)"),
            (_("alive"), _("The policy still tries different answers. Some fall is learning.")),
            (_("low"), _("Little is left to choose from: a smaller rate or a higher kl_coef.")),
            (_("collapsed"), _("Nothing is left to compare: go back to an earlier round."))),
        "ended": (_("answers that end by themselves"), _("{value:.0%}"),
            (_("they end"), _("Answers end with the end token, in time.")),
            (_("some do not"), _("Read those that were cut off: long, or repeating?")),
            (_("they do not end"), _("The end token is being unlearned: is a cut-off answer "
                "punished, and is the end token inside the mask?"))),
        "reward": (_("mean score of the answers"), _("{value:+.2f} (first round {first:+.2f})"),
            (_("no fall"), _("The score is not below the first round's.")),
            (_("no rise"), _("It should be higher by now: is the rate too small, the price of KL "
                "too high, or does the reward not reach its tokens?")),
            (_("falls"), _("The policy learns to do worse: look at the signs, then at the rate.")),
            (_("too early"), _("It is judged after a few rounds."))),
        "explained": (_("explained variance of the returns"), _("{value:.2f}"),
            (_("foresees"), _("The value model foresees part of the return.")),
            (_("foresees little"), _("It adds little yet: more rounds, or a larger value_lr.")),
            (_("misleads"), _("It is worse than a constant: look at which token its values belong "
                "to, and at what it is trained on.")),
            (_("too early"), _("It begins by expecting 0, and is judged after a few rounds."))),
        "clip": (_("tokens whose gain was clipped"), _("{value:.1%}"),
            (_("few"), _("The updates stay near the policy that sampled the answers.")),
            (_("many"), _("The policy moves far within a round: fewer passes, a smaller rate.")),
            (_("most of the change"), _("Later updates learn from what is left over: fewer passes, "
                "a smaller rate."))),
        "gold": (_("gold against proxy"),
            _("gold {gold:+.2f} (best so far {best:+.2f}), proxy {proxy:+.2f}"),
            (_("together"), _("Gold is not below its best by more than chance.")),
            (_("apart"), _("The score has held while gold fell: keep the earlier checkpoint.")),
            (_("over-optimised"), _("Stop, and go back to the checkpoint with the best gold.")),
            (_("not measured"), _("It needs evaluations of two rounds or more."))),
    }[name]  # fmt: skip
    return {"label": label, "value": value, **dict(zip((GREEN, AMBER, RED, OFF), lights))}
