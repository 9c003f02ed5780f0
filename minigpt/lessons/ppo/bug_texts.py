"""What the bug museum says of each bug and of each check. The bugs themselves are in `bugs.py`."""

from minigpt.store.words import _


def words() -> dict[str, tuple[str, str, str]]:
    """Of each bug: what the code does, what it moves, what there is to learn."""
    return {
        "alias": (_("The reference is the policy itself and not a copy of it, so it learns "
          "along."), _("the KL, which would stay at exactly 0 however long the policy learns."),
          _("A KL of exactly 0 after an update is no sign of health: the policy is compared with "
          "itself, and leaving the SFT model costs nothing.")),
        "clip_min": (_("The clipped objective takes the smaller of its two losses, not the "
          "larger."), _("the KL, which would be higher, and the check “clip”."), _("The clip now "
          "takes away the losses that would mend a step too far and keeps the gains. Where little "
          "is clipped the instruments hardly show it; four cases by hand do.")),
        "direction": (_("The log-ratio of the KL is taken the other way round, log π_ref - log π, "
          "in the price and in what is logged."), _("k1, which would be below 0 by far more than "
          "three standard errors while the exact KL is above 0."), _("A KL cannot be negative, so "
          "a k1 that stays below 0 has the wrong direction. As a price it pays for leaving the SFT "
          "model.")),
        "dropout": (_("Dropout is on while the policy learns, and was off while the old "
          "log-probabilities were read."), _("the ratio on the first minibatch, which would not be "
          "1."), _("The same weights gave one token two probabilities, for each pass drops other "
          "units: the ratio is off before anything has been learned.")),
        "every_token": (_("The score is added to the reward of every token, not once at the end."),
          _("the check “sum of rewards”, by many scores an answer."), _("A long answer now earns "
          "its score many times over. No light says so at first, for the logged score is the right "
          "one; the sum of rewards does.")),
        "kl_sign": (_("The price of KL has the wrong sign: leaving the SFT model is paid for."),
          _("the KL, which would rise faster, with k1 and the exact KL in agreement; and the check "
          "“sum of rewards”."), _("All estimates are right and agree, and what is done with them "
          "is wrong: the policy is paid to leave. The score may look fine for long.")),
        "no_penalty": (_("An answer that was cut off is scored like any other."), _("the check "
          "“cut-off answers”, and the mean score of the first round, a little."), _("What is not "
          "an answer must not be scored as one. Where nearly all answers end, only the check shows "
          "it; where they do not, they never learn to.")),
        "none": (_("Nothing is wrong; only the seed is another one."), _("nothing: all checks "
          "would be 0."), _("Other prompts and other luck move every reading a little. No check "
          "moves, so there is nothing to mend.")),
        "pad_is_end": (_("Padding is the end token, and what equals padding is left out of the "
          "loss."), _("the check “tokens learned”, by one an answer."), _("The end token is an "
          "answer's last decision, and it is never learned. Padding needs an id of its own.")),
        "past_end": (_("The advantages are summed on past the end, over the values that stand at "
          "padding."), _("the check “padding”, and with it “last target”."), _("After the end "
          "nothing is to be expected, so the next value is 0. Here it is what the value function "
          "says of padding, and a longer row changes what is learned.")),
        "position": (_("The score is read at the last position of the padded batch and not at each "
          "answer's <|reward|>."), _("the check “score alone”, and the mean score of the first "
          "round, a little."), _("Padding must not change a score: what is read after a short "
          "answer's end is another position's, and only the longest answers of the batch are "
          "scored as they should be.")),
        "score_sign": (_("The score has the wrong sign; the price of KL is right. OpenAI told of a "
          "run that learned the worst answers, and wrote them fluently (Ziegler et al. 2019)."),
          _("the mean score, which would fall; and the check “sum of rewards”."), _("The policy "
          "learns to do worse, and stays fluent, for the price of KL still holds it near the SFT "
          "model. A score that falls is a reason to stop at once.")),
        "shift": (_("Log-probabilities are read one position late, from logits that have seen the "
          "token."), _("k1, which would be nowhere near the exact KL; the clipped share; the "
          "score, which would not rise; and the check “log-probability”."), _("Logits at a "
          "position are about the next token. Ratio and KL agree with themselves all the same; the "
          "log-probabilities from sampling do not agree with them.")),
        "temperature": (_("Answers are sampled at temperature 0.6 and scored as if at 1. OpenRLHF "
          "mended this in 2025 (pull requests 853 and 857)."), _("surprisal less entropy in the "
          "first round, which would be far below 0; and the check “log-probability”."), _("The "
          "samples are less surprising than the distribution that is learned says they should be: "
          "they come from another one. Its ratio is 1 and its score is high.")),
        "value_after": (_("The value of a token is read after it, when the value function has seen "
          "it."), _("the check “own token”."), _("A baseline must not know what it is a baseline "
          "of: what a token does then shows in the value and is lost from the advantage. No light "
          "shows it.")),
        "whitened": (_("Advantages are whitened first, and the value function's targets are made "
          "of them."), _("the check “last target”, and not the check “padding”."), _("Returns are "
          "advantages plus values before whitening: the value function now learns a number on "
          "another scale. Explained variance compares it with that same number, and so looks "
          "fine.")),
    }  # fmt: skip


def check_words() -> dict[str, tuple[str, str]]:
    """Of each check: its name, and what it compares."""
    return {
        "scored": (_("log-probability"), _("log-probability of a sampled token when it was drawn "
          "and when it was read again, in nats")),
        "alone": (_("score alone"), _("score of an answer in the batch and by itself")),
        "cut_off": (_("cut-off answers"), _("scores of answers that did not end and the fixed one "
          "for them, summed over a round")),
        "learned": (_("tokens learned"), _("sampled tokens of an answer and those in the loss")),
        "sum": (_("sum of rewards"), _("the rewards of an answer's tokens, summed, and its score "
          "less the price of its KL")),
        "target": (_("last target"), _("what the value function is to say at the last token, and "
          "the reward there: nothing comes after")),
        "own_token": (_("own token"), _("the value of an answer's last token, and the same with "
          "another token in its place")),
        "padding": (_("padding"), _("the value function's targets, and the same with other padding "
          "after the end")),
        "clip": (_("clip"), _("the loss at ratios of 1.5 and 0.5 with advantages of 1 and -1, and "
          "that by hand")),
    }  # fmt: skip
