"""Scores the small model "mini" on dialogues that are held out from training, with gesso itself.

    python python/training/evaluate_mini.py --model mini

The dialogues' contents are held out; those of two tasks come once more in phrases that are held out, too. It prints one
line of JSON for each task: how many replies are right, how many have the right form where a task asks for one, and the
denoising steps and the tokens of a reply. Then come the bars. --show N prints N wrong replies of each task, and --json
FILE gets all figures.
"""

from __future__ import annotations

import argparse
import json

from mini.arguments import new_file, num_dialogues, positive_int
from mini.evaluation import ask, draw_examples, record, score
from mini.rendering import prompt_text, reply_text

import gesso


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mini", help="the bundled one, or a GGUF file of export_mini.py")
    parser.add_argument(
        "--dialogues", type=num_dialogues, default=1000, help="of all tasks together; at least one of each"
    )
    parser.add_argument("--show", type=int, default=0, help="how many wrong replies of each task to print")
    parser.add_argument("--threads", type=positive_int, help="as many as the machine has, if it is not given")
    parser.add_argument("--max-denoising-steps", type=positive_int, help="the model's default, if it is not given")
    parser.add_argument("--json", type=new_file, metavar="FILE", help="write the figures to this file, too")
    arguments = parser.parse_args()
    model = gesso.load(arguments.model, "cpu", arguments.threads)
    options = {"max_denoising_steps": arguments.max_denoising_steps} if arguments.max_denoising_steps else {}
    examples = draw_examples(arguments.dialogues)
    scores = score(examples, ask(model, examples, **options))
    figures = record(scores)
    for group, found in scores.items():
        print(json.dumps({"task": group} | found.figures()))
        for example, answer in found.wrong[: arguments.show]:
            assert model.tokenizer is not None
            got = model.tokenizer.decode(answer.ids, skip_special_tokens=False)
            dialogue = example.dialogue
            print(f"  {prompt_text(dialogue)!r}\n    expected {reply_text(dialogue)!r}\n    got      {got!r}")
    for bar in figures["bars"]:
        print(json.dumps(bar))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
