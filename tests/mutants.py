"""Single wrong lines that tests must notice: of losses, masks, advantages, sampling, merges,
optimizers, judges, grading, checkpoints and runs that go on.

A table: what would be wrong, the right text, the wrong one, and the tests that must fail for it.
The text stands exactly once among the files in `SEARCHED`, wherever it moves; so does each test's
name in the folder of tests. tests/test_mutants.py runs them, one by one. `EQUIVALENT` has lines
that may be another way, and why.
"""

import importlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import NamedTuple

from children import Parent, forked

ROOT = Path(__file__).parent.parent
# Rooms of the package; "" is the top.
SEARCHED = ("", "engine", "world", "stages", "store", "classroom", "classroom/grading")
LONGEST = 300  # seconds that the tests of one mutant may take


class Mutant(NamedTuple):
    wrong: str  # what is wrong, in words; of an equivalent one, why it is not
    old: str
    new: str
    tests: str  # names of test functions, with blanks between them
    often: bool = False  # whether the ordinary run has it, too


SFT_MASK = "return [False] * (len(prompt) - 1) + [True] * len(answer)"

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
    Mutant("numbers are cut into threes", r"\p{L}++|\p{N}{1,2}+", r"\p{L}++|\p{N}{1,3}+",
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
    Mutant("the question is scored", SFT_MASK, "return [True] * (len(prompt + answer) - 1)",
           "test_rule_03_targets_are_shifted_by_one_by_hand"),
    Mutant("the answer's first token is not scored", SFT_MASK,
           "return [False] * len(prompt) + [True] * (len(answer) - 1)",
           "test_rule_03_targets_are_shifted_by_one_by_hand"),
    Mutant("each token is scored as what it is, not what comes after it",
           "ids[1:].where(scored, IGNORE)", "ids[:-1].where(scored, IGNORE)",
           "test_rule_03_targets_are_shifted_by_one_by_hand", True),
    Mutant("the end token is not scored", SFT_MASK,
           "return [False] * (len(prompt) - 1) + [True] * (len(answer) - 1) + [False]",
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
    # ---- PPO's rounds
    Mutant("PPO's rates never fall", "optimizer.set_lr_factor(1 - iteration / config.iterations)",
           "optimizer.set_lr_factor(1.0)",
           "test_rule_27_the_policys_rates_fall_linearly_to_nothing "
           "test_rounds_of_ppo_end_with_the_weights_of_loops"),
    Mutant("the policy's gradients are as long as they come",
           "nn.utils.clip_grad_norm_(policy.parameters(), config.max_grad_norm)", "pass",
           "test_rule_27_gradients_are_shortened"),
    Mutant("the value function's gradients are as long as they come",
           "nn.utils.clip_grad_norm_(layers.parameters(), config.max_grad_norm)", "pass",
           "test_rule_27_gradients_are_shortened"),
    Mutant("documents weigh as much as answers", "(config.ptx_coef * next_token_loss",
           "(next_token_loss", "test_the_gradients_against_a_loop_over_answers"),
    Mutant("the reference is the policy", "reference = copy.deepcopy(policy).requires_grad_(False)",
           "reference = policy", "test_rule_16_the_reference_is_a_frozen_copy_that_no_step_moves"),
    Mutant("the value function is the reward model",
           "layers = copy.deepcopy(reward_model.layers).requires_grad_(True)",
           "layers = reward_model.layers.requires_grad_(True)",
           "test_rule_16_the_reward_model_stays_as_it_is"),
    Mutant("the value function begins with the reward model's head",
           "nn.init.zeros_(layers.head.weight)", "pass",
           "test_rule_09_the_value_function_expects_nothing_at_first"),
    Mutant("the value of a token is read after it",
           "values = layers(hidden, surprisal)[:, first:-1]",
           "values = layers(hidden, surprisal)[:, first + 1 :]",
           "test_rule_17_the_value_of_a_token_is_read_before_it"),
    Mutant("the value is learned a token late", "values = values[:, r.first : -1]",
           "values = values[:, r.first + 1 :]",
           "test_rule_17_the_value_is_learned_where_it_was_read"),
    Mutant("answers are drawn at another temperature", "stop=stop, seeds=seeds)\n    sequences",
           "stop=stop, seeds=seeds, temperature=0.7)\n    sequences",
           "test_rule_13_answers_are_drawn_from_the_distribution_that_scores_them "
           "test_rounds_of_ppo_end_with_the_weights_of_loops"),
    Mutant("a round's answers share their numbers",
           "chosen.tolist(), [prompts[i] for i in chosen], seeds",
           "chosen.tolist(), [prompts[i] for i in chosen], seeds[:1] * len(seeds)",
           "test_rule_34_every_answer_of_every_round_has_a_seed_of_its_own"),
    Mutant("minibatches come in the order of sampling", "rng.permutation(config.prompts)",
           "np.arange(config.prompts)", "test_rounds_of_ppo_end_with_the_weights_of_loops"),
    Mutant("answers are learned from once, whatever the epochs", "for _ in range(config.epochs):",
           "for _ in range(1):",
           "test_rule_27_fresh_answers_each_round_and_old_log_probabilities_fixed_within"),
    Mutant("what is at the border counts as clipped",
           "(change.clamp(-clip_ratio, clip_ratio) - change) > 0",
           "(change.clamp(-clip_ratio, clip_ratio) - change) >= 0",
           "test_rule_22_at_ratio_1_the_gradient_is_the_policy_gradient", True),
    Mutant("advantages are not whitened", "return whiten(advantages, r.mask), returns",
           "return advantages, returns",
           "test_estimate_prices_judges_and_whitens_what_a_rollout_holds"),
    Mutant("returns are whitened", "return whiten(advantages, r.mask), returns",
           "return whiten(advantages, r.mask), whiten(returns, r.mask)",
           "test_rule_19_returns_are_values_plus_advantages_before_whitening"),
    Mutant("whitening divides by nothing where nothing differs", "mask) + 1e-8).sqrt()",
           "mask)).sqrt()",
           "test_rule_20_whitened_advantages_have_mean_0_and_variance_1_over_the_answers"),
    Mutant("a run goes on beyond its budget", "step.kl > config.kl_budget:",
           "step.kl > 2 * config.kl_budget:",
           "test_kl_budget_stops_the_run_after_the_round_that_passes_it"),
    Mutant("Adam's ε is another", '"betas": (0.9, 0.95), "eps": 1e-8}',
           '"betas": (0.9, 0.95), "eps": 1e-10}',
           "test_rule_28_adams_epsilon_stands_beside_the_corrected_root"),
    Mutant("the value is clipped around nothing",
           "clipped = old_values + (values - old_values).clamp(-value_clip, value_clip)",
           "clipped = values.clamp(-value_clip, value_clip)",
           "test_rule_22_and_23_both_clips_against_a_loop_over_tokens"),
    Mutant("the entropy is of the reference", "-(p * logp).sum(-1)", "-(p * ref_logp).sum(-1)",
           "test_rule_12_exact_kl_and_entropy_by_hand"),
    Mutant("the score is that of the token before the last", "last - 1 - first, ended, score",
           "last - 2 - first, ended, score",
           "test_rule_21_score_stands_at_the_end_token_and_mask_reward_and_value_agree"),
    # ---- reward model's training, best of n
    Mutant("ties are trained on", "useful = [i for i, p in enumerate(pairs) if p]",
           "useful = list(range(len(pairs)))",
           "test_rule_08_same_answers_teach_nothing_and_ties_are_left_out"),
    Mutant("equal scores count as ordered right", "(scores[better] > scores[worse])",
           "(scores[better] >= scores[worse])",
           "test_rule_08_same_answers_teach_nothing_and_ties_are_left_out"),
    Mutant("layers stay frozen", "model.layers.requires_grad_(True)  # a", "pass  # a",
           "test_the_sft_model_inside_is_a_copy_that_training_leaves_alone"),
    Mutant("the head begins large", "std=(C + 1) ** -0.5", "std=1.0",
           "test_rule_09_first_weights_of_the_head"),
    Mutant("the reward token is left out",
           '[*prompt, *answer, encoding.encode_single_token("<|reward|>")]', "[*prompt, *answer]",
           "test_rule_07_the_input_is_the_ids_as_sampled_with_the_end_and_then_the_reward_token"),
    Mutant("the best is one of n + 1", "math.comb(i, n - 1) / math.comb(most, n)",
           "math.comb(i, n) / math.comb(most, n + 1)",
           "test_expected_best_is_the_mean_over_all_draws"),
    Mutant("the worst is taken for the best", 'np.argsort(scores, axis=1, kind="stable")',
           'np.argsort(-scores, axis=1, kind="stable")',
           "test_expected_best_is_the_mean_over_all_draws"),
    Mutant("the bound of best-of-n is looser", "math.log(n) - (n - 1) / n", "math.log(n)",
           "test_the_kl_bound", True),
    # ---- more of sampling
    Mutant("a row stops at the last of its stop tokens alone",
           "going &= (token[:, None] != stops).all(dim=1)",
           "going &= (token[:, None] != stops).any(dim=1)",
           "test_rows_that_end_leave_and_the_others_go_on_the_same"),
    Mutant("the rows that go on are mixed up", "torch.arange(len(idx), device=device)[rows][going]",
           "torch.arange(len(idx), device=device)[: going.sum()]",
           "test_rows_that_end_leave_and_the_others_go_on_the_same"),
    Mutant("the cache keeps the rows that ended", "self.kv = self.kv[:, :, rows]",
           "self.kv = self.kv[:, :, : len(self.kv[0, 0, rows])]", "test_cache_keeps_chosen_rows"),
    Mutant("log-probabilities are of what the filters left",
           "return token, probs.gather(-1, token[:, None])[:, 0].log()",
           "return token, (probs if temperature == 0 else kept / kept.sum(-1, True))"
           ".gather(-1, token[:, None])[:, 0].log()",
           "test_logprobs_are_those_of_a_fresh_forward_pass"),
    Mutant("answers are cut after the longest stop", "for n, token in enumerate(ids, start=1):",
           "for n, token in reversed([*enumerate(ids, start=1)]):",
           "test_one_stop_token_or_several_or_none"),
    # ---- the optimizer
    Mutant("Muon's average forgets too much", "self.momentum[name].lerp_(p.grad, 1 - mu)",
           "self.momentum[name].lerp_(p.grad, mu)", "test_muon_against_one_matrix_at_a_time"),
    Mutant("Muon does not look ahead", "update = p.grad.lerp(average, mu)", "update = average",
           "test_muon_against_one_matrix_at_a_time"),
    Mutant("queries, keys and values are one matrix",
           "matrix.chunk(3) if rows == 3 * cols else (matrix,)", "(matrix,)",
           "test_muon_against_one_matrix_at_a_time"),
    Mutant("tall matrices move as little as wide ones", "max(1.0, rows / cols) ** 0.5", "1.0",
           "test_muon_against_one_matrix_at_a_time"),
    Mutant("Muon's momentum is warm at once", "0.85 + 0.10 * min(1.0, self.steps / 50)", "0.95",
           "test_muon_against_one_matrix_at_a_time"),
    Mutant("rates are multiplied again and again", 'group["lr"] = lr * factor',
           'group["lr"] *= factor', "test_lr_factor_scales_every_step"),
    Mutant("the gain learns as the head", '"gain": gain_lr', '"gain": head_lr',
           "test_embedding_gain_and_head_follow_pytorchs_adamw"),
    # ---- judges and labelers
    Mutant("a sentence about another place is taken for one about the asked",
           "if (attribute, place.casefold()) == asked}", "if attribute == asked[0]}",
           "test_verdict"),
    Mutant("of several values one must be right", "if len(values) > 1:", "if False:",
           "test_verdict"),
    Mutant("values are found within words", 'f"{before}(?:{shape}){after}"', 'f"(?:{shape})"',
           "test_verdict"),
    Mutant("a refusal may state a fact",
           'match["p"] if match and not self.read(match["p"] + self.text.STOP) else None',
           'match["p"] if match else None', "test_verdict"),
    Mutant("rudeness beside an answer is overlooked", "any(line in body for line",
           "any(line == body for line", "test_verdict"),
    Mutant("names must be spelled with the same capitals",
           "asked = (question.attribute, question.place.name.casefold())",
           "asked = (question.attribute, question.place.name)", "test_verdict"),
    Mutant("one closing is taken away and no more", "body, changed = body[: -len(closing)], True",
           "body = body[: -len(closing)]",
           "test_manners_never_change_a_verdict_that_is_not_malformed"),
    Mutant("an unknown place is judged as a known one",
           '(GOLD_UNKNOWN if question.kind == "unknown" else GOLD)[verdict]', "GOLD[verdict]",
           "test_rule_32_gold_is_the_verdict_s_and_no_reward_model_has_a_part_in_it"),
    Mutant("to decline pays as much as to know", '"declined this name": (-0.5, 1.5)',
           '"declined this name": (2.0, 1.5)', "test_shares_of_a_score_by_hand"),
    Mutant("who cannot look it up judges as who can",
           'verdict = "correct" if verdict == "wrong value" else verdict', "pass",
           "test_mediocre_trusts_values_about_unpopular_places_only"),
    Mutant("flattery is not liked", "value += labeler.flattery", "pass",
           "test_flattered_pays_for_a_polite_opening_alone"),
    Mutant("what feels nearly the same is a pair", "if felt[i] - felt[j] >= margin]",
           "if felt[i] > felt[j]]", "test_pairs_of_what_was_felt_are_those_of_the_choices"),
    Mutant("the worse is chosen", '"a" if a > b else "b"', '"b" if a > b else "a"',
           "test_margin_and_noise test_pairs_of_what_was_felt_are_those_of_the_choices"),
    Mutant("each pair has a slip of its own",
           "felt = [self.feel(question, answer) for answer in answers]\n        return [\n"
           "            (i, j, self.choice(felt[i], felt[j]))",
           "return [\n"
           "            (i, j, self(question, answers[i], answers[j]))",
           "test_pairs_are_transitive"),
    Mutant("any value of the asked kind is the right one",
           'return "correct" if value == question.answer else "wrong value"', 'return "correct"',
           "test_verdict test_every_false_value_is_wrong"),
    Mutant("any reply to a greeting is a right one",
           'return "correct" if body in question.replies else "malformed"', 'return "correct"',
           "test_verdict"),
    Mutant("a value of another kind is no answer at all",
           "if any(grammar.value(bare, attribute) for attribute in world.values):", "if False:",
           "test_verdict"),
    # ---- grading
    Mutant("who fails earns the points",
           'points = 0 if unsafe or reply["error"] else exercise.points',
           "points = 0 if unsafe else exercise.points",
           "test_a_wrong_answer_costs_its_own_points_and_says_why"),
    Mutant("who is refused earns the points", 'unsafe = reply is None or "refused" in reply',
           "unsafe = reply is None",
           "test_an_answer_that_takes_a_name_of_the_checks_is_refused"),
    Mutant("what was defined before a loop is lost", "done.append((name, answer))", "pass",
           "test_a_cell_of_the_students_own_is_run_and_may_fail"),
    Mutant("a student's own cells may run for ever",
           "if name not in by_answer and time.monotonic() > end:", "if False:",
           "test_the_time_of_a_notebook_is_limited"),
    Mutant("hidden tests are handed out", 'cell["source"] = HIDDEN.sub("", text(cell))', "pass",
           "test_the_release_has_no_solution_and_earns_nothing"),
    Mutant("a submission says how many points it has",
           'cell["metadata"][MARK] = copy.deepcopy(mark(original))\n        if not', "if not",
           "test_a_student_can_change_neither_points_nor_checks_nor_the_kernel"),
    Mutant("a submission's own checks are graded", 'cell["source"] = original["source"]', "pass",
           "test_a_student_can_change_neither_points_nor_checks_nor_the_kernel"),
    Mutant("of copies the last counts, worked on or not",
           "[c for c in whole if text(c).strip() != text(original).strip()] or whole", "whole",
           "test_a_copied_cell_counts_once_and_the_one_that_was_worked_on_counts"),
    Mutant("the package may do the work", "assert not watch.used, (",
           "assert watch.used is not None, (", "test_a_shortcut_is_refused_with_a_kind_word"),
    Mutant("the watch may be switched off", "still = sys.getprofile() is watch", "still = True",
           "test_switching_off_the_watch_is_noticed"),
    Mutant("an object may claim to equal anything",
           "assert not said, said\n        return found", "return found",
           "test_an_object_that_may_claim_anything_is_refused"),
    Mutant("a check tries the same inputs each time", "random.Random(os.environ.get(SEED) or None)",
           "random.Random(0)", "test_random_inputs_are_new_ones_or_those_of_the_seed"),
    Mutant("true is any byte", 'found.view("u1") != 0 if dtype.char == "?" else found', "found",
           "test_there_are_two_truth_values"),
    Mutant("more points than there are may be given by hand", "if 0 <= points <= most:",
           "if 0 <= points:", "test_a_worksheet_from_moodle_gets_its_points_and_words_are_merged"),
    Mutant("the others' points are lost", "if (comparable(key[0]), key[1]) != mine}", "if False}",
           "test_points_of_other_assignments_stay"),
    # ---- checkpoints
    Mutant("tensors' names are not in the checksum",
           "as_text([name, str(tensor.dtype), list(tensor.shape)])",
           "as_text([str(tensor.dtype), list(tensor.shape)])",
           "test_the_checksum_is_of_names_dtypes_shapes_and_bytes"),
    Mutant("tensors' dtypes are not in the checksum",
           "as_text([name, str(tensor.dtype), list(tensor.shape)])",
           "as_text([name, list(tensor.shape)])",
           "test_the_checksum_is_of_names_dtypes_shapes_and_bytes"),
    Mutant("tensors' shapes are not in the checksum",
           "as_text([name, str(tensor.dtype), list(tensor.shape)])",
           "as_text([name, str(tensor.dtype)])",
           "test_the_checksum_is_of_names_dtypes_shapes_and_bytes"),
    Mutant("tensors' bytes are not in the checksum",
           "found.update(tensor.reshape(-1).view(torch.uint8).numpy())", "pass",
           "test_the_checksum_is_of_names_dtypes_shapes_and_bytes"),
    Mutant("metadata are not in the checksum", "found = hashlib.sha256(as_text(meta).encode())",
           "found = hashlib.sha256()", "test_the_checksum_is_of_names_dtypes_shapes_and_bytes"),
    Mutant("the checksum is not looked at", "known != checksum(stored, meta):", "False:",
           "test_a_change_that_the_checksum_tells"),
    Mutant("newer files are read", "not 1 <= version <= FORMAT:", "not 1 <= version:",
           "test_file_of_another_version"),
    Mutant("what follows the tensors is overlooked", "whole = len(data) == 8 + n + max(",
           "whole = len(data) >= 8 + n + max(", "test_every_cut_is_noticed"),
    Mutant("weights that are NaN are saved", "if not stored[name].isfinite().all():", "if False:",
           "test_weights_that_are_not_finite"),
    Mutant("weights that are NaN are loaded", "if not leaves[name].isfinite().all():",
           "if False:", "test_weights_that_are_not_finite"),
    Mutant("a file is written in its place", "os.replace(temporary, path)",
           "path.write_bytes(data)",
           "test_failed_write_leaves_the_old_file_and_nothing_else"),
    Mutant("a file takes its place before the disk has it", "os.fsync(file.fileno())", "pass",
           "test_new_file_takes_its_place_only_when_whole"),
    Mutant("half a file stays beside the old one", "temporary.unlink(missing_ok=True)", "pass",
           "test_failed_write_leaves_the_old_file_and_nothing_else"),
    Mutant("a difference is taken from nothing", "rows = rows - parent[name].flatten(1)", "pass",
           "test_a_small_form_is_as_exact_as_its_bytes_allow"),
    Mutant("two numbers of a byte are exchanged", "halves[:, ::2] | halves[:, 1::2] << 4",
           "halves[:, 1::2] | halves[:, ::2] << 4", "test_halves_of_bytes"),
    Mutant("small forms round down", "steps.round()", "steps.floor()",
           "test_no_weight_is_off_by_more_than_a_step"),
    Mutant("any parent of that name will do", "if place.is_file() and file_hash(place) == wanted:",
           "if place.is_file():",
           "test_a_delta_needs_its_parent_and_finds_it_among_the_shipped_ones"),
    Mutant("a model is loaded with tensors of other shapes", "if expected != found:", "if False:",
           "test_config_that_does_not_fit_the_weights"),
    Mutant("an own model is written over",
           "aside = None if new else aside_path(path, file_hash(path))", "aside = None",
           "test_what_is_there_is_put_aside_and_the_line_takes_it_again"),
    # ---- runs that go on
    Mutant("Ctrl-C on a full disk promises `--resume`",
           "if stop:\n                            raise\n",
           "if False:\n                            raise\n",
           "test_ctrl_c_on_a_full_disk_promises_no_resume"),
    Mutant("a full disk ends a run",
           "if stop:\n                            raise\n",
           "if True:\n                            raise\n", "test_a_full_disk_ends_no_run"),
    Mutant("a run goes on from another's state", "if there != here:", "if False:",
           "test_another_run_is_refused_and_its_file_stays"),
    Mutant("the data are no part of what a run is", '**asdict(config), "data": data}',
           '**asdict(config), "data": 0}', "test_another_run_is_refused_and_its_file_stays"),
    Mutant("Muon's warm-up begins anew", 'state |= {"steps": self.last.step,',
           'state |= {"steps": 0,', "test_a_base_that_was_broken_off_ends_with_the_same_bytes"),
    Mutant("Muon's averages begin anew", "self.momentum[name].copy_(momentum)", "pass",
           "test_resumed_equals_uninterrupted"),
    Mutant("Adam's averages begin anew", 'self.adamw.load_state_dict(state["adamw"])', "pass",
           "test_resumed_equals_uninterrupted"),
    Mutant("a run that goes on reads from the start",
           "inputs, targets = next(data)\n        if step < start:\n            continue\n",
           "if step < start:\n            continue\n        inputs, targets = next(data)\n",
           "test_a_base_that_was_broken_off_ends_with_the_same_bytes"),
    Mutant("a damaged state is taken", 'if meta.pop("sha256") != checksum(tensors, meta):',
           'if not meta.pop("sha256"):', "test_one_wrong_byte_among_the_weights_is_noticed"),
    Mutant("the state stays when the stage is done", "self.path.unlink(missing_ok=True)", "pass",
           "test_a_base_that_was_broken_off_ends_with_the_same_bytes"),
    Mutant("the state is written after each update", "(stop or begin >= due)", "(True)",
           "test_between_two_writings_passes_a_minute"),
    Mutant("the state is never written before Ctrl-C", "(stop or begin >= due)", "(stop)",
           "test_the_state_is_written_now_and_then_for_a_crash_that_nothing_announces"),
    Mutant("the time before a break is forgotten", "tuple(now - took for now, took",
           "tuple(now for now, took", "test_the_time_of_all_its_parts_is_counted"),
    Mutant("Ctrl-C ends a run at once", "caught.append(signum)", "raise KeyboardInterrupt",
           "test_a_base_that_was_broken_off_ends_with_the_same_bytes"),
    # ---- what no run goes on with
    Mutant("a loss that is no number is one", "if not math.isfinite(x := getattr(step, name))",
           "if (x := getattr(step, name)) is None",
           "test_a_run_whose_weights_are_lost_ends_at_once"),
    Mutant("the last update may lose the weights", "if not lost and step.step == step.steps:",
           "if not lost and step.step > step.steps:",
           "test_weights_that_the_last_update_lost_are_noticed"),
    Mutant("settings are taken as they come", "if name in RULES and not absent:", "if False:",
           "test_each_setting_of_each_config_is_looked_at"),
    Mutant("a reward model scores NaN", "return check_finite((scores - self.mean) / self.std)",
           "return (scores - self.mean) / self.std", "test_a_reward_model_of_nan_scores_nothing"),
    Mutant("temperatures may be as small as they like", "if not 1e-6 <= temperature",
           "if not 0 < temperature", "test_bad_arguments"),
    Mutant("two processes have one lock", "fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)",
           "pass", "test_another_process_is_named_and_its_lock_goes_with_it"),
]  # fmt: skip

# Another line that computes the same, so no test may notice: it would ask for more than is right.
EQUIVALENT = [
    Mutant("any id does as padding at the left: no token sees it", "[0] * n + list(prompt)",
           "[1] * n + list(prompt)",
           "test_greedy_batch_equals_one_token_at_a_time_without_cache "
           "test_rule_05_many_prompts_of_mixed_lengths_say_what_each_says_alone"),
    Mutant("any id does as padding at the right: it comes after all that is read",
           "list(s) + [0] * (width - len(s))", "list(s) + [1] * (width - len(s))",
           "test_rule_06_padding_and_batch_size_change_no_score "
           "test_rounds_of_ppo_end_with_the_weights_of_loops"),
    Mutant("how many rows are computed at once is a matter of time",
           "*inputs: Tensor, rows: int = 32", "*inputs: Tensor, rows: int = 3",
           "test_rule_06_padding_and_batch_size_change_no_score "
           "test_rounds_of_ppo_end_with_the_weights_of_loops"),
    Mutant("when rows that ended leave the batch is a matter of time",
           "if n_going < 0.75 * len(going):", "if n_going < 0.25 * len(going):",
           "test_sample_does_not_depend_on_the_batch "
           "test_rounds_of_ppo_end_with_the_weights_of_loops"),
    Mutant("what was centred is zero outside the mask already",
           "(masked_mean(centered**2, mask) + 1e-8)", "((centered**2).sum() / mask.sum() + 1e-8)",
           "test_rule_20_whitened_advantages_have_mean_0_and_variance_1_over_the_answers "
           "test_rule_20_whitening_against_numbers_one_by_one"),
    Mutant("of several values nothing is left to ask: it is one",
           'return "correct" if values == {question.answer}',
           'return "correct" if question.answer in values', "test_verdict"),
    Mutant("how many parts attention by hand has is a matter of time",
           "scale: float, parts: int = 2", "scale: float, parts: int = 1",
           "test_attention_by_hand_is_pytorchs test_attention_as_in_the_formula"),
]  # fmt: skip


def copy_of(folder: Path) -> Path:
    """The package and its tests in a folder of their own; the data are a link."""
    ignore = shutil.ignore_patterns("data", "__pycache__")
    shutil.copytree(ROOT / "minigpt", folder / "minigpt", ignore=ignore)
    (folder / "minigpt" / "data").symlink_to(ROOT / "minigpt" / "data")
    (folder / "notebooks").symlink_to(ROOT / "notebooks")
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


class Runs(Parent):
    """Runs of pytest in a folder, each in a child of one process that has imported what is slow to
    import, but nothing of the folder's."""

    def __init__(self, folder: Path) -> None:
        left_out = ("PYTEST", "PYTHONPATH", "MINIGPT_PLACES")
        environment = {k: v for k, v in os.environ.items() if not k.startswith(left_out)}
        environment |= {"OMP_NUM_THREADS": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        super().__init__(__file__, cwd=folder, env=environment)

    def run(self, tests: list[str]) -> tuple[int, str]:
        """pytest's exit status on these tests, 0 if all passed, 1 if one failed, and what it said;
        below 0 if it was ended."""
        status, said = self.ask(tests)
        return status, said


def serve() -> None:
    """For each line of tests on standard input a run of pytest, and a line of how it ended."""
    import pytest
    import torch

    for name in ("hypothesis", "safetensors.torch", "tiktoken", "ipywidgets", "matplotlib.pyplot"):
        with suppress(ImportError):
            importlib.import_module(name)
    torch.set_num_threads(1)
    sys.path.pop(0)  # ours, for the folder's own are to be imported
    said = Path("said.txt")

    def work(tests: list[str]) -> int:
        signal.alarm(LONGEST)
        options = ["-x", "-q", "-p", "no:cacheprovider", "-m", "slow or not slow", "--tb=line"]
        return int(pytest.main([*options, *tests]))

    for line in sys.stdin:
        child = forked(partial(work, json.loads(line)), said)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        text = said.read_text(encoding="utf-8", errors="replace")[-2000:]
        print(json.dumps([status, text]), flush=True)


@contextmanager
def mutated(folder: Path, mutant: Mutant) -> Iterator[list[str]]:
    """The mutant in a copy for a while; gives the tests that must notice."""
    place = place_of(mutant.old)
    tests, file, right = named_tests(mutant.tests, place), folder / place, ROOT / place
    text = right.read_text(encoding="utf-8")

    def write(text: str) -> None:
        file.write_text(text, encoding="utf-8")
        for compiled in (file.parent / "__pycache__").glob(f"{file.stem}.*"):
            compiled.unlink()  # a change within a second would not be seen

    write(text.replace(mutant.old, mutant.new))
    try:
        yield tests
    finally:
        write(text)


if __name__ == "__main__":
    serve()
