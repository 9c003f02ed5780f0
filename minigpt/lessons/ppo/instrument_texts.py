"""What the flight instruments say. Which light is on is decided in `instruments.py`."""

from minigpt.store.words import _

GREEN, AMBER, RED, OFF = "green", "amber", "red", "off"


def light_word(light: str) -> str:
    return {GREEN: _("green"), AMBER: _("amber"), RED: _("red"), OFF: _("off")}[light]


def instrument_words(name: str) -> dict:
    """An instrument's label, how its value is written, and a word and a sentence for each light."""
    return {
        "ratio": {
            "label": _("ratio on the first minibatch"),
            "value": _("1, off by at most {value:.2g}"),
            GREEN: (_("one"), _("The policy that learns gives each token the probability that it "
                "was sampled with, as it must before the first update of a round.")),
            AMBER: (_("not quite one"), _("The two computations of the same probability differ by "
                "more than rounding: compare their precision, padding and batch.")),
            RED: (_("not one"), _("Stop. Something differs between sampling and learning although "
                "nothing has been learned: look for dropout, another temperature, a token that is "
                "off by one, or an old policy.")),
        },
        "kl": {
            "label": _("KL from the SFT model"),
            "value": _("{value:.3f} nats exact, k1 {k1:.3f} ± {k1_error:.3f}, k3 {k3:.3f}"),
            GREEN: (_("near"), _("The exact KL is small, and the estimate k1 is not below 0 by "
                "more than chance. A negative k1 now and then is chance.")),
            AMBER: (_("far"), _("The reward model was trained on answers of the SFT model and has "
                "seen few like these: look at gold against proxy, raise kl_coef or stop "
                "earlier.")),
            RED: (_("negative"), _("Stop. Even with three standard errors added the mean of k1 is "
                "below 0, which no KL can be: look for a wrong sign or direction, or for sampling "
                "from another distribution than the one that is scored.")),
        },
        "sampling": {
            "label": _("surprisal of the samples less entropy"),
            "value": _("{value:+.3f} nats a token ({z:+.1f} standard errors)"),
            GREEN: (_("as scored"), _("The sampled tokens are as surprising as the policy's own "
                "distribution says they should be.")),
            AMBER: (_("doubtful"), _("A difference this large is rare: if it comes back next "
                "round, compare how answers are sampled with how they are scored.")),
            RED: (_("other distribution"), _("Stop. The answers were drawn from another "
                "distribution than the one that is learned: sample at temperature 1 without "
                "filters, or divide all logits by the same temperature.")),
        },
        "entropy": {
            "label": _("entropy of the next token"),
            "value": _("{value:.3f} nats ({share:.0%} of the first round's)"),
            GREEN: (_("alive"), _("The policy still tries different answers. Some fall is what "
                "learning looks like.")),
            AMBER: (_("low"), _("There is little left to choose from: read some answers to one "
                "prompt, and think of a smaller rate or a higher kl_coef.")),
            RED: (_("collapsed"), _("The policy writes nearly the same each time, so it has "
                "nothing left to compare: go back to an earlier round, with a smaller rate.")),
        },
        "ended": {
            "label": _("answers that end by themselves"),
            "value": _("{value:.0%}"),
            GREEN: (_("they end"), _("Answers end with the end token, in time.")),
            AMBER: (_("some do not"), _("Read the answers that were cut off: are they long, or do "
                "they repeat themselves?")),
            RED: (_("they do not end"), _("The end token is being unlearned: look whether a "
                "cut-off answer is punished, whether the end token is inside the loss mask, and "
                "whether the reward grows with length.")),
        },
        "reward": {
            "label": _("mean score of the answers"),
            "value": _("{value:+.2f} (first round {first:+.2f})"),
            GREEN: (_("no fall"), _("The score is not below that of the first round. It should "
                "rise within the first ten.")),
            AMBER: (_("no rise"), _("After this many rounds the score should be higher: is the "
                "rate too small, the price of KL too high, or the reward not reaching its "
                "tokens?")),
            RED: (_("falls"), _("The policy learns to do worse: look at the signs of reward, "
                "advantage and loss, then at the rate.")),
            OFF: (_("too early"), _("It is judged after a few rounds.")),
        },
        "explained": {
            "label": _("explained variance of the returns"),
            "value": _("{value:.2f}"),
            GREEN: (_("foresees"), _("The value function foresees part of the return, and the "
                "advantages are less noisy for it.")),
            AMBER: (_("foresees little"), _("The value function adds little yet: more rounds, or "
                "a larger value_lr.")),
            RED: (_("misleads"), _("The value function is worse than a constant: look at which "
                "token its values belong to, at what it is trained on, and at its rate.")),
            OFF: (_("too early"), _("The value function starts by expecting 0 and is judged after "
                "a few rounds.")),
        },
        "clip": {
            "label": _("tokens whose gain was clipped"),
            "value": _("{value:.1%}"),
            GREEN: (_("few"), _("The round's updates stay near the policy that sampled its "
                "answers.")),
            AMBER: (_("many"), _("The policy moves far within a round: fewer epochs or a smaller "
                "rate.")),
            RED: (_("most of the change"), _("So much is clipped that the later updates of a "
                "round learn from what is left over: fewer epochs or a smaller rate.")),
        },
        "gold": {
            "label": _("gold against proxy"),
            "value": _("gold {gold:+.2f} (best so far {best:+.2f}), proxy {proxy:+.2f}"),
            GREEN: (_("together"), _("Gold is not below its best by more than chance: what the "
                "reward model likes, the expert does not dislike.")),
            AMBER: (_("apart"), _("The reward model's score has held while gold fell: likely the "
                "start of over-optimisation. Keep the earlier checkpoint and look again.")),
            RED: (_("over-optimised"), _("Stop, and go back to the checkpoint with the best gold: "
                "the policy now pleases the reward model and not the expert.")),
            OFF: (_("not measured"), _("Give evaluations of two rounds or more, for instance from "
                "evaluate_round on questions of split V.")),
        },
    }[name]  # fmt: skip
