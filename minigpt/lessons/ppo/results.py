"""What the lesson on PPO shows of runs: curves, rounds, the labelers' models."""

from collections.abc import Iterator

import numpy as np
import torch
from matplotlib.figure import Figure

from minigpt import ppo
from minigpt.model import GPT
from minigpt.show.figure import curves, figure
from minigpt.show.progress import progress
from minigpt.show.strip import pieces
from minigpt.show.style import GREEN, STAGE_COLOURS, signed
from minigpt.show.table import Table
from minigpt.stages.stage import Stage
from minigpt.store.words import _
from minigpt.world.labelers import LABELERS

COLOURS = (STAGE_COLOURS["ppo_overoptimised"], STAGE_COLOURS["ppo_priced"], STAGE_COLOURS["ppo"])


def reward_lines(runs: dict[str, list[ppo.PPOStep]]) -> tuple[Figure, str]:
    """The mean score of the rounds' answers in some runs, over the latest five rounds; the last
    run is the one that matters."""
    lines = {}
    for name, steps in reversed(runs.items()):
        n = range(1, len(steps) + 1)
        lines[name] = n, [np.mean([s.reward for s in steps[max(0, i - 5) : i]]) for i in n]
    return drawn(lines, _("score, mean of five rounds"), _("round"))


def beside_shipped(evaluations: list, answers: int, shipped: Stage) -> tuple[Figure, str]:
    """Gold on split V along the learner's run, of so many answers a round, and along the shipped
    run as its checkpoint tells it; against the answers that were learned from."""
    curve, per_round = shipped.meta["curve"], shipped.meta["settings"]["prompts"]
    known = [p["step"] * per_round for p in curve], [p["gold"] for p in curve]
    own = [e.step * answers for e in evaluations], [e.gold for e in evaluations]
    return drawn({_("your run"): own, _("shipped run"): known}, _("gold, split V"),
                 _("answers learned from"))  # fmt: skip


def drawn(lines: dict[str, tuple], unit: str, along: str) -> tuple[Figure, str]:
    """Lines as `curves` draws them, and where they end."""
    ends = "; ".join(f"{name} {signed(y[-1])}" for name, (_x, y) in lines.items())
    return curves(lines, along, unit, GREEN), _("{unit}, at the end: {ends}.", unit=unit, ends=ends)


def over_figure(
    curves: dict[str, list[dict]], rounds: int, place=0, covered=False, stop: int | None = None,
    top: float | None = None,
) -> tuple[Figure, str]:  # fmt: skip
    """Proxy and gold against the rounds, each on an axis of its own; a line a run.

    curves: by the run's name what was measured after some rounds, as a checkpoint keeps it.
    place: of the first one's colour. covered: leave gold out. stop: a round to be marked. top: of
    the proxy's axis, so that it stays where more rounds come.
    """
    (fig, axes), said = figure(8, 2.8, columns=2), []
    for (name, curve), colour, style in zip(curves.items(), COLOURS[place:], ("-", "--", ":")):
        for ax, key in zip(axes, ("proxy", "gold")):
            if key == "gold" and covered:
                ax.text(0.5, 0.5, "covered", ha="center", transform=ax.transAxes)
                continue
            rounds_of, values = zip(*((p["step"], p[key]) for p in curve))
            ax.plot(rounds_of, values, f"o{style}", color=colour, lw=2, ms=3)
            if len(curves) > 1:
                ax.annotate(f" {name.split(',')[0]}", (curve[-1]["step"], curve[-1][key]),
                            fontsize=8, va="center", annotation_clip=False)  # fmt: skip
        best = max(curve, key=lambda point: point["gold"])
        said.append(f"{name}: " + ", ".join(
            f"after round {p['step']} score {signed(p['proxy'])}"
            + ("" if covered else f" and gold {signed(p['gold'])}")
            for p in ([curve[-1]] if covered or best is curve[-1] else [best, curve[-1]])
        ))  # fmt: skip
    for ax, what in zip(axes, ("reward model's score (proxy)", "expert's judgment (gold)")):
        ax.set_xlabel("round")
        ax.set_title(what, loc="left", fontsize=10)
        ax.set_xlim(0, rounds)
        ax.locator_params(nbins=4)
        if stop:
            ax.axvline(stop, color="black", lw=1)
    if top:
        axes[0].set_ylim(min(0, axes[0].get_ylim()[0]), top)
    if covered:
        axes[1].set_yticks([])
    return fig, f"{'; '.join(said)}."


