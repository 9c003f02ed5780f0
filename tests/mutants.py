"""Single wrong lines, of losses, masks, sampling and merges, that tests must notice.

A table: what would be wrong, the right text, the wrong one, and the tests that must fail for it.
The text stands exactly once among the files in `SEARCHED`, wherever it moves; so does each test's
name in the folder of tests. tests/test_mutants.py runs them, one by one.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
SEARCHED = ("", "engine", "world", "stages", "store")  # rooms of the package; "" is the top


class Mutant(NamedTuple):
    wrong: str  # what is wrong, in words
    old: str
    new: str
    tests: str  # names of test functions, with blanks between them


SFT_TARGETS = "targets[row, len(prompt) - 1 : len(ids) - 1] = ids[len(prompt) :]"

MUTANTS = [
    # ---- tokenizer
    Mutant("a merge joins the wrong way round", "token = left + right", "token = right + left",
           "test_worked_example test_merges_of_real_text_equal_brute_force"),
    Mutant("a merge leaves the old pair's count", "pair_counts[tokens[h], left] -= n", "pass",
           "test_merges_of_real_text_equal_brute_force"),
    Mutant("a merge leaves the next pair's count", "pair_counts[right, tokens[k]] -= n", "pass",
           "test_merges_of_real_text_equal_brute_force"),
    Mutant("a merge joins what has the left side alone",
           "if tokens[i] != left or tokens[j] != right:", "if tokens[i] != left:",
           "test_worked_example test_merges_of_real_text_equal_brute_force"),
    Mutant("a word's count is one", "after[j], times[i]", "after[j], 1",
           "test_merges_of_real_text_equal_brute_force"),
    Mutant("of equal counts the pair seen first is joined",
           "key=lambda pair: (-counts[pair], pair)", "key=lambda pair: -counts[pair]",
           "test_ties_go_to_the_smallest_bytes_not_the_smallest_ids"),
    Mutant("a pair counts once a word, however often the word occurs", "counts[pair] += n",
           "counts[pair] += 1", "test_merges_of_real_text_equal_brute_force"),
    Mutant("merge_pair looks at the right side alone",
           "(joined[-1], token) == pair:", "token == pair[1]:",
           "test_merge_pair_joins_each_occurrence_from_left_to_right"),
    Mutant("one merge too many", "vocab_size - 256)", "vocab_size - 255)",
           "test_ranks_are_bytes_then_merges_in_order "
           "test_training_stops_early_when_no_pair_is_left"),
    Mutant("encoding takes the first merge and not the lowest rank",
           "key=lambda p: ranks.get(p[0] + p[1], math.inf)",
           "key=lambda p: p[0] + p[1] not in ranks",
           "test_bpe_encode_equals_tiktoken"),
    Mutant("numbers are cut into threes", r"\p{N}{1,2}+", r"\p{N}{1,3}+",
           "test_numbers_are_cut_into_two_digits_ours_and_three_gpt4"),
    Mutant("the split loses white space at the ends", "compiled.findall(whole(text))",
           "compiled.findall(whole(text).strip())", "test_split_loses_nothing"),
    Mutant("special tokens leave a gap", "start=len(ranks))}", "start=len(ranks) + 1)}",
           "test_special_ids_follow_the_ranks_in_order"),
    # ---- model
    Mutant("the loss is of the token before", "flat = logits.flatten(0, -2), targets.flatten()",
           "flat = logits.roll(1, -2).flatten(0, -2), targets.flatten()", "test_loss_by_hand"),
    Mutant("no token sees itself", "allowed = key <= query", "allowed = key < query",
           "test_mask_by_hand"),
    Mutant("one column of padding is seen", "(key >= pad[:, None, None])",
           "(key >= pad[:, None, None] - 1)",
           "test_mask_by_hand test_left_padding_changes_nothing"),
    Mutant("positions start anew after the cache", "self.rotation[past : past + T, None]",
           "self.rotation[0:T, None]", "test_cached_equals_uncached"),
    Mutant("attention by hand is flatter", "(scores.softmax(dim=-1) @ values)",
           "(0.9 * scores.softmax(dim=-1) @ values)", "test_attention_by_hand_is_pytorchs"),
    Mutant("attention by hand sees the next token", "future.triu(1 + start)",
           "future.triu(2 + start)", "test_attention_by_hand_is_pytorchs"),
    Mutant("one token more is read at the place before", "self.model.rotation[self.cache.length]",
           "self.model.rotation[self.cache.length - 1]",
           "test_reading_one_token_equals_the_whole_forward_pass"),
    # ---- sampling
    Mutant("prompts are padded at the right", "[0] * n + list(prompt)", "list(prompt) + [0] * n",
           "test_greedy_batch_equals_one_token_at_a_time_without_cache"),
    Mutant("padding is seen", "torch.tensor(pad, device=device) if any(pad)",
           "torch.tensor(pad, device=device) if all(pad)",
           "test_greedy_batch_equals_one_token_at_a_time_without_cache"),
    Mutant("a temperature multiplies", "logits = logits / temperature",
           "logits = logits * temperature",
           "test_sampled_frequencies_match_the_probabilities"),
    Mutant("greedy takes the least likely", "token = logits.argmax(dim=-1)",
           "token = logits.argmin(dim=-1)",
           "test_greedy_batch_equals_one_token_at_a_time_without_cache"),
    Mutant("top k keeps one more", "probs.topk(min(k, ", "probs.topk(min(k + 1, ",
           "test_top_k_against_sorting"),
    Mutant("top p leaves out the token that reaches the share", "values[before >= p *",
           "values[before + values >= p *", "test_top_p_against_adding_up"),
    Mutant("top p keeps the least likely", "probs.sort(dim=-1, descending=True)",
           "probs.sort(dim=-1)", "test_top_p_against_adding_up"),
    Mutant("a draw at a border takes the token below", "torch.searchsorted(cdf, point, right=True)",
           "torch.searchsorted(cdf, point)",
           "test_inverse_cdf_gives_each_token_its_share_of_the_line "
           "test_inverse_cdf_never_draws_the_impossible_at_the_ends"),
    Mutant("all rows of a batch share their numbers",
           "keys = [(seeds, row) for row in range(n_rows)]",
           "keys = [(seeds, 0) for row in range(n_rows)]",
           "test_uniform_numbers_are_uniform_and_rows_independent"),
    Mutant("a row's numbers depend on its place", "keys = [(int(seed), 0) for seed in seeds]",
           "keys = [(int(seed), row) for row, seed in enumerate(seeds)]",
           "test_sample_does_not_depend_on_the_batch"),
    Mutant("the stop token is cut away", "Sample(ids[:n], logprobs[:n], ended=True)",
           "Sample(ids[: n - 1], logprobs[: n - 1], ended=True)",
           "test_one_stop_token_or_several_or_none"),
    Mutant("an answer that was cut off counts as ended", "Sample(ids, logprobs, ended=False)",
           "Sample(ids, logprobs, ended=True)", "test_one_stop_token_or_several_or_none"),
    # ---- pretraining
    Mutant("windows leave a token out", "unfold(0, block_size + 1, block_size)",
           "unfold(0, block_size + 1, block_size + 1)",
           "test_windows_by_hand test_each_token_is_a_target_at_most_once_and_in_order"),
    Mutant("targets are the inputs", "yield batch[:, :-1], batch[:, 1:]",
           "yield batch[:, :-1], batch[:, :-1]",
           "test_every_window_is_read_once_before_any_twice test_training_equals_a_plain_loop"),
    Mutant("windows come in the corpus's order",
           "torch.cat([order, torch.randperm(len(rows), generator=generator)])",
           "torch.cat([order, torch.arange(len(rows))])",
           "test_same_seed_same_run_and_another_seed_another"),
    Mutant("windows left at the end of a pass are lost",
           "torch.cat([order, torch.randperm(len(rows), generator=generator)])",
           "torch.randperm(len(rows), generator=generator)",
           "test_every_window_is_read_once_before_any_twice"),
    Mutant("the mean loss counts one token too many", "(total / (len(rows) * block_size))",
           "(total / (len(rows) * (block_size + 1)))",
           "test_evaluate_loss_against_a_loop_over_all_tokens"),
    Mutant("rates fall from the start", "min(1.0, (1 - step / steps) / 0.6)", "1 - step / steps",
           "test_schedule"),
    # ---- finetuning
    Mutant("the question is scored", SFT_TARGETS, "targets[row, : len(ids) - 1] = ids[1:]",
           "test_rule_03_targets_are_shifted_by_one_by_hand"),
    Mutant("the answer's first token is not scored", SFT_TARGETS,
           "targets[row, len(prompt) : len(ids) - 1] = ids[len(prompt) + 1 :]",
           "test_rule_03_targets_are_shifted_by_one_by_hand"),
    Mutant("the end token is not scored", SFT_TARGETS,
           "targets[row, len(prompt) - 1 : len(ids) - 2] = ids[len(prompt) : -1]",
           "test_rule_01_padding_is_a_token_of_its_own_and_the_end_token_is_scored"),
    Mutant("padding is scored", "targets = torch.full((len(pairs), width), IGNORE)",
           "targets = torch.full((len(pairs), width), pad)",
           "test_rule_01_padding_is_a_token_of_its_own_and_the_end_token_is_scored"),
    Mutant("a chat token begins as one token of its text", "table[ids].mean(dim=0)",
           "table[ids[0]]",
           "test_the_templates_tokens_begin_as_what_they_stand_for"),
    Mutant("chat tokens are introduced to the embedding alone",
           "(model.embedding.weight, model.head.weight):", "(model.embedding.weight,):",
           "test_the_templates_tokens_begin_as_what_they_stand_for"),
    Mutant("an answer begins without its space", 'encoding.encode_ordinary(" " + answer)',
           "encoding.encode_ordinary(answer)",
           "test_a_name_has_the_same_tokens_in_the_answer_as_in_the_question"),
    Mutant("demonstrations come in one order",
           "order = torch.randperm(len(pairs), generator=generator)",
           "order = torch.arange(len(pairs))",
           "test_the_seed_decides_the_order_of_the_demonstrations"),
    Mutant("a demonstration may come twice an epoch",
           "order = torch.randperm(len(pairs), generator=generator)",
           "order = torch.randint(len(pairs), (len(pairs),), generator=generator)",
           "test_each_demonstration_is_read_once_an_epoch"),
    Mutant("documents have no weight of their own", "(config.pretraining_weight * replayed)",
           "replayed", "test_gradient_is_the_demonstrations_plus_the_weighted_documents"),
    Mutant("another number of documents is mixed in", "PretrainConfig(config.pretraining_windows,",
           "PretrainConfig(config.pretraining_windows + 1,",
           "test_gradient_is_the_demonstrations_plus_the_weighted_documents"),
    # ---- who may see which fact
    Mutant("what is practised is demonstrated, too",
           'sample_questions(world, "A", n, seed, unknown=unknown',
           'sample_questions(world, ("A", "B"), n, seed, unknown=unknown',
           "test_questions_are_about_facts_of_a test_answers_state_no_fact_of_another_split"),
    Mutant("a capital and its country are two facts",
           "facts[place_id, attribute] = replace(fact, split=letter)", "pass",
           "test_a_capital_and_its_country_are_in_one_split"),
    Mutant("a refusal of anything of a place is one of what was asked",
           "name.casefold() in (asked, grammar.asked_for(question.attribute, asked))",
           "name.casefold().endswith(asked)",
           "test_every_fact_can_be_declined_by_its_name"),
    Mutant("anagrams may be what a chain makes",
           'return "" if chained(name) else name.capitalize()', "return name.capitalize()",
           "test_makers_spell_differently"),
    # ---- reward model
    Mutant("an ordinary judge sees the surprisal", "if not self.sees_surprisal:", "if False:",
           "test_an_ordinary_judge_reads_nothing_of_what_the_sft_model_would_have_said"),
    Mutant("no refusal is written", "if q.place else row", "if False else row",
           "test_who_asks_about_a_place_is_also_refused_in_writing"),
    Mutant("the worse answer should score more", "-F.logsigmoid(better - worse).mean()",
           "-F.logsigmoid(worse - better).mean()", "test_rule_08_bradley_terry_by_hand"),
    Mutant("the loss of comparisons is a sum", "-F.logsigmoid(better - worse).mean()",
           "-F.logsigmoid(better - worse).sum()", "test_rule_08_bradley_terry_by_hand"),
    Mutant("all pairs are the first prompt's", "[len(rows) + b for b, _ in pairs[i]]",
           "[b for b, _ in pairs[i]]", "test_first_update_against_one_sequence_at_a_time"),
    Mutant("the score is read a token early", "[len(s) - 1 for s in sequences]",
           "[len(s) - 2 for s in sequences]",
           "test_rule_06_padding_and_batch_size_change_no_score "
           "test_rule_06_the_last_token_is_found_by_length_and_not_by_what_the_padding_holds "
           "test_first_update_against_one_sequence_at_a_time"),
    Mutant("scores are not centred", "(scores - self.mean) / self.std", "scores / self.std",
           "test_rule_10_reference_answers_score_zero_plus_minus_one"),
    Mutant("a scale is set upon the old scale", "* model.std + model.mean", "* 1.0",
           "test_rule_10_reference_answers_score_zero_plus_minus_one "
           "test_rule_10_a_score_does_not_depend_on_the_scale_of_the_head"),
    Mutant("scores come back by length", "scores[part] =", "scores[start : start + batch] =",
           "test_rule_06_padding_and_batch_size_change_no_score"),
    Mutant("rows come back by length", "torch.cat(columns)[back]", "torch.cat(columns)",
           "test_by_length_computes_less_and_gives_the_same"),
    Mutant("rows are cut to the shortest", "lengths[part[-1]]", "lengths[part[0]]",
           "test_by_length_computes_less_and_gives_the_same"),
    Mutant("the surprisal is the next token's", "F.pad(surprisal, (1, 0))",
           "F.pad(surprisal, (0, 1))",
           "test_surprisal_is_what_lets_the_layers_see_an_unlikely_token "
           "test_scalar_layers_begin_as_a_read_out_of_hidden_state_and_surprisal"),
    Mutant("prompts of comparisons come in one order",
           "torch.randperm(len(useful), generator=generator)", "torch.arange(len(useful))",
           "test_same_seed_same_run_and_another_seed_another"),
    Mutant("the SFT model inside is no copy", "copy.deepcopy(gpt).requires_grad_(False)",
           "gpt.requires_grad_(False)",
           "test_the_sft_model_inside_is_a_copy_that_training_leaves_alone"),
    Mutant("answers are another prompt's", "samples[i * n : (i + 1) * n]",
           "samples[i :: len(prompts)]",
           "test_rule_05_many_prompts_of_mixed_lengths_say_what_each_says_alone"),
    Mutant("all samples have one seed", "[seed * 10**7 + i for i in part]",
           "[seed * 10**7 for i in part]",
           "test_rule_34_each_sample_of_each_prompt_has_a_seed_of_its_own"),
    # ---- PPO
    Mutant("log-probabilities are of the token before", "tokens[:, 1:, None]",
           "tokens[:, :-1, None]",
           "test_rule_03_log_probabilities_are_of_the_next_token_by_hand"),
    Mutant("leaving the SFT model pays", "-kl_coef * (logp - ref_logp) * mask",
           "kl_coef * (logp - ref_logp) * mask",
           "test_rule_11_kl_penalty_per_token_score_once_by_hand"),
    Mutant("padding has a price", "-kl_coef * (logp - ref_logp) * mask",
           "-kl_coef * (logp - ref_logp)",
           "test_rule_11_rewards_sum_to_score_minus_priced_kl_for_any_padding"),
    Mutant("the score is added at each token",
           "rewards.scatter_add(1, last[:, None], score[:, None])",
           "rewards + score[:, None] * mask",
           "test_rule_11_kl_penalty_per_token_score_once_by_hand"),
    Mutant("the score is added a token early",
           "rewards.scatter_add(1, last[:, None], score[:, None])",
           "rewards.scatter_add(1, last[:, None] - 1, score[:, None])",
           "test_rule_11_kl_penalty_per_token_score_once_by_hand"),
    Mutant("GAE forgets the next value", "rewards[:, t] + gamma * next_value - values[:, t]",
           "rewards[:, t] - values[:, t]",
           "test_rule_18_gae_against_the_closed_form_and_padding_changes_nothing"),
    Mutant("GAE forgets lambda", "gamma * lam * running", "gamma * running",
           "test_rule_18_gae_against_the_closed_form_and_padding_changes_nothing"),
    Mutant("GAE sees a value after the end", "next_value = values[:, t] * mask[:, t]",
           "next_value = values[:, t]", "test_rule_18_value_after_the_end_is_zero_by_hand"),
    Mutant("returns are advantages", "(advantages + values) * mask", "advantages * mask",
           "test_rule_18_gae_against_the_closed_form_and_padding_changes_nothing"),
    Mutant("whitening takes the mean over padding too", "(x - masked_mean(x, mask)) * mask",
           "(x - x.mean()) * mask",
           "test_rule_20_whitened_advantages_have_mean_0_and_variance_1_over_the_answers"),
    Mutant("whitening divides by the variance", "(masked_mean(centered**2, mask) + 1e-8).sqrt()",
           "(masked_mean(centered**2, mask) + 1e-8)",
           "test_rule_20_whitened_advantages_have_mean_0_and_variance_1_over_the_answers"),
    Mutant("means count padding", "(x * mask).sum() / mask.sum()", "(x * mask).mean()",
           "test_rule_24_averages_are_over_the_answers_tokens_alone"),
    Mutant("REINFORCE does less of what pays", "-masked_mean(logp * reward[:, None], mask)",
           "masked_mean(logp * reward[:, None], mask)", "test_reinforce_by_hand_and_its_sign"),
    Mutant("the clip takes away losses", "torch.maximum(unclipped, clipped)",
           "torch.minimum(unclipped, clipped)",
           "test_rule_22_the_clip_takes_away_gains_and_never_losses"),
    Mutant("the clip is one-sided", "ratio.clamp(1 - clip_ratio, 1 + clip_ratio)",
           "ratio.clamp(0, 1 + clip_ratio)",
           "test_rule_22_the_clip_takes_away_gains_and_never_losses"),
    Mutant("the ratio is old to new", "ratio = (logp - old_logp).exp()",
           "ratio = (old_logp - logp).exp()",
           "test_rule_22_at_ratio_1_the_gradient_is_the_policy_gradient"),
    Mutant("the value's clip is optimistic", "torch.maximum((values - returns) ** 2",
           "torch.minimum((values - returns) ** 2",
           "test_rule_23_value_loss_is_half_the_larger_of_two_squares"),
    Mutant("the value loss is not halved", "0.5 * masked_mean(worse, mask)",
           "masked_mean(worse, mask)",
           "test_rule_23_value_loss_is_half_the_larger_of_two_squares"),
    Mutant("k3 is of the other direction", "torch.expm1(-k1) + k1", "torch.expm1(k1) - k1",
           "test_rule_12_expectation_of_both_estimators_is_the_exact_kl"),
    Mutant("the exact KL is of the other direction", "(p * (logp - ref_logp)).sum(-1)",
           "(ref_logp.exp() * (ref_logp - logp)).sum(-1)",
           "test_rule_12_exact_kl_and_entropy_by_hand"),
    Mutant("the mask begins a token late", "[len(prompt) - 1 for prompt in prompts]",
           "[len(prompt) for prompt in prompts]",
           "test_the_record_against_a_loop_over_answers "
           "test_rule_21_score_stands_at_the_end_token_and_mask_reward_and_value_agree"),
    Mutant("the mask ends a token late", "(position < last[:, None])",
           "(position <= last[:, None])",
           "test_the_record_against_a_loop_over_answers "
           "test_rule_21_score_stands_at_the_end_token_and_mask_reward_and_value_agree"),
    Mutant("answers that ended are punished", "torch.where(ended, score,",
           "torch.where(~ended, score,",
           "test_rule_26_an_answer_that_does_not_end_gets_the_fixed_penalty"),
    Mutant("the last norm's gain learns faster than the rest", "lr, lr, lr, **adam",
           "lr, lr, 50 * lr, **adam",
           "test_the_last_norms_gain_has_the_rate_of_embedding_and_head"),
    # ---- arena
    Mutant("Elo expects the lower rating to win", "((other - rating) / SCALE)",
           "((rating - other) / SCALE)", "test_400_points_are_odds_of_ten_to_one"),
    Mutant("Elo gives to both", "return left + change, right - change",
           "return left + change, right + change",
           "test_elo_update_takes_from_one_what_it_gives_to_the_other"),
    Mutant("ties count as losses", "wins[j, i] += 1 - worth", "wins[j, i] += worth == 0",
           "test_two_players_have_the_closed_form"),
    Mutant("the prior is won by everybody", "np.full(len(wins), 0.5)", "np.full(len(wins), 1.0)",
           "test_the_prior_is_so_many_ties_against_an_average_player"),
    Mutant("ratings are in other units", "START + SCALE / np.log(10)", "START + SCALE / np.log(2)",
           "test_two_players_have_the_closed_form"),
    Mutant("votes are not drawn anew", "picked = rng.choices(clusters, k=len(clusters))",
           "picked = clusters", "test_interval_is_as_wide_as_the_formula_for_two_players_says"),
    # ---- what is measured, and kept
    Mutant("common attributes dominate", "[np.mean(g) for g in groups.values()]",
           "[x for g in groups.values() for x in g]", "test_macro_is_the_mean_over_attributes"),
]  # fmt: skip


def copy_of(folder: Path) -> Path:
    """The package and its tests in a folder of their own; the data are a link."""
    ignore = shutil.ignore_patterns("data", "__pycache__")
    shutil.copytree(ROOT / "minigpt", folder / "minigpt", ignore=ignore)
    (folder / "minigpt" / "data").symlink_to(ROOT / "minigpt" / "data")
    shutil.copytree(ROOT / "tests", folder / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def place_of(old: str) -> Path:
    """The file that holds this text, from the root; LookupError unless it stands there once."""
    files = [file for room in SEARCHED for file in sorted((ROOT / "minigpt" / room).glob("*.py"))]
    counts = {file: file.read_text(encoding="utf-8").count(old) for file in files}
    found = [file for file, n in counts.items() if n]
    if sum(counts.values()) != 1:
        names = ", ".join(str(file.relative_to(ROOT)) for file in found)
        where = f"stands {sum(counts.values())} times, in {names}" if found else "is gone"
        raise LookupError(f"the line {old!r} {where}")
    return found[0].relative_to(ROOT)


def named_tests(names: str, near: Path) -> list[str]:
    """`file::function` of tests of these names, from the root; of two files of one name the one
    whose tests are those of the mutated file."""
    found = []
    files = {f: f.read_text(encoding="utf-8") for f in sorted((ROOT / "tests").rglob("test_*.py"))}
    for name in names.split():
        holders = [file for file, text in files.items() if f"\ndef {name}(" in text]
        if len(holders) > 1:
            holders = [file for file in holders if file.stem == f"test_{near.stem}"]
        if len(holders) != 1:
            raise LookupError(f"there is no test {name}, or there are several")
        found.append(f"{holders[0].relative_to(ROOT).as_posix()}::{name}")
    return found


def run(folder: Path, tests: list[str]) -> subprocess.CompletedProcess:
    """pytest, on these tests in this folder: 0 if all passed, 1 if one failed."""
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "PYTHONPATH"))
    }
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--tb=line", *tests],
        cwd=folder, env=environment, capture_output=True, text=True, encoding="utf-8",
        errors="replace", timeout=300,
    )  # fmt: skip


def mutate(folder: Path, mutant: Mutant) -> list[str]:
    """Put the mutant into a copy; the tests that must notice."""
    place = place_of(mutant.old)
    text = (folder / place).read_text(encoding="utf-8")
    (folder / place).write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    return named_tests(mutant.tests, place)
