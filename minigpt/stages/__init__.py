"""The trained stages: made, loaded, asked and measured. A notebook imports from here."""

from minigpt.stages.exam import (
    known_questions,
    report_questions,
    reward_exam,
    right_over,
    sample_pool,
    unknown_questions,
)
from minigpt.stages.from_labels import (
    even_attention,
    grouped,
    reference_answers,
    reward_from_labels,
    simulated_labels,
    with_refusals,
)
from minigpt.stages.keep import (
    go_back,
    head_facts_by_qa,
    head_facts_in_chat,
    keep,
    true_above_false,
    yours_or_shipped,
)
from minigpt.stages.labels import own_labels
from minigpt.stages.recipe import Plan
from minigpt.stages.report import BEIJING
from minigpt.stages.scoring import (
    ATTEMPTS,
    DECLINED,
    chat_score,
    few_shots,
    judged,
    majority_accuracy,
    more_questions,
    prompt_score,
    qa_prompt,
    share,
    with_interval,
)
from minigpt.stages.stage import SHIPPED, chat_answers, document_completions, load_stage, snapshots
from minigpt.store.kept import writing_seconds
