"""Answers each question of a CSV file, and writes a CSV file with the answers. The rows keep their order.

python examples/many_prompts.py [MODEL [QUESTIONS.csv]] > answers.csv
"""

import csv
import sys
from collections.abc import Iterator
from pathlib import Path

import gesso

model = gesso.load(sys.argv[1] if len(sys.argv) > 1 else "mini")
source = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).with_name("questions.csv")
with source.open(newline="", encoding="utf-8") as file:
    rows = list(csv.DictReader(file))


def prompts() -> Iterator[list[int]]:
    """They are asked for a little ahead of the results, so there may be any number of them."""
    assert model.tokenizer is not None
    for row in rows:
        yield model.tokenizer.apply_chat_template([{"role": "user", "content": row["question"]}], tokenize=True)


out = csv.DictWriter(sys.stdout, ["id", "answer", "tokens", "error"])
out.writeheader()
# What is under way together shares the passes over the weights. A text depends on its prompt and its seed alone.
for row, result in zip(rows, model.generate_many(prompts(), seed=1), strict=True):
    if isinstance(result, Exception):  # this row has no answer, and the others go on
        out.writerow({"id": row["id"], "error": result})
    else:
        out.writerow({"id": row["id"], "answer": result.text, "tokens": result.usage.completion_tokens})
