"""Attacks the reader of replies and tool calls with mutated and generated replies.

    python tests/fuzz/fuzz_tool_calls.py --seconds 10

The replies come from a seed, so a run can be repeated; how many there are depends on the machine. The first reply that
breaks a rule is printed, and the exit status is 1. The rules:

- nothing raises, whatever the text and wherever it is cut into pieces;
- the pieces give what the whole gives;
- every pair of markers gives at least one call, its calls have all of its text, and `Reply.message` has every call;
- a name holds no arguments; a call with an error has no arguments and is not repaired;
- half a character is only in arguments if it is in the call;
- the keys of a call that is not repaired are words or stand between tokens; numbers are finite;
- what a reader looks at grows linearly;
- what is written in the format is read as it was meant, and so are the common sloppy forms, which are then repaired.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gesso import Reply, ReplyParser, ToolCall
from gesso.calls.reader import KEY, NAME, QUOTE, Source
from gesso.calls.tool_call import MAX_READINGS, parse_calls
from gesso.reply import CALL_BEGIN, ENDS, MARKERS

SEEDS = Path(__file__).parent / "seeds" / "tool_calls" / "replies.jsonl"  # a JSON string in each line
DICTIONARY = [
    *MARKERS,
    "call:",
    "call:f{",
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    ":",
    "=",
    ",",
    '"',
    "'",
    "\\",
    "\\n",
    "```json\n",
]
DICTIONARY += [
    "null",
    "None",
    "true",
    "True",
    "1",
    "-0.5",
    "1_0",
    "+",
    " ",
    "\n",
    "a",
    "é",
    "🦙",
    "\0",
    "\ud800",
    "<|",
    "|>",
]
MAX_LENGTH = 4000
# Looks and characters per character, for a strict reading and all readings with repairs. A reading looks at a character
# when it reads it and when it looks for the end of a text.
WORK = 10 * (1 + MAX_READINGS)


class Failure(Exception):
    """A rule that was broken."""


def check(holds: bool, rule: str) -> None:
    if not holds:
        raise Failure(rule)


class CountedWork:
    """Counts each look that a reader takes, and each character that it passes."""

    def __init__(self) -> None:
        self.done = 0
        match, search, find = Source.match, Source.search, Source.find

        def counted_match(source: Source, pattern: re.Pattern[str], at: int) -> re.Match[str] | None:
            found = match(source, pattern, at)
            self.done += 1 + (found.end() - at if found else 0)
            return found

        def counted_search(source: Source, pattern: re.Pattern[str], begin: int, end: int) -> re.Match[str] | None:
            self.done += 1 + end - begin
            return search(source, pattern, begin, end)

        def counted_find(source: Source, token: str, at: int) -> int:
            found = find(source, token, at)
            self.done += 1 + (found if found >= 0 else len(source.text)) - at
            return found

        Source.match, Source.search = counted_match, counted_search  # type: ignore[method-assign]
        Source.find = counted_find  # type: ignore[method-assign]


def read(pieces: list[str], in_thought: bool = False) -> Reply:
    parser = ReplyParser(in_thought)
    return Reply.from_events([event for piece in pieces for event in parser.push(piece)] + parser.flush())


def check_reply(text: str, rng: random.Random, work: CountedWork) -> None:
    """Checks all that must hold for any text."""
    before = work.done
    reply = read([text], in_thought := rng.random() < 0.1)
    check(work.done - before <= WORK * (len(text) + 1), f"linear work: {work.done - before} for {len(text)} characters")
    cuts = sorted(rng.randrange(len(text) + 1) for _ in range(rng.randrange(8)))
    pieces = [text[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    check(read(pieces, in_thought) == reply, f"the pieces {pieces!r} give the same")
    written = calls_in(text)
    check("".join(call.raw for call in reply.tool_calls) == "".join(written), "the calls have all text of the calls")
    check(len(reply.tool_calls) >= len(written), "every pair of markers gives a call")
    check(len(reply.message().get("tool_calls", [])) == len(reply.tool_calls), "the message has every call")
    for call in reply.tool_calls:
        check_call(call)


def calls_in(text: str) -> list[str]:
    """What stands behind each <|tool_call>, up to the next marker but <|"|>. Behind the reply's end nothing counts."""
    parts = re.split("(" + "|".join(re.escape(marker) for marker in MARKERS if marker != QUOTE) + ")", text)
    calls = []
    for marker, content in zip(parts[1::2], parts[2::2], strict=True):
        if marker in ENDS:
            break
        if marker == CALL_BEGIN:
            calls.append(content)
    return calls


def check_call(call: ToolCall) -> None:
    check(call.name == "" or NAME.fullmatch(call.name) is not None, f"no arguments in the name {call.name!r}")
    check(call.name in call.raw, "the name is in the call")
    check(call.error is None or not (call.arguments or call.repaired), "a call with an error has nothing else")
    check(call.error is None or len(call.error) < 500, "an error is short")
    json.dumps(call.arguments, allow_nan=False)
    is_whole = not has_half(json.dumps(call.arguments, ensure_ascii=False))
    check(has_half(call.raw) or is_whole, "arguments are whole characters")
    for key in keys_in(call.arguments):
        is_word = KEY.fullmatch(key) is not None or QUOTE + key + QUOTE in call.raw
        check(call.repaired or is_word, f"the key {key!r} is a word")


