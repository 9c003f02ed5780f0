"""One round of PPO: four models and what flows between them."""

from collections.abc import Sequence

from minigpt.show.diagrams.svg import Diagram


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
    return Diagram("four models", "not drawn yet", 0, "")
