"""`gesso demo`: a small bundled model solves Sudoku puzzles that it has never seen, or another one talks."""

from __future__ import annotations

import argparse
import sys
import time
from typing import Any

import numpy as np
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from gesso._native import StepEvent
from gesso.bundled import sudoku
from gesso.bundled.mini_model import MINI, QUESTIONS, TOOL_RESULT, Question
from gesso.bundled.sudoku_model import BATCH_SIZE, NUM_GIVEN, bundled_model, make_puzzles, solutions, solve
from gesso.cli.parts.command_parser import (
    CommandParser,
    add_activations,
    add_device,
    add_no_mmap,
    add_seed,
    add_threads,
    integer,
)
from gesso.files.short_names import find_bundled
from gesso.loading import load
from gesso.measure.text import visible
from gesso.model import Model
from gesso.reply import ReplyDecoder
from gesso.result import GenerationOutput, Result
from gesso.terminal.display import (
    UNCERTAIN,
    LiveText,
    PlainText,
    ReplyText,
    can_show_live,
    make_console,
    status_text,
    step_status,
)
from gesso.tokenizer import Tokenizer

SUDOKU = "sudoku-6x6"
NUM_SHOWN, NUM_PUZZLES = 3, 100
PASS_SHARE = 0.9
STEP_SECONDS = 0.15  # the demo waits this long after each step that it shows, so that one can watch it
GAP = "     "  # between a puzzle and its solution
EXAMPLES = {
    "gesso demo": "Solves Sudoku puzzles. On a terminal you see the canvas settle.",
    "gesso demo mini": "Asks the other bundled model a few questions.",
    "gesso demo --puzzles 10 --seed 5": "Solves fewer, and other ones.",
}


def add_parser(subparsers: argparse._SubParsersAction[CommandParser]) -> None:
    parser = subparsers.add_parser(
        "demo",
        help="show what the bundled models can do",
        description=f"{SUDOKU} solves 6x6 Sudoku puzzles that it has never seen. The demo shows three of them, then"
        " solves --puzzles more and prints how many are right. The exit status is 1 when fewer than"
        f" {PASS_SHARE:.0%} of them are solved. {MINI} answers a few questions, and calls a tool.",
        examples=EXAMPLES,
    )
    parser.set_defaults(command=demo)
    parser.add_argument(
        "name",
        metavar="NAME",
        nargs="?",
        choices=(SUDOKU, MINI),
        default=SUDOKU,
        help=f"the model: {SUDOKU} (the default) or {MINI}",
    )
    parser.add_argument(
        "--puzzles",
        type=integer(1),
        metavar="N",
        help=f"puzzles to solve after those shown; default: {NUM_PUZZLES}",
    )
    add_seed(parser, "chooses the puzzles and the model's random draws")
    add_device(parser)
    add_activations(parser)
    add_threads(parser)
    add_no_mmap(parser)
    parser.add_argument("--model", metavar="FILE", help="use this model of the same kind instead of the bundled one")


def demo(options: argparse.Namespace) -> int:
    if options.name == MINI and options.puzzles is not None:
        options.usage_error(f"--puzzles: {MINI} solves none")
    path = options.model or (find_bundled(MINI) if options.name == MINI else bundled_model())
    model = load(
        path,
        device=options.device,
        num_threads=options.threads,
        activations=options.activations,
        mmap=options.mmap,
    )
    if options.name == MINI:
        if model.tokenizer is None or model.tokenizer.chat_template is None:
            raise ValueError(f"{path}: not a model that talks, it has no chat template")
        return talk(model, model.tokenizer, options.seed)
    if model.config.canvas_length != sudoku.NUM_CELLS:
        raise ValueError(f"{path}: not a Sudoku model, its canvas has {model.config.canvas_length} tokens")
    puzzles = make_puzzles(options.seed, NUM_SHOWN + (options.puzzles or NUM_PUZZLES))
    console = make_console(sys.stdout)
    show = show_live if can_show_live(sys.stdout) else show_plain
    for number, puzzle in enumerate(puzzles[:NUM_SHOWN], 1):
        console.print(f"Puzzle {number}, never seen in training:")
        show(console, model, puzzle, options.seed)
    return measure(console, model, puzzles[NUM_SHOWN:], options.seed)


def show_plain(console: Console, model: Model, puzzle: str, seed: int) -> None:
    output = solve(model, [puzzle], seed)
    console.print(side_by_side(grid(puzzle), grid(solutions(output)[0])))
    console.print(verdict(puzzle, output))


def show_live(console: Console, model: Model, puzzle: str, seed: int) -> None:
    """Shows the canvas beside the puzzle after every step, slowly enough to watch."""
    given, tokenizer = grid(puzzle), model.tokenizer
    if tokenizer is None:
        raise ValueError("not a Sudoku model: it has no tokenizer")
    with Live(given, console=console, auto_refresh=False) as live:

        def on_step(event: StepEvent) -> None:
            cells = [tokenizer.decode([token]) for token in event.argmax.tolist()]
            status = f"{step_status(event)}  {np.count_nonzero(event.accepted)}/{len(cells)} accepted"
            picture = side_by_side(given, grid(cells, event.accepted.tolist()))
            live.update(Group(picture, status_text(status, console)), refresh=True)
            time.sleep(STEP_SECONDS)

        output = solve(model, [puzzle], seed, on_step=on_step)
        solution = side_by_side(given, grid(solutions(output)[0]))
        live.update(Group(solution, Text(verdict(puzzle, output))), refresh=True)


