"""Prints what the checkpoints can do, measured on facts kept for this alone (--json for a file)."""

from __future__ import annotations

import argparse
import json
import math

from minigpt.store.files import PROGRAM, Problem, is_checkpoint, learner_home


def main(argv: list[str]) -> int:
    """Run the command; returns the exit status."""
    parser = argparse.ArgumentParser(prog=f"{PROGRAM} report", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one flat object, shares as fractions")
    parser.add_argument("--own", action="store_true", help="your own runs instead of the shipped")
    parser.add_argument("--size", default="tiny", help="your own models of `train --size`")
    parser.add_argument("--seeds", type=int, default=1, help="train further seeds, report each")
    parser.add_argument("--lang", default="en")
    args = parser.parse_args(argv)
    if args.seeds < 1:
        raise Problem(f"--seeds is {args.seeds}: give 1 or more.")

    from minigpt.engine.device import set_threads
    from minigpt.stages.sizes import DEFAULT
    from minigpt.stages.stage import SHIPPED, own_checkpoints

    set_threads()
    if args.seeds > 1 and args.size != DEFAULT:
        raise Problem(f"Further seeds are trained at the size {DEFAULT}: leave out --size.")
    own = args.own or args.size != DEFAULT
    folder = own_checkpoints(args.lang, args.size) if own else SHIPPED / args.lang
    if not (folder / "base.safetensors").is_file():
        more = "" if args.size == DEFAULT else f" --size {args.size}"
        raise Problem(f"There are no checkpoints in {folder}: `{PROGRAM} train{more}` makes them.")
    folders = {0: folder}
    for seed in range(1, args.seeds):
        folders[seed] = train_seed(seed, args.lang, quiet=args.json)
    try:
        results = {seed: report_on(path, args.lang) for seed, path in folders.items()}
    except (OSError, ValueError) as error:  # a checkpoint that is damaged or lacks its parent
        raise Problem(str(error)) from None
    if args.json:
        tables = {seed: values(table) for seed, table in results.items()}
        print(json.dumps(tables[0] if args.seeds == 1 else tables, indent=1))
        return 0
    for seed, table in results.items():
        print(f"\nseed {seed}: {folders[seed]}")
        print_table(table)
    return 0


def values(table: dict) -> dict:
    """The measures' numbers; null, which JSON has, in place of NaN, which it has not."""
    return {key: m.value if math.isfinite(m.value) else None for key, m in table.items()}


def train_seed(seed: int, lang: str, quiet: bool):
    """The folder of another seed's checkpoints, trained where they are not there yet."""
    from minigpt.stages.train import Course

    out = learner_home() / "seeds" / str(seed) / lang
    course = Course(out, lang, seed, say=(lambda text: None) if quiet else print)
    out.mkdir(parents=True, exist_ok=True)
    for name in ("base", "sft", "reward", "ppo", "ppo_overoptimised"):
        if not course.path(name).is_file():
            (course.overoptimised if name == "ppo_overoptimised" else getattr(course, name))()
    return out


def report_on(folder, lang: str = "en") -> dict:
    """All measures of the checkpoints in one folder: {key: Measure}."""
    from minigpt.stages import report as measures
    from minigpt.stages.report import Measure
    from minigpt.stages.stage import read_stage
    from minigpt.stages.train import HELD_OUT_TOKENS
    from minigpt.tokenizer import load_tokenizer
    from minigpt.world.corpus import build_corpus
    from minigpt.world.facts import load_world

    files = filter(is_checkpoint, sorted(folder.glob("*.safetensors")))
    stages = {p.stem: read_stage(p, lang) for p in files}
    base, sft, reward, ppo = (stages.get(n) for n in ("base", "sft", "reward", "ppo"))
    table = measures.measure_base(base)
    documents = build_corpus(load_world(lang), load_tokenizer(lang), HELD_OUT_TOKENS, seed=1000)
    if sft:
        table |= measures.measure_chat(sft, "sft")
        for asked, shown in (("", "_often"), ("_unseen_phrasing",) * 2):
            gap = table[f"base.three_shot{shown}"].value - table[f"sft.accuracy{asked}"].value
            table[f"sft.accuracy{asked}_gap_to_base"] = Measure(gap, note="base: three shots")
        table["sft.perplexity_ratio"] = measures.perplexity_ratio(sft, base, documents.tokens)
    if sft and reward:
        table |= measures.measure_reward(reward, sft)
        table |= measures.measure_best_of_n(sft, reward)
    if sft and reward and ppo:
        table |= measures.measure_chat(ppo, "ppo")
        table |= measures.changes(table, table)
        table |= measures.measure_ppo(ppo, sft, reward)
        table["ppo.perplexity_ratio"] = measures.perplexity_ratio(ppo, base, documents.tokens)
        over, few = stages.get("ppo_overoptimised"), stages.get("reward_few")
        if over and few:
            table |= measures.measure_overoptimised(over, ppo, sft, few)
    controls = folder / "controls.json"
    if controls.is_file():
        numbers = json.loads(controls.read_text(encoding="utf-8"))
        table |= {key: Measure(value, note="as recorded") for key, value in numbers.items()}
    train = folder / "train.json"
    if train.is_file():
        numbers = json.loads(train.read_text(encoding="utf-8"))["stages"]
        core = [numbers[n]["seconds"] for n in ("base", "sft", "reward", "ppo") if n in numbers]
        table["train.seconds"] = Measure(
            sum(core), note="base, SFT, reward model, PPO, as recorded"
        )
        for name, row in numbers.items():
            for key in ("seconds", "tokens", "flops", "cpu_over_wall"):
                table[f"train.{name}.{key}"] = Measure(float(row[key]))
    return table


def print_table(table: dict) -> None:
    """One line a measure: value, 95 % interval, note."""
    print(f"{'measure':42} {'value':>10}   95 % interval")
    for key, measure in table.items():
        value = f"{measure.value:,.0f}" if abs(measure.value) >= 1000 else f"{measure.value:.3f}"
        interval = f"{measure.low:.3f} to {measure.high:.3f}" if measure.low is not None else ""
        print(f"{key:42} {value:>10}   {interval:18} {measure.note}".rstrip())
