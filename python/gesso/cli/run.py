"""`gesso run`: one prompt in, one text out."""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import ExitStack, nullcontext
from typing import Any

from gesso.cli.display import LiveText, PlainText, ReplyText, can_show_live, cut_at_end, make_console
from gesso.cli.progress import Progress
from gesso.loading import load
from gesso.model import GenerationOutput, Model
from gesso.reply import ReplyDecoder


def add_parser(subparsers: Any) -> None:
    parser = subparsers.add_parser(
        "run",
        help="write a text",
        description="Writes a text that answers a prompt. What the model thinks is dim on a terminal; where the output"
        " is no terminal, thoughts go to standard error.",
    )
    parser.set_defaults(command=run, usage_error=parser.error)
    parser.add_argument("model", metavar="MODEL", help="a .gguf file or a Hugging Face folder")
    parser.add_argument(
        "prompt",
        metavar="PROMPT",
        nargs="?",
        default="-",
        help="the prompt; - or none: read standard input, without its last line break",
    )
    chat = parser.add_argument_group("chat")
    chat.add_argument("--system", metavar="TEXT", help="the system message")
    chat.add_argument("--think", action="store_true", help="let the model think first")
    chat.add_argument("--raw", action="store_true", help="the prompt as it is, without the model's chat template")
    sampling = parser.add_argument_group("sampling", "What is not given comes from the model's file.")
    sampling.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0; the same seed, the same text")
    sampling.add_argument(
        "--max-new-tokens", type=int, default=256, metavar="N", help="default: 256; rounded up to whole canvases"
    )
    sampling.add_argument(
        "--steps", type=int, dest="max_denoising_steps", metavar="N", help="denoising steps per canvas at the most"
    )
    sampling.add_argument("--entropy-bound", type=float, metavar="NATS", help="what a step may accept")
    sampling.add_argument("--t-min", type=float, metavar="T", help="temperature of the last step")
    sampling.add_argument("--t-max", type=float, metavar="T", help="temperature before the first step")
    machine = parser.add_argument_group("machine")
    machine.add_argument("--device", default="auto", help="cpu, cuda, cuda:1 or auto: a GPU if there is one (default)")
    machine.add_argument(
        "--activations",
        default="auto",
        help="how products with weights round activations: f32 or int8 on the CPU, bf16 or int8 on a GPU, or auto"
        " (default): int8 on the CPU, the faster one on a GPU",
    )
    machine.add_argument("--threads", type=int, metavar="N", help="default: one per processor")
    output = parser.add_argument_group("output")
    output.add_argument("--live", action="store_true", help="show the canvas settling in place (on a terminal)")
    output.add_argument("--stats", action="store_true", help="print speed and steps to standard error")


GENERATE_OPTIONS = ("seed", "max_new_tokens", "max_denoising_steps", "entropy_bound", "t_min", "t_max")


def run(options: argparse.Namespace) -> int:
    if options.raw and (options.system is not None or options.think):
        options.usage_error("--raw excludes --system and --think, which need the chat template")
    if options.prompt == "-" and sys.stdin.isatty():
        options.usage_error("no prompt: give one, or send it to standard input")
    prompt = read_prompt(options.prompt)
    model = load_model(options)
    text = render_prompt(model, prompt, options)
    start = time.perf_counter()
    output = generate(model, text, options)
    if options.stats:
        print_stats(output, time.perf_counter() - start)
    return 0


def load_model(options: argparse.Namespace) -> Model:
    """Loads, and shows how far that is when weights go to a GPU."""
    with ExitStack() as stack:
        progress: list[Progress] = []

        def show(done: int, total: int) -> None:
            if not progress:
                progress.append(stack.enter_context(Progress(f"loading {options.model}")))
            progress[0].update(done, total)

        return load(options.model, options.device, options.threads, activations=options.activations, on_progress=show)


def read_prompt(argument: str) -> str:
    if argument == "-":
        try:
            prompt = sys.stdin.buffer.read().decode("utf-8").removesuffix("\n")
        except UnicodeDecodeError as error:
            raise ValueError(f"standard input is not UTF-8: {error}") from None
    else:
        prompt = argument
    if not prompt:
        raise ValueError("the prompt is empty")
    return prompt


def render_prompt(model: Model, prompt: str, options: argparse.Namespace) -> str:
    """The text to encode: the prompt in the model's chat template, if it has one and it is wanted."""
    if model.tokenizer is None:
        raise ValueError(f"{options.model}: the checkpoint has no tokenizer, so it cannot read or write text")
    if options.raw:
        return prompt
    if model.tokenizer.chat_template is None:
        if options.system is not None or options.think:
            raise ValueError(f"{options.model}: the checkpoint has no chat template, which --system and --think need")
        return prompt
    messages = [{"role": "user", "content": prompt}]
    if options.system is not None:
        messages.insert(0, {"role": "system", "content": options.system})
    return model.tokenizer.apply_chat_template(messages, enable_thinking=options.think)


def generate(model: Model, text: str, options: argparse.Namespace) -> GenerationOutput:
    """Generates and prints, canvas by canvas."""
    ends = model.config.end_token_ids
    prompt = model.tokenizer.encode_prompt(text)
    decoder = ReplyDecoder(model.tokenizer, prompt)
    if options.live and can_show_live(sys.stdout):
        display = LiveText(make_console(sys.stdout), model.tokenizer, ends)
    else:
        display = PlainText(sys.stdout)
    thoughts = None if sys.stdout.isatty() else PlainText(sys.stderr)
    reply = ReplyText(display, thoughts)

    def on_canvas(event: Any) -> None:
        ids = cut_at_end(event.ids, ends).tolist()
        display.count(len(ids))
        reply.show(decoder.push(ids))

    with display, thoughts or nullcontext():
        arguments = {name: getattr(options, name) for name in GENERATE_OPTIONS}
        output = model.generate(prompt, on_step=display.on_step, on_canvas=on_canvas, **arguments)
        reply.show(decoder.flush())
    return output


def print_stats(output: GenerationOutput, seconds: float) -> None:
    num_tokens, steps, timings = len(output.sequences[0]), output.denoising_steps[0], output.timings
    lines = [
        f"{num_tokens} tokens in {seconds:.2f} s: {num_tokens / seconds:.1f} tokens/s",
        f"{len(steps)} canvases, steps {' '.join(map(str, steps))}: {output.tokens_per_forward[0]:.1f} tokens per step",
        f"encoding {timings.encode_ms:.0f} ms, denoising {timings.denoise_ms:.0f} ms,"
        f" first canvas after {timings.first_canvas_ms:.0f} ms",
    ]
    sys.stdout.flush()
    print("\n".join(lines), file=sys.stderr)