def has_half(text: str) -> bool:
    """Whether half a character is in it: a surrogate."""
    return re.search("[\ud800-\udfff]", text) is not None


def keys_in(value: Any) -> Iterator[str]:
    """The keys of all objects in a value."""
    if isinstance(value, dict):
        yield from value
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from keys_in(item)


def check_written(rng: random.Random) -> str:
    """Checks that a random call is read as it was meant. Returns the last text that was tried."""
    name, arguments = rng.choice(["f", "get_weather", "ns:a.b-c"]), random_object(rng, depth=3)
    raw = f"call:{name}{write(arguments, lambda text: QUOTE + text + QUOTE)}"
    return check_means(raw, name, arguments, repaired=False) and check_means(
        *sloppy(rng, name, arguments), repaired=True
    )


def check_means(raw: str, name: str, arguments: dict[str, Any], repaired: bool) -> str:
    try:
        found = parse_calls(raw)
        check(found == [ToolCall(name, arguments, raw, repaired=repaired)], f"{arguments!r}, got {found!r}")
    except Exception as error:
        error.args = (*error.args, raw)
        raise
    return raw


def sloppy(rng: random.Random, name: str, arguments: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """Writes a call in one of the sloppy forms that mean one thing, without quotes, backslashes and half characters."""
    arguments = cleaned(arguments)
    quote = rng.choice("\"'")
    plain = write(arguments, lambda text: quote + text + quote)
    forms = [f"call:{name}({plain})", f"call:{name}{{{plain}}}", f"call:{name}({plain[1:-1]})"]
    forms += [f"```\ncall:{name}{plain}\n```", f"call:{name}{plain}}}", f"call:{name}:{plain}"]
    if plain != "{}":
        forms += [f"call:{name}{plain[:-1]},}}"]
    as_json = json.dumps(arguments, ensure_ascii=rng.random() < 0.5)
    forms += [f"call:{name}({as_json})", f"```json\n{json.dumps({'name': name, 'arguments': arguments})}\n```"]
    return rng.choice([*forms, f"call:{name}{plain.rstrip('}')}"]), name, arguments


def cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return re.sub("[\"'\\\\\ud800]", "", value)
    if isinstance(value, dict):
        return {key: cleaned(item) for key, item in value.items()}
    return [cleaned(item) for item in value] if isinstance(value, list) else value


def random_object(rng: random.Random, depth: int) -> dict[str, Any]:
    return {rng.choice("abcdefgh") * rng.randrange(1, 4): random_value(rng, depth) for _ in range(rng.randrange(4))}


def random_value(rng: random.Random, depth: int) -> Any:
    kind = rng.randrange(7 if depth else 5)
    if kind == 5:
        return [random_value(rng, depth - 1) for _ in range(rng.randrange(4))]
    if kind == 6:
        return random_object(rng, depth - 1)
    if kind < 3:
        return "".join(rng.choice(DICTIONARY) for _ in range(rng.randrange(5))).replace(QUOTE, "")
    return rng.choice([rng.randrange(-1000, 1000), rng.uniform(-1e6, 1e6), 1e300, True, False, None])


def write(value: Any, quoted: Callable[[str], str]) -> str:
    """Writes a value in the format, with texts in quotes of one's choice."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{write(item, quoted)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(write(item, quoted) for item in value) + "]"
    return json.dumps(value)


def mutate(text: str, other: str, rng: random.Random) -> str:
    for _ in range(rng.choice([1, 1, 2, 3, 8])):
        begin, end = sorted(rng.randrange(len(text) + 1) for _ in range(2))
        at = rng.randrange(len(other) + 1)
        insert = rng.choice(["", rng.choice(DICTIONARY), other[at : at + rng.randrange(20)], text[begin:end]])
        if rng.random() < 0.05:
            insert *= rng.randrange(1, 1 + MAX_LENGTH // (1 + len(insert)))
        end = rng.choice([begin, begin + 1, end])
        text = (text[:begin] + insert + text[end:])[:MAX_LENGTH]
    return text


def fuzz(seconds: float, seed: int) -> int:
    """Returns the exit status."""
    rng, work = random.Random(seed), CountedWork()
    corpus = [json.loads(line) for line in SEEDS.read_text(encoding="utf-8").splitlines()]
    end, count, text = time.monotonic() + seconds, 0, ""
    try:
        for text in corpus:
            check_reply(text, rng, work)
        while time.monotonic() < end:
            text = mutate(rng.choice(corpus), rng.choice(corpus), rng)
            check_reply(text, rng, work)
            if rng.random() < 0.01:
                corpus[rng.randrange(len(corpus) // 2, len(corpus))] = text
            text = ""
            check_written(rng)
            count += 1
    except Exception as error:
        print(f"seed {seed}, after {count} rounds: {type(error).__name__}: {error}\ninput: {text or error.args[-1]!r}")
        return 1
    print(f"seed {seed}: {count} rounds, nothing found")
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    sys.exit(fuzz(options.seconds, options.seed))
