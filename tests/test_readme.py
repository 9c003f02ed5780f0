"""README's figures of the shipped models are those of minigpt/data/results/seeds.json, seed 0, and
those of the tests are what the last whole run of them kept in tests/tried.json.

`python tests/test_readme.py` writes them there.
"""

import json

import tried
from minigpt.stages.report import RESULTS
from minigpt.store.files import ROOT, atomic_write

README = ROOT / "README.md"
BEGIN, END = "<!-- results -->", "<!-- /results -->"
COLUMNS = ("", "SFT, most likely answer", "SFT at T = 0.5", "PPO, most likely answer")
ROWS = {  # keys of `report --json`, a column each
    "known place: the right value": ("sft.known_correct", "", "ppo.known_correct"),
    "known place: says that it does not know it": ("sft.known_declined", "", "ppo.known_declined"),
    "place that it never read of: states a value":
        ("sft.unread_invented", "", "ppo.unread_invented"),
    "place that it never read of: says that it does not know it":
        ("sft.unread_declined", "", "ppo.unread_declined"),
    "the same, and by the right name":
        ("sft.unread_declined_own_name", "", "ppo.unread_declined_own_name"),
    "what the expert likes (gold)": ("gold.sft_greedy", "gold.sft_half", "gold.ppo_greedy"),
    "gold of PPO less that of this column":
        ("ppo.gold_over_sft_greedy", "ppo.gold_over_sft_half", ""),
    "the expert, blind, prefers PPO (share of decided pairs)":
        ("ppo.blind_share", "ppo.blind_share_sft_half", ""),
}  # fmt: skip
SAID = """\
The base model goes on with further questions after {base.bare_continues_with_questions} of the bare
questions, and after `Q: … A:` gives the right value in {base.qa_accuracy_head}. Trained on
demonstrations by contractors who know what it knows, it says of {sft_honest.unread_declined} of the
places that it never read of that it does not know them. The reward model tells a right from a wrong
value in the same sentence in {reward.right_over_wrong}, the ordinary one, without the surprisal, in
{reward_ordinary.right_over_wrong}. Between the best round of PPO against that one, at no price on
KL, and the last its score rises by {overoptimised.proxy_change} and gold changes by
{overoptimised.gold_change}; with a price gold ends {kl_price.gold} higher. All four stages took
{train.seconds} s on two cores."""


def figure(found: dict, key: str) -> str:
    """A figure and its interval."""
    if not key:
        return ""
    if key == "train.seconds":
        return f"{found[key]:.0f}"
    said = f"{found[key]:.2f}"
    if f"{key}.low" in found:
        said += " ({:.2f} to {:.2f})".format(*(found[f"{key}.{end}"] for end in ("low", "high")))
    return said.replace("-", "−")


def readme_part(found: dict) -> str:
    """What stands in README between the two marks."""
    rows = [COLUMNS, ["---"] * len(COLUMNS)]
    rows += [[name, *(figure(found, key) for key in keys)] for name, keys in ROWS.items()]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    said = SAID
    for key in found:
        if f"{{{key}}}" in said:
            said = said.replace(f"{{{key}}}", figure(found, key))
    return f"{BEGIN}\n{table}\n\n{said}\n{END}"


def recorded() -> dict:
    return json.loads((RESULTS / "seeds.json").read_text(encoding="utf-8"))["0"]


def test_readme_has_the_recorded_figures():
    part = readme_part(recorded())
    assert "{" not in part
    assert part in README.read_text(encoding="utf-8")


def test_readme_has_what_the_tests_have_tried():
    kept = tried.read()
    assert list(kept) == sorted(tried.KINDS)
    assert tried.readme_part(kept) in README.read_text(encoding="utf-8")
    assert kept["strings"] >= 100_000 and kept["corpora"] >= 2000 and kept["kills"] >= 50
    files = ("checkpoints", "states", "labels", "results", "notebooks", "mixtures")
    assert all(kept[kind] >= 400 for kind in files) and kept["mutants"] >= 80


if __name__ == "__main__":
    tried.write(tried.read())
    before, rest = README.read_text(encoding="utf-8").split(BEGIN)
    text = before + readme_part(recorded()) + rest.split(END)[1]
    atomic_write(README, text.encode("utf-8"))