def verdict(puzzle: str, output: GenerationOutput) -> str:
    solved = "Solved" if sudoku.solves(puzzle, solutions(output)[0]) else "NOT solved"
    return f"{solved} in {output.denoising_steps[0][0]} steps, {output.tokens_per_forward[0]:.1f} tokens per step.\n"


def grid(cells: str | list[str], accepted: list[bool] | None = None) -> Text:
    """Draws a grid with lines between the boxes.

    Hidden cells and cells that are not accepted are dim. A cell whose text is not one printable character shows as "?".
    """
    if len(cells) != sudoku.NUM_CELLS:
        return Text(f"{len(cells)} characters instead of {sudoku.NUM_CELLS}")
    # `pretty` arranges 36 marks, each another private character, so that the place of every cell can be found below.
    marks = "".join(chr(0xE000 + place) for place in range(sudoku.NUM_CELLS))
    text = Text()
    for character in sudoku.pretty(marks):
        if character not in marks:
            text.append(character)
            continue
        place = marks.index(character)
        cell = cells[place] if len(cells[place]) == 1 and cells[place].isprintable() else "?"
        certain = cell != sudoku.HIDDEN and (accepted is None or accepted[place])
        text.append(cell, "bold" if certain else UNCERTAIN)
    return text


def side_by_side(left: Text, right: Text) -> Text:
    pairs = zip(left.split(), right.split(), strict=False)
    rows = [Text.assemble("  ", a, GAP, b) for a, b in pairs]
    for row in rows:
        row.rstrip()
    return Text("\n").join(rows)


def measure(console: Console, model: Model, puzzles: list[str], seed: int) -> int:
    """Solves all puzzles in batches and prints the figures. Returns the exit status: 0 if enough are solved, else 1."""
    console.print(f"{len(puzzles)} more puzzles with {NUM_GIVEN} of {sudoku.NUM_CELLS} cells given ...")
    num_solved = 0
    steps: list[int] = []
    tokens_per_forward: list[float] = []
    start = time.perf_counter()
    for first in range(0, len(puzzles), BATCH_SIZE):
        batch = puzzles[first : first + BATCH_SIZE]
        output = solve(model, batch, seed)
        num_solved += sum(map(sudoku.solves, batch, solutions(output)))
        steps += [sum(canvases) for canvases in output.denoising_steps]
        tokens_per_forward += output.tokens_per_forward
    seconds = time.perf_counter() - start
    share = num_solved / len(puzzles)
    console.print(f"solved:             {num_solved} of {len(puzzles)} ({share:.1%}), by the rules and the given cells")
    console.print(f"steps per puzzle:   {np.mean(steps):.1f}")
    console.print(f"tokens per forward: {np.mean(tokens_per_forward):.1f}")
    console.print(f"puzzles per second: {len(puzzles) / seconds:.1f}, {model.num_threads} threads")
    if share < PASS_SHARE:
        console.print(f"That is less than {PASS_SHARE:.0%}: something is wrong with this build or this model.")
        return 1
    return 0


def talk(model: Model, tokenizer: Tokenizer, seed: int) -> int:
    """Asks all questions, answers the first tool call after each, and prints figures. Returns the exit status."""
    console = make_console(sys.stdout)
    results: list[Result] = []
    messages: list[dict[str, Any]] = []
    for question in QUESTIONS:
        messages = [*(messages if question.goes_on else []), {"role": "user", "content": question.text}]
        offered = "".join(f"   [tool {tool['function']['name']}]" for tool in question.tools)
        console.print(f"> {question.text}{offered}", style="bold", soft_wrap=True)
        results.append(show_reply(model, tokenizer, messages, question, seed))
        reply = results[-1].reply
        if question.tools and reply and reply.tool_calls and reply.tool_calls[0].error is None:
            name = reply.tool_calls[0].name
            console.print(f"[{visible(name)}: {TOOL_RESULT}]")
            messages.append({"role": "tool", "name": name, "content": TOOL_RESULT})
            results.append(show_reply(model, tokenizer, messages, question, seed))
        console.print()
    steps = sum(sum(result.denoising_steps) for result in results)
    tokens = sum(len(result.ids) + 1 for result in results)  # with the end token
    console.print(f"tokens per reply:   {tokens / len(results):.1f}")
    console.print(f"steps per reply:    {steps / len(results):.1f}")
    console.print(f"tokens per forward: {tokens / steps:.1f}")
    return 0


def show_reply(
    model: Model, tokenizer: Tokenizer, messages: list[dict[str, Any]], question: Question, seed: int
) -> Result:
    """Generates a reply of one canvas and appends it to `messages`. A terminal shows its steps, slowly."""
    prompt = tokenizer.apply_chat_template(
        messages, tools=list(question.tools) or None, enable_thinking=question.thinking, tokenize=True
    )
    display: LiveText | PlainText = PlainText(sys.stdout)
    if can_show_live(sys.stdout):
        display = LiveText(make_console(sys.stdout), tokenizer, model.config.end_token_ids)
    decoder = ReplyDecoder(tokenizer, prompt)

    def on_step(event: StepEvent) -> None:
        if isinstance(display, LiveText):
            display.on_step(event)
            time.sleep(STEP_SECONDS)

    with display:
        result = model.generate(prompt, max_new_tokens=model.config.canvas_length, seed=seed, on_step=on_step)[0]
        shown = ReplyText(display)
        shown.show(decoder.push(result.ids))
        shown.show(decoder.flush())
    if result.reply is not None:
        messages.append(result.reply.message())
    return result
