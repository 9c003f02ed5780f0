"""Tokens a second of the page's models in node, one model on one core; the goal is 1,000.

    python tests/benchmarks/page.py

Each model goes on after a few prompts for 40 tokens, at temperature 1, on the page's own weight
files; the tokens of the prompts are read, too, and count as tokens. The first round warms the
compiler up and does not count. Beside it our PyTorch, which does the same one prompt at a time.
"""

import gzip
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import torch

from minigpt.generate import generate
from minigpt.page import site
from minigpt.stages.stage import load_stage
from minigpt.world.facts import load_world
from minigpt.world.questions import sample_questions

PAGE = Path(site.__file__).parent
ROUNDS, QUESTIONS, NEW = 6, 20, 40
GOAL = 1000
PROGRAM = """
import { readFileSync } from "node:fs";
import { GPT, generate } from "PAGE/gpt.js";
import { readWeights } from "PAGE/weights.js";
const { file, config, prompts, most, stop, rounds } = JSON.parse(readFileSync(0, "utf8"));
const model = new GPT(readWeights(new Uint8Array(readFileSync(file))), config);
const options = { most, stop: new Set(stop), temperature: 1, topK: null, topP: null };
const speeds = [];
for (let seed = 0; seed < rounds; seed++) {
  const began = performance.now();
  let tokens = 0;
  for (const [draw, prompt] of prompts.entries()) {
    for (const token of generate(model, prompt, { ...options, seed, draw })) tokens += 1;
    tokens += prompt.length - 1; // what is drawn last is not read
  }
  speeds.push((1000 * tokens) / (performance.now() - began));
}
console.log(JSON.stringify(speeds.slice(1)));
"""


def main() -> None:
    torch.set_num_threads(1)
    files, world = site.build(), load_world("en")
    asked = sample_questions(world, ("A", "E"), QUESTIONS)
    with tempfile.TemporaryDirectory() as folder:
        program, weights = Path(folder, "speed.mjs"), Path(folder, "weights")
        program.write_text(PROGRAM.replace("PAGE", PAGE.as_uri()), encoding="utf-8")
        for name in ("base", "sft", "ppo"):
            weights.write_bytes(gzip.decompress(files[f"data/en/{name}.weights"]))
            stage = load_stage(name, own=False, device="cpu", quiet=True)
            prompts = [stage.prompt(question) for question in asked]
            job = {
                "file": str(weights), "config": vars(stage.model.config), "rounds": ROUNDS,
                "prompts": [ids for ids, _, _ in prompts], "most": NEW, "stop": [],
            }  # fmt: skip
            done = subprocess.run(
                [shutil.which("node"), program], input=json.dumps(job), capture_output=True,
                encoding="utf-8", check=True,
            )  # fmt: skip
            ours = sorted(json.loads(done.stdout))
            tokens, began = sum(len(ids) + NEW - 1 for ids in job["prompts"]), time.perf_counter()
            for ids in job["prompts"]:
                generate(stage.model, [ids], NEW)
            theirs = tokens / (time.perf_counter() - began)
            said = (
                f"{ours[len(ours) // 2]:,.0f} tokens a second ({ours[0]:,.0f} to {ours[-1]:,.0f})"
            )
            print(f"{name}: {said}, goal {GOAL:,}; PyTorch {theirs:,.0f}")


if __name__ == "__main__":
    main()
