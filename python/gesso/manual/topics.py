"""The topics of `gesso help TOPIC`: each says in a few sentences how something works, and shows it in examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gesso import _native
from gesso.files.presets import PRESETS
from gesso.files.short_names import bundled_models

Terms = Sequence[tuple[str, str]]  # what is explained, and the explanation


@dataclass(frozen=True)
class Topic:
    """A topic: paragraphs, terms with their meanings, and examples (a line for a shell -> what it does).

    In paragraphs, `...` stands around what is typed.
    """

    name: str
    summary: str
    paragraphs: Sequence[str]
    terms: Terms = ()
    examples: Mapping[str, str] = field(default_factory=dict)


def make_topics() -> list[Topic]:
    """Returns all topics, in the order in which `gesso help` lists them."""
    return [models(), prompts(), chat_templates(), sampling(), devices(), quantising(), measuring(), output(), setup()]


def models() -> Topic:
    return Topic(
        "models",
        "what a command takes as MODEL",
        [
            "gesso runs models of the architecture diffusion-gemma. MODEL is one of these:",
        ],
        [
            ("model.gguf", "a GGUF file, with weights of any type that ggml has"),
            ("model-00001-of-00003.gguf", "any part of a split file; gesso finds the others beside it"),
            (
                "FOLDER",
                "a Hugging Face checkpoint with config.json and safetensors files, a folder of the hub's cache, or"
                " a folder with one GGUF file",
            ),
            *((name, "a small model that comes with gesso") for name in bundled_models()),
            (
                "org/name",
                "a model of a Hugging Face hub, when `gesso pull` has downloaded it; org/name/FILE.gguf says which of"
                " several. A path of this name wins",
            ),
        ],
        {
            "gesso pull org/name --file '*Q4_K_M*'": "Downloads a model.",
            "gesso list": "Lists the bundled models and the downloaded ones.",
            "gesso inspect mini": "Shows what a model holds, and how much memory it takes.",
            "gesso convert FOLDER model.gguf": "Makes one file of a folder.",
        },
    )


def prompts() -> Topic:
    return Topic(
        "prompts",
        "where the prompt comes from, and what is special in it",
        [
            "The prompt is the second argument of `gesso run`, or the content of --file. If it is - or missing, it is"
            " read from standard input, without the last line break; if that is a terminal, a chat begins. Behind --"
            " nothing is an option, so a prompt may begin with a dash there.",
            "A prompt is text: a marker such as <turn|> that is written out in it does not end the turn. With --raw the"
            " model gets the prompt as it is, without a chat template, and markers count.",
        ],
        examples={
            'gesso run mini "Hello!"': "Takes the prompt from the command line.",
            "gesso run model.gguf --file question.txt": "Takes it from a file.",
            "gesso run model.gguf --jsonl questions.jsonl answers.jsonl": "Answers many prompts, one of each line.",
            'echo "Once upon a time" | gesso run model.gguf --raw': "Continues a text.",
            "gesso run model.gguf -- --raw": "Asks about an option.",
        },
    )


def chat_templates() -> Topic:
    return Topic(
        "chat-templates",
        "how a question becomes a prompt",
        [
            "A chat template is a Jinja program that writes a conversation as one text, with the markers that the model"
            " was trained with. A model file carries its own. Another one can be read from a file.",
            "--system gives the system message. --think lets the model think first, if the template has a thinking"
            " mode: it must read the variable enable_thinking. On a terminal thoughts are dim; otherwise they go to"
            " standard error.",
            "Templates come from strangers, so gesso runs them in a sandbox with a limit of work.",
        ],
        examples={
            'gesso run mini "What can you do?" --system "Be brief."': "Adds a system message.",
            'gesso run model.gguf "Is 91 a prime?" --think': "Lets the model think first.",
            'gesso run model.gguf "Hello!" --chat-template FILE': "Uses another template.",
        },
    )


def sampling() -> Topic:
    options = [option for option in _native.generation_options() if option.flag]
    return Topic(
        "sampling",
        "how the canvas settles, and how to steer it",
        [
            "A text is written canvas by canvas. A canvas starts from random tokens. In each step the model predicts"
            " all of them; the most certain ones stay, and the others are drawn again. Entropy, in nats, says how"
            " uncertain a token is: 0 is certain. A canvas that is stable and certain stops before its last step.",
            "What is not given comes from the model's file. Where the file does not say it, the defaults below hold.",
            "The same seed gives the same text, bit for bit, with any number of threads. A CPU and a GPU round"
            " differently, so their texts differ.",
        ],
        [(f"--{option.flag}", f"{option.help} The default is {default_of(option)}.") for option in options],
        {
            'gesso run mini "Hello!" --seed 7': "Draws other random tokens, and often writes another text.",
            'gesso run mini "Hello!" --steps 4 --max-new-tokens 32': "Takes fewer steps: faster, and often worse.",
            'gesso run mini "Hello!" --t-max 0.4 --t-min 0.1': "Prefers likely tokens more.",
            'gesso run mini "Hello!" --stats': "Shows how many steps the canvases took.",
        },
    )


def default_of(option: _native.OptionInfo) -> str:
    """Returns the default as it is typed. Of seeds, the command takes one."""
    value = option.default_value
    shown = value[0] if isinstance(value, list) else value
    return f"{shown:.7g}" if isinstance(shown, float) else str(shown)


def devices() -> Topic:
    return Topic(
        "devices",
        "what a model runs on",
        [
            "`gesso devices` shows the CPU and every GPU that models can run on. --device takes the names in its first"
            " column, or auto, the default: a GPU if there is one, and else the CPU.",
            "A GPU needs compute capability 8.0 or newer, and a driver for CUDA 13.0 or newer (R580). Where a GPU"
            " cannot be used, `gesso devices` says which of these is missing, and commands warn before they take the"
            " CPU.",
            "--threads sets the threads on the CPU. The default is one per processor that the process may use; a quota"
            " of its container (docker --cpus) counts.",
            "--activations says how products round their inputs: f32 or int8 on the CPU, bf16 or int8 on a GPU. auto is"
            " int8 on the CPU and the faster one on a GPU.",
        ],
        examples={
            "gesso devices": "Shows what there is.",
            'gesso run mini "Hello!" --device cpu --threads 2': "Runs on the CPU, on two threads.",
            'gesso run model.gguf "Hello!" --device cuda:1': "Runs on the second GPU.",
        },
    )


def quantising() -> Topic:
    return Topic(
        "quantising",
        "smaller files of a model",
        [
            "A preset says which types the weights get. Fewer bits make a smaller file and larger errors."
            f" The presets are {', '.join(PRESETS)}. Q4_K_M is the usual choice; Q8_0 is close to the original."
            " Vectors, norms and the router are always F32.",
            "An importance matrix says which columns of the weights matter for a text. With it the important ones are"
            " rounded with more care. Files of llama.cpp serve as well.",
            "Start from F32, F16 or BF16: what is quantised already would be rounded a second time.",
        ],
        examples={
            "gesso quantize bf16.gguf q4.gguf --preset Q4_K_M --dry-run": "Prints what the file would hold.",
            "gesso imatrix bf16.gguf text.txt imatrix.gguf": "Measures what matters for a text.",
            "gesso quantize bf16.gguf q4.gguf --preset Q4_K_M --imatrix imatrix.gguf": "Uses it.",
            "gesso convert FOLDER q4.gguf --preset Q4_K_M": "Goes from a Hugging Face folder in one command.",
            "gesso inspect --compare bf16.gguf q4.gguf": "Shows how far the predictions have moved.",
        },
    )


def measuring() -> Topic:
    return Topic(
        "measuring",
        "how fast a model is on this machine",
        [
            "`gesso bench` measures how long a model takes to read a prompt and to take a step, and how close this"
            " comes to what the machine can do. `gesso run --stats` shows the speed of one text.",
            "Without a file, --synthetic measures random weights of a model's sizes.",
        ],
        examples={
            "gesso bench model.gguf -p 512 --steps 16": "Measures one prompt length.",
            "gesso bench --synthetic 26b-a4b:Q4_K_M:6 --profile": "Measures six layers, operation by operation.",
            "gesso bench model.gguf --clients 1,4,16": "Measures many requests at once.",
        },
    )


def output() -> Topic:
    return Topic(
        "output",
        "what goes where, and exit statuses",
        [
            "Results go to standard output; progress, warnings and errors go to standard error. So do thoughts, unless"
            " the output is a terminal, which shows them dim. Into a pipe or a file goes plain text.",
            "With --json a command writes JSON for programs. Errors go to standard error all the same.",
            "Ctrl-C ends a command, and leaves no part of a file under its name. What `gesso run --jsonl` has answered"
            " and `gesso pull` has downloaded stays, and the same command goes on from there.",
        ],
        [
            ("0", "success"),
            ("1", "an error, or something that a check has found"),
            ("2", "wrong usage, or a value that does not fit the model"),
            ("130", "Ctrl-C"),
        ],
        {
            'gesso run mini "Hello!" > reply.txt': "Writes the reply alone into a file.",
            'gesso run mini "Hello!" --think 2> thoughts.txt': "Writes the thoughts into another one.",
            "gesso inspect mini --json": "Prints JSON for other programs.",
        },
    )


def setup() -> Topic:
    return Topic(
        "completion",
        "completion in the shell, and the manual page",
        [
            "`gesso completion` prints a script that lets bash, zsh or fish complete commands, options, their values,"
            " files and the names of bundled models. Keep it where the shell looks for it; a new shell then has it.",
            "`man gesso` shows the manual page where man finds it: that of an active virtual environment, too.",
        ],
        examples={
            "gesso completion bash > ~/.local/share/bash-completion/completions/gesso": "Needs the package"
            " bash-completion. Without it, add the line `source <(gesso completion bash)` to ~/.bashrc.",
            'gesso completion zsh > "${fpath[1]}/_gesso"': "Writes to the first folder of zsh's functions; ~/.zshrc"
            " must call compinit.",
            "gesso completion fish > ~/.config/fish/completions/gesso.fish": "Needs nothing else.",
            "gesso help --man | man -l -": "Shows the manual page from the command itself.",
        },
    )
