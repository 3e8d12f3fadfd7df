"""Scores the small model "mini" on dialogues that are held out from training, with gesso itself.

    python python/training/evaluate_mini.py --model build/mini/mini.gguf --count 90

It prints one line of JSON for each task: the share of right replies, the share of those with the right form where a
task asks for one, and the denoising steps and the tokens of a reply. --show N prints N wrong replies of each.
"""

from __future__ import annotations

import argparse
import json

from mini.evaluation import Score, score_all
from mini.rendering import prompt_text, reply_text

import gesso


def line(name: str, score: Score) -> str:
    shown = {"task": name, "right": round(score.right, 3), "steps": round(score.steps, 2)}
    if score.formed is not None:
        shown["formed"] = round(score.formed, 3)
    return json.dumps(shown | {"tokens": round(score.tokens, 1)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a GGUF file of export_mini.py")
    parser.add_argument("--count", type=int, default=40, help="dialogues of each task")
    parser.add_argument("--show", type=int, default=0, help="how many wrong replies of each task to print")
    parser.add_argument("--threads", type=int, help="as many as the machine has, if it is not given")
    parser.add_argument("--max-denoising-steps", type=int, help="the model's default, if it is not given")
    arguments = parser.parse_args()
    model = gesso.load(arguments.model, num_threads=arguments.threads)
    options = {"max_denoising_steps": arguments.max_denoising_steps} if arguments.max_denoising_steps else {}
    for name, score in score_all(model, arguments.count, **options):
        print(line(name, score), flush=True)
        for dialogue, result in score.wrong[: arguments.show]:
            assert model.tokenizer is not None
            got = model.tokenizer.decode(result.ids, skip_special_tokens=False)
            print(f"  {prompt_text(dialogue)!r}\n    expected {reply_text(dialogue)!r}\n    got      {got!r}")


if __name__ == "__main__":
    main()