# ---- rounds -----------------------------------------------------------------------------------


def fresh_answers(policy: GPT, start: Stage, judge: Stage, prompts, config) -> Iterator[tuple]:
    """Each round the policy's new answers, scored, and the record of the round: (Rollout, PPOStep).
    For REINFORCE, whose value model learns nothing."""
    values, rng = ppo.new_value_function(judge.model), np.random.default_rng(config.seed)
    models, tokens = (policy, start.model, judge.model, values), 0
    for iteration in range(config.iterations):
        chosen, asked, seeds = ppo.draw(rng, prompts, config)
        r = ppo.rollout(*models, asked, seeds, start.encoding, config)
        tokens += r.idx.numel()
        none = [torch.zeros(3)]
        yield r, ppo.step_record(iteration, chosen, r, r.values, none, tokens, config)


def followed(runs: dict[str, Iterator], rounds: int) -> dict[str, list[ppo.PPOStep]]:
    """The records of several runs, made one after the other; shows how far they are, of so many
    rounds in all."""
    ticks, found = progress(range(rounds), _("rounds of training")), {}
    next(ticks)
    for name, run in runs.items():
        found[name] = []
        for step in run:
            found[name].append(step)
            next(ticks, None)
    return found


def one_answer(policy: Stage, sft: Stage, reward: Stage, prompts, answers=64, updates=15) -> tuple:
    """What `four_models` draws: of a round's answers the one whose score lies lowest.

    policy: a PPO model, whose value model is not kept: a new one learns from these answers first.
    Returns (question, tokens, kl_rewards, score, values, advantages).
    """
    config = ppo.PPOConfig(prompts=answers, value_lr=0.005, value_clip=10.0)
    layers, rng = ppo.new_value_function(reward.model), np.random.default_rng(1)
    _optimizer, optimizer = ppo.optimizers(layers, layers, config)
    _chosen, asked, seeds = ppo.draw(rng, prompts, config)
    given = policy.model, sft.model, reward.model, layers, asked, seeds, sft.encoding, config
    r = ppo.rollout(*given)
    prices, rewards = (
        ppo.kl_rewards(r.logp, r.ref_logp, score, r.final, config.kl_coef, r.mask)
        for score in (0 * r.score, r.score)
    )
    _advantages, returns = ppo.gae(rewards, torch.zeros_like(r.values), r.mask, 1.0, 1.0)
    for _update in progress(range(updates), _("updates of the value model")):
        loss = ppo.value_loss_on(layers, r, torch.arange(answers), returns, config)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    values = ppo.rollout(*given).values
    advantages, _returns = ppo.gae(rewards, values, r.mask, config.gamma, config.lam)
    row = torch.where(r.ended, r.score, torch.full_like(r.score, torch.inf)).argmin().item()
    text, tokens = sft.encoding.decode(asked[row][2:-1]), pieces(sft.encoding, r.samples[row].ids)
    price, *others = (x[row][r.mask[row].bool()].tolist() for x in (prices, values, advantages))
    return text, tokens, price, r.score[row].item(), *others


# ---- labelers ---------------------------------------------------------------------------------


def labelers_table(results: dict) -> Table:
    """Of controls.json, a row a labeler: what its model most likely answers, and by how much its
    own labeler and the expert rate it above the SFT model. One seed."""
    columns = {
        _("opens politely"): "polite",
        _("invents about the unread"): "unread_invented",
        _("labeler's utility"): "utility_change",
        _("gold"): "gold_over_sft_greedy",
    }
    measures, rows = results["measures"], []
    for name in (n for n in ("sft", *LABELERS, "oracle") if f"{n}.kl" in measures):
        polite, invents, *rises = (measures[f"{name}.{key}"][0] for key in columns.values())
        called = _("nobody: the SFT model") if name == "sft" else name
        rows.append([called, f"{polite:.0%}", f"{invents:.0%}", *map(signed, rises)])
    caption = _("Utility and gold: the rise above the SFT model. One seed")
    return Table([_("trained on labels of"), *columns], rows, caption)
