"""gesso's native library."""

from collections.abc import Callable, Mapping, Sequence
import enum
from typing import Annotated, NoReturn, SupportsIndex

import numpy
import numpy.typing
from numpy.typing import NDArray


class FormatError(ValueError):
    pass

class ArgumentError(ValueError):
    pass

class CudaError(RuntimeError):
    pass

class BusyError(RuntimeError):
    pass

class QueueFull(RuntimeError):
    pass

class DeadlineExceeded(TimeoutError):
    pass

class NumericsError(ArithmeticError):
    """
    A step's numbers are not finite: a weight is NaN or infinite, or the numbers grow beyond float32.

    `sequence` is the index in the batch; `canvas` and `step` are those of StepEvent, and 0 for Session.denoise.
    `place` is the first part of the model whose numbers are not finite, for example "layer 3" or "the head".
    `layer` is the number of that layer; None where `place` is no layer.
    """

    @property
    def sequence(self) -> int: ...

    @property
    def canvas(self) -> int: ...

    @property
    def step(self) -> int: ...

    @property
    def layer(self) -> int | None: ...

    @property
    def place(self) -> str: ...

class OpProfile:
    """The calls of one op with one role of weights, taken together."""

    @property
    def op(self) -> str: ...

    @property
    def weight(self) -> str:
        """
        The role of the weights, for example "attn_output"; empty for an op without weights.
        """

    @property
    def types(self) -> str:
        """The types of the weights, for example "Q4_K Q6_K"."""

    @property
    def plan(self) -> str:
        """
        How a GPU computed it; empty on the CPU. Layers may differ: "first plan; second plan".
        """

    @property
    def calls(self) -> int: ...

    @property
    def ms(self) -> float: ...

    @property
    def stored_bytes(self) -> float:
        """
        Bytes of weights and of cached keys and values; each counts once per call.
        """

    @property
    def activation_bytes(self) -> float:
        """Bytes of the rows that were read and written."""

    @property
    def float_operations(self) -> float:
        """Multiplications and additions in products of floats."""

    @property
    def int8_operations(self) -> float:
        """Multiplications and additions in products of integers."""

class Ceiling:
    """
    The rate of a loop that does nothing else: how fast this machine can be at most.
    """

    @property
    def name(self) -> str:
        """One of "copy", "read", "float32", "bf16" and "int8"."""

    @property
    def instruction_set(self) -> str: ...

    @property
    def bytes_per_s(self) -> float: ...

    @property
    def operations_per_s(self) -> float: ...

def measure_ceilings(num_threads: int, bytes: int, milliseconds: float) -> list[Ceiling]:
    """
    Measures the bandwidth of two buffers of `bytes` each, and the rates of products. Each takes about that many milliseconds.
    """

def int8_kernels_name() -> str:
    """The name of the inner loops that int8 activations run on this CPU."""

def instruction_sets() -> list[str]:
    """The instruction sets of products that ceilings are measured with."""

class TensorInfo:
    """One tensor of a checkpoint."""

    @property
    def name(self) -> str: ...

    @property
    def type(self) -> str:
        """ggml's name of the type, for example "Q4_K"."""

    @property
    def shape(self) -> list[int]:
        """The extents, outermost first."""

    @property
    def num_bytes(self) -> int: ...

    @property
    def offset(self) -> int:
        """
        Where the bytes begin in the file; 0 for a tensor that was added by hand.
        """

    @property
    def address(self) -> int:
        """
        Where the bytes lie in this process; those of a GGUF file lie in its mapping.
        """

class Checkpoint:
    """The metadata and tensors of a model before it is loaded."""

    def __init__(self) -> None: ...

    @staticmethod
    def open(path: bytes, mmap: bool = True) -> Checkpoint:
        """
        Maps a GGUF file and its other parts, or reads them. The path is what os.fsencode() gives.
        """

    @staticmethod
    def parse(data: bytes) -> Checkpoint:
        """Parses GGUF bytes in memory."""

    def set(self, key: str, value: bool | int | float | str | Sequence[int] | Sequence[float] | Sequence[str]) -> None:
        """Adds a metadata value. FormatError where the key exists."""

    def add_tensor(self, name: str, type: str, shape: Sequence[int], data: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)], owner: object) -> None:
        """
        Adds a view of `data`, a contiguous uint8 array that `owner` keeps alive.
        """

    @property
    def metadata(self) -> dict[str, bool | int | float | str | numpy.typing.NDArray[numpy.generic] | list[str] | None]:
        """
        All metadata by key. Lists of numbers are arrays of the type that the file has. None stands for a list of lists, which nothing reads.
        """

    def encoded_value(self, key: str) -> bytes:
        """
        A metadata value as its file stores it: the value type (u32), then the value. It is empty where no file was read.
        """

    @property
    def tensors(self) -> list[TensorInfo]: ...

    @property
    def file_bytes(self) -> int: ...

    @property
    def files(self) -> list[bytes]:
        """The paths of the file or of its parts, as os.fsencode() gives them."""

    def release(self, address: int, num_bytes: int) -> None:
        """
        Gives back the memory that reading mapped bytes has filled. Other bytes are left alone.
        """

def file_kind(begin: bytes) -> str:
    """
    Says what a file is, by its first bytes, if it is no GGUF file. Empty for what it does not know.
    """

class DeviceInfo:
    """A device that models can run on."""

    @property
    def name(self) -> str:
        """What `load` takes as device: "cpu", "cuda:0"."""

    @property
    def description(self) -> str:
        """"NVIDIA H200"; empty for the CPU."""

    @property
    def arch(self) -> int:
        """Compute capability, 10 * major + minor; 0 for the CPU."""

    @property
    def total_bytes(self) -> int:
        """Bytes of its memory; 0 for the CPU."""

    @property
    def free_bytes(self) -> int:
        """Bytes of its memory that are free; 0 for the CPU."""

    @property
    def used_bytes(self) -> int:
        """Bytes that gesso has taken in this process."""

    @property
    def shares_host_memory(self) -> bool:
        """
        Whether weights are read where the file is mapped, without a second copy.
        """

    def __repr__(self) -> str: ...

class CpuInfo:
    """The processors and the memory that a model on "cpu" has."""

    @property
    def name(self) -> str:
        """"Neoverse V2"; empty where the system does not tell it."""

    @property
    def num_cores(self) -> int:
        """Of the whole machine; 0 where the system does not tell it."""

    @property
    def num_hardware_threads(self) -> int:
        """Of all cores together; a core has one or several."""

    @property
    def num_processors(self) -> int:
        """Hardware threads that this process may run on."""

    @property
    def quota(self) -> float | None:
        """
        Processors that its control group allows, for example 1.5; None where it has no limit.
        """

    @property
    def num_threads(self) -> int:
        """Threads that a model takes by default."""

    @property
    def instruction_sets(self) -> list[str]:
        """Those that gesso uses here: "AVX2", "NEON"."""

    @property
    def unused_instruction_sets(self) -> list[str]:
        """Those for products that gesso has no use for: "AMX int8"."""

    @property
    def int8_kernels(self) -> str:
        """What products with int8 activations run: "avx512_vnni"."""

    @property
    def total_bytes(self) -> int:
        """Bytes of memory; 0 where the system does not tell it."""

    @property
    def available_bytes(self) -> int:
        """
        Bytes that the machine can still give, with what cached files take; 0 where it is not told.
        """

    def to_dict(self) -> dict[str, str | int | float | list[str] | None]:
        """All of these, in types that JSON has."""

    def __repr__(self) -> str: ...

def cpu_info() -> CpuInfo:
    """What the CPU of this machine is."""

def has_cuda() -> bool:
    """Whether this build can use GPUs at all."""

def gpu_problem() -> str | None:
    """
    Why a GPU of this machine cannot be used, for example because its driver is too old. None where nothing is wrong, also without a GPU or a driver.
    """

def devices() -> list[DeviceInfo]:
    """
    The CPU, then every GPU of this machine. Where there is no GPU or no driver, it is the CPU alone.
    """

MAX_TENSORS: int = 262144

MAX_STRINGS: int = 8388608

MAX_JSON_BYTES: int = 33554432

MAX_TOKENIZER_BYTES: int = 134217728

MAX_HEADER_BYTES: int = 33554432

MAX_VOCABULARY: int = 1048576

MAX_MERGES: int = 4194304

MAX_CONTEXT: int = 268435456

MAX_WIDTH: int = 1048576

MAX_LAYERS: int = 1024

MAX_EXPERTS: int = 65536

MAX_HEADS: int = 65536

MAX_HEAD_DIM: int = 65536

MAX_CANVAS_LENGTH: int = 4096

MAX_END_TOKENS: int = 1024

MAX_CHECKPOINT_STEPS: int = 4096

MAX_BATCH: int = 4096

MAX_THREADS: int = 4096

class Tokenizer:
    """A tokenizer of the kind byte-fallback BPE, read from a checkpoint."""

    def encode(self, text: str, parse_special: bool = True) -> list[int]:
        """
        Token ids of a text. Special tokens written out in it become their ids if parse_special. Adds no <bos>.
        """

    def encode_prompt(self, text: str) -> list[int]:
        """
        Token ids of a prompt, with <bos> in front if the model wants one and the text does not begin with it.
        """

    def encode_prompt_parts(self, parts: Sequence[tuple[str, bool]], is_whole: bool = True) -> list[int]:
        """
        Token ids of a prompt in parts, pairs of text and parse_special. Text that does not begin the prompt gets no <bos> in front: is_whole=False.
        """

    def fewest_ids(self, num_bytes: int) -> int:
        """So many ids, at least, any text of num_bytes has."""

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        """The text of token ids. Bytes that are no UTF-8 become U+FFFD."""

    def token(self, id: int) -> str:
        """A token as the vocabulary spells it."""

    def find(self, token: str) -> int | None:
        """The id of a token, or None."""

    def is_special(self, id: int) -> bool: ...

    @property
    def vocab_size(self) -> int: ...

    @property
    def bos_token_id(self) -> int | None: ...

    @property
    def eos_token_id(self) -> int | None: ...

    @property
    def unk_token_id(self) -> int | None: ...

    @property
    def pad_token_id(self) -> int | None: ...

    @property
    def add_bos(self) -> bool:
        """Whether raw text wants a <bos> in front."""

    @property
    def chat_template(self) -> str:
        """The Jinja source; empty when there is none."""

class StreamDecoder:
    """Decodes ids bit by bit without ever splitting a character."""

    def __init__(self, tokenizer: Tokenizer, skip_special_tokens: bool = True) -> None: ...

    def push(self, ids: Sequence[int]) -> str:
        """Takes further ids and returns the text that no later id can change."""

    def flush(self) -> str:
        """The text that was held back, when no further ids come."""

    def __reduce_ex__(self, protocol: SupportsIndex) -> NoReturn: ...

class OptionKind(enum.Enum):
    """What the value of an option means."""

    INT = 0

    FLOAT = 1

    IDS = 2
    """Token ids."""

    SEEDS = 3
    """One seed for all sequences, or one for each."""

    CANVAS = 4
    """Token ids of a whole canvas for each sequence."""

    PINNED = 5
    """For each sequence, for each canvas: token ids by position."""

    TEXTS = 6
    """Strings."""

class OptionInfo:
    """One row of the table of generation options."""

    @property
    def name(self) -> str:
        """The word in Python, C and JSON, for example "max_denoising_steps"."""

    @property
    def flag(self) -> str:
        """
        The word on the command line, without its two dashes, for example "steps". It is empty where the command line does not have the option.
        """

    @property
    def kind(self) -> OptionKind: ...

    @property
    def unit(self) -> str:
        """For example "nats"; empty where there is none."""

    @property
    def least(self) -> float:
        """The least value that a number may have, unless `excludes_least`."""

    @property
    def most(self) -> float:
        """
        The largest value that a number may have; infinite where there is none.
        """

    @property
    def excludes_least(self) -> bool:
        """Whether a number must be more than `least`."""

    @property
    def expected(self) -> str:
        """
        The bounds in words, for example "an integer from 1 to 1073741824"; empty where it is no number.
        """

    @property
    def checkpoint_key(self) -> str:
        """
        The GGUF key that the default comes from; empty for a default that no checkpoint changes.
        """

    @property
    def default_value(self) -> int | float | list[int] | list[int] | list[list[int]] | list[list[dict[int, int]]] | list[str]:
        """The default where a checkpoint does not have the key."""

    @property
    def help(self) -> str:
        """One sentence on what it does."""

    def __repr__(self) -> str: ...

def generation_options() -> list[OptionInfo]:
    """The table of generation options."""

def end_token_names() -> list[str]:
    """The texts of the tokens that end a turn."""

class StepEvent:
    """What a denoising step left of one sequence, for `on_step`."""

    @property
    def sequence(self) -> int:
        """Index of the sequence in the batch."""

    @property
    def canvas(self) -> int:
        """Index of the canvas among those of this call."""

    @property
    def step(self) -> int:
        """Index of the step within its canvas; the first is 0."""

    @property
    def max_denoising_steps(self) -> int: ...

    @property
    def mean_entropy(self) -> float:
        """The mean over the positions that are not pinned, in nats."""

    @property
    def argmax(self) -> numpy.typing.NDArray[numpy.int32]:
        """[C], the token ids that would be committed now."""

    @property
    def accepted(self) -> numpy.typing.NDArray[numpy.bool_]:
        """
        [C], whether this step accepted the position; pinned positions always count as accepted.
        """

    @property
    def entropies(self) -> numpy.typing.NDArray[numpy.float32]:
        """[C], the entropy of each position in nats."""

class CanvasEvent:
    """A canvas that was just committed, for `on_canvas`."""

    @property
    def sequence(self) -> int:
        """Index of the sequence in the batch."""

    @property
    def canvas(self) -> int:
        """Index of the canvas among those of this call."""

    @property
    def denoising_steps(self) -> int:
        """How many denoising passes the canvas took."""

    @property
    def finished(self) -> bool:
        """Whether it holds an end token."""

    @property
    def text_length(self) -> int:
        """
        How many of the ids belong to the text: those in front of an end token and of a stop string, as far as max_new_tokens goes.
        """

    @property
    def ids(self) -> numpy.typing.NDArray[numpy.int32]:
        """[C], the committed token ids, padded after the first end token."""

class Timings:
    """Where the time of a generation went."""

    @property
    def encode_ms(self) -> float:
        """The time of the passes that only encoded."""

    @property
    def denoise_ms(self) -> float:
        """The time of the denoising passes, with what they encoded."""

    @property
    def first_canvas_ms(self) -> float:
        """The time from the call to the first committed canvas."""

    @property
    def steps(self) -> int:
        """
        How many passes had canvases that took a step. A large batch needs several for each step.
        """

    @property
    def step_ms(self) -> list[float]:
        """The time of each denoising pass, with its callbacks."""

    def __getstate__(self) -> tuple[float, float, float, int, list[float]]: ...

    def __setstate__(self, arg: tuple[float, float, float, int, Sequence[float]], /) -> None: ...

    def __repr__(self) -> str: ...

class GenerationOptions:
    """Options in their native form, see `generation_options`."""

    def __init__(self, values: dict[str, int | float | Sequence[int] | Sequence[int] | Sequence[Sequence[int]] | Sequence[Sequence[Mapping[int, int]]] | Sequence[str]], on_step: Callable[[StepEvent], object] | None = None, on_canvas: Callable[[CanvasEvent], object] | None = None) -> None: ...

class FinishReason(enum.Enum):
    """Why a sequence ends where it does."""

    stop = 0

    length = 1

    cancelled = 2

    deadline = 3

class Usage:
    @property
    def prompt_tokens(self) -> int: ...

    @property
    def cached_tokens(self) -> int: ...

    @property
    def completion_tokens(self) -> int: ...

class Result:
    """One sequence. `gesso.Result` is made of it, once."""

    @property
    def ids(self) -> list[int]: ...

    def last_before(self, ids: Sequence[int]) -> int | None:
        """
        The last of `ids` among the tokens in front of the new ones; None where there is none.
        """

    @property
    def canvases(self) -> Annotated[NDArray[numpy.int32], dict(shape=(None, None))]:
        """A new array [canvases, C]."""

    @property
    def denoising_steps(self) -> list[int]: ...

    @property
    def finish_reason(self) -> FinishReason: ...

    @property
    def usage(self) -> Usage: ...

    @property
    def seed(self) -> int: ...

    @property
    def tokens_per_forward(self) -> float: ...

class GenerationResult:
    @property
    def results(self) -> list[Result]:
        """One for each sequence of the batch."""

    @property
    def stopped(self) -> bool: ...

    @property
    def timings(self) -> Timings: ...

class LayerConfig:
    @property
    def is_sliding(self) -> bool: ...

    @property
    def num_key_value_heads(self) -> int: ...

    @property
    def head_dim(self) -> int: ...

class ModelConfig:
    @property
    def vocab_size(self) -> int: ...

    @property
    def hidden_size(self) -> int: ...

    @property
    def intermediate_size(self) -> int: ...

    @property
    def moe_intermediate_size(self) -> int: ...

    @property
    def num_hidden_layers(self) -> int: ...

    @property
    def num_attention_heads(self) -> int: ...

    @property
    def num_experts(self) -> int: ...

    @property
    def top_k_experts(self) -> int: ...

    @property
    def sliding_window(self) -> int: ...

    @property
    def max_position_embeddings(self) -> int: ...

    @property
    def canvas_length(self) -> int: ...

    @property
    def rms_norm_eps(self) -> float: ...

    @property
    def final_logit_softcapping(self) -> float: ...

    @property
    def rope_theta_sliding(self) -> float: ...

    @property
    def rope_theta_full(self) -> float: ...

    @property
    def layers(self) -> list[LayerConfig]: ...

    @property
    def pad_token_id(self) -> int: ...

    @property
    def bos_token_id(self) -> int: ...

    @property
    def eos_token_id(self) -> int: ...

    @property
    def placeholder_token_ids(self) -> list[int]: ...

    @property
    def generation(self) -> dict[str, int | float | list[int] | list[int] | list[list[int]] | list[list[dict[int, int]]] | list[str]]:
        """The values that options have when they are not set, by their names."""

def read_config(checkpoint: Checkpoint) -> ModelConfig:
    """Reads a model's configuration from the metadata of its checkpoint."""

def scratch_bytes(config: ModelConfig) -> int:
    """Bytes of scratch memory that a session takes."""

def cache_bytes(config: ModelConfig, length: int) -> int:
    """
    The most bytes that the cache of one sequence of `length` tokens takes.
    """

class WeightImportance:
    @property
    def name(self) -> str: ...

    @property
    def counts(self) -> Annotated[NDArray[numpy.int64], dict(shape=(None,), writable=False)]: ...

    @property
    def sums(self) -> Annotated[NDArray[numpy.float32], dict(shape=(None, None), writable=False)]: ...

class Model:
    def __init__(self, checkpoint: Checkpoint, device: str = 'auto', num_threads: int = 0, activations: str = 'auto', on_progress: Callable[[int, int], object] | None = None, exact_soft_embedding: bool = False, copy_weights: bool = False) -> None: ...

    @property
    def config(self) -> ModelConfig: ...

    @property
    def tokenizer(self) -> Tokenizer | None: ...

    @property
    def weight_bytes(self) -> int: ...

    @property
    def device(self) -> str: ...

    @property
    def activations(self) -> str: ...

    @property
    def num_threads(self) -> int: ...

class Session:
    def __init__(self, model: Model, batch_size: int = 1) -> None: ...

    @property
    def batch_size(self) -> int: ...

    @property
    def lengths(self) -> list[int]:
        """How many tokens each sequence has, all at one time."""

    @property
    def ids(self) -> list[list[int]]:
        """A copy of the tokens of all sequences, all at one time."""

    @property
    def cache_bytes(self) -> int: ...

    def fork(self) -> Session: ...

    def save(self, path: bytes) -> None:
        """Writes a file. The path is what os.fsencode() gives."""

    def save_bytes(self) -> bytes:
        """Returns what save() writes."""

    @staticmethod
    def load(model: Model, path: bytes) -> Session: ...

    @staticmethod
    def load_bytes(model: Model, data: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)]) -> Session: ...

    def encode(self, ids: Sequence[Sequence[int]]) -> None: ...

    def rewind(self, lengths: Sequence[int]) -> None: ...

    def encoded(self, sequence: int, length: int) -> int:
        """
        How many of the first `length` tokens stay encoded if rewind() goes back to them.
        """

    def denoise(self, canvas: Sequence[Sequence[int]], has_self_conditioning: bool, logits: Annotated[NDArray[numpy.float32], dict(shape=(None, None, None), order='C', device='cpu')]) -> None: ...

    def generate(self, ids: Sequence[Sequence[int]], options: GenerationOptions) -> GenerationResult: ...

    def set_profiling(self, on: bool) -> None:
        """
        From now on every op adds its time and work to a profile; on a GPU each op then waits for the one before.
        """

    def take_profile(self) -> list[OpProfile]:
        """
        The ops that were added since the last call; empty when nothing is profiled.
        """

    def collect_importance(self) -> None: ...

    @property
    def importance(self) -> list[WeightImportance]: ...

class EngineCounters:
    """What an engine has done since it was made, and what it holds now."""

    @property
    def passes(self) -> int: ...

    @property
    def canvas_rows(self) -> int:
        """Rows of canvases that passes have computed."""

    @property
    def prompt_rows(self) -> int:
        """Rows of prompts that passes have computed."""

    @property
    def committed_rows(self) -> int:
        """Rows of committed canvases that passes have encoded."""

    @property
    def canvases(self) -> int:
        """Canvases that were committed."""

    @property
    def denoising_steps(self) -> int:
        """The steps that these took."""

    @property
    def submitted(self) -> int: ...

    @property
    def refused(self) -> int:
        """Requests that were refused with QueueFull."""

    @property
    def stopped(self) -> int:
        """Requests that ended with "stop"."""

    @property
    def full_length(self) -> int:
        """Requests that ended with "length"."""

    @property
    def cancelled(self) -> int:
        """Requests that ended with "cancelled"."""

    @property
    def late(self) -> int:
        """Requests that ended with "deadline"."""

    @property
    def exceeded(self) -> int:
        """Requests that ended with DeadlineExceeded."""

    @property
    def failed(self) -> int:
        """Requests that ended with another exception."""

    @property
    def waiting(self) -> int:
        """Requests that wait for a place now."""

    @property
    def running(self) -> int:
        """Requests that run now."""

    @property
    def wait_seconds(self) -> float:
        """From submit to the first place, of all requests in `begun`."""

    @property
    def first_canvas_seconds(self) -> float:
        """
        From submit to the first canvas, of all requests in `had_first_canvas`.
        """

    @property
    def begun(self) -> int:
        """Requests that got a place."""

    @property
    def had_first_canvas(self) -> int:
        """Requests that came to a first canvas."""

    @property
    def pass_seconds(self) -> float:
        """The time of all passes."""

    @property
    def cache_bytes(self) -> int:
        """What the caches of running requests take now."""

    @property
    def prefix_bytes(self) -> int:
        """What is kept of prompts now."""

    @property
    def prefix_hits(self) -> int:
        """Requests that began with something that was kept."""

    @property
    def prefix_misses(self) -> int:
        """Requests that began without."""

    @property
    def prefix_hit_tokens(self) -> int:
        """Tokens that were not encoded again."""

    def __repr__(self) -> str: ...

class Request:
    def cancel(self) -> None: ...

    def is_done(self) -> bool: ...

    def wait(self, seconds: float | None) -> bool: ...

    def result(self) -> Result: ...

    def next(self, seconds: float | None = None) -> StepEvent | CanvasEvent | None:
        """The next event; None for the end, and when none came in time."""

class Engine:
    def __init__(self, model: Model, max_running: int, max_queued: int, memory_bytes: int, prefix_bytes: int, has_thread: bool) -> None: ...

    def submit(self, ids: Sequence[int], session: Session | None, options: GenerationOptions, deadline: float | None, priority: int, key: bytes, keep_events: bool, on_news: Callable[[], object] | None = None) -> Request: ...

    def run_once(self) -> bool: ...

    def drain(self) -> None: ...

    def close(self, seconds: float | None) -> bool:
        """Returns whether nothing of it runs any more."""

    def counters(self) -> EngineCounters: ...

    def forget_prefixes(self) -> None: ...

    @property
    def max_running(self) -> int: ...

def check_options(options: GenerationOptions, model: Model) -> None:
    """
    Raises ArgumentError if the options are wrong for one sequence, whatever its prompt is.
    """

PATIENCE: float = 1.0

def end_engines() -> None:
    """
    Python ends: from now on the calls of other threads, which use engines, do not return.
    """

class TensorType:
    """A tensor type that a GGUF file may hold."""

    @property
    def name(self) -> str:
        """ggml's name, for example "Q4_K"."""

    @property
    def id(self) -> int:
        """ggml's id, as GGUF files store it."""

    @property
    def block_elements(self) -> int:
        """A row's length must be a multiple of this."""

    @property
    def block_bytes(self) -> int: ...

    @property
    def can_read(self) -> bool:
        """Whether gesso computes with it."""

    @property
    def can_write(self) -> bool:
        """Whether gesso quantises to it."""

def tensor_types() -> list[TensorType]:
    """All types that a tensor of a GGUF file may have."""

def dequantize(type: str, data: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)], num_threads: int = 0) -> Annotated[NDArray[numpy.float32], dict(shape=(None,))]:
    """The float32 values of the blocks in `data`, a contiguous uint8 array."""

class NotFiniteCount:
    """How many values are NaN or infinite."""

    @property
    def num_nan(self) -> int: ...

    @property
    def num_infinite(self) -> int: ...

    @property
    def first(self) -> int:
        """The index of the first of them; -1 if there are none."""

def count_not_finite(type: str, data: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)], num_threads: int = 0) -> NotFiniteCount:
    """
    Counts the values of the blocks in `data`, a contiguous uint8 array, that are NaN or infinite.
    """

def quantize(source_type: str, source: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)], type: str, row_elements: int, importance: Annotated[NDArray[numpy.float32], dict(shape=(None,), order='C', device='cpu', writable=False)] | None = None, multiplier: float = 1.0, num_threads: int = 0) -> Annotated[NDArray[numpy.uint8], dict(shape=(None,))]:
    """
    The rows in `source`, blocks of source_type, as blocks of another type. `importance` is float32 [row_elements]: what a square error in each column counts.
    """

def gguf_head(keys: Sequence[tuple[bytes, bytes]], tensors: Sequence[tuple[str, str, Sequence[int]]]) -> bytes:
    """
    What a GGUF file has in front of its tensors' bytes. keys: each with its value as files store it; tensors: name, type and shape of each.
    """

def copied_metadata(checkpoint: Checkpoint) -> list[tuple[bytes, bytes]]:
    """
    The metadata of a file for a new file with the same model, as `gguf_head` takes them.
    """

class Preset:
    """Decides which type each tensor of a file gets."""

    @property
    def name(self) -> str: ...

    @property
    def file_type(self) -> int:
        """general.file_type in a GGUF file."""

    @property
    def base_type(self) -> str:
        """The type of a matrix for which no rule gives another one."""

def presets() -> list[Preset]:
    """All presets."""

def stays_float32(name: str, rank: int) -> bool:
    """
    Whether files store a tensor in F32 with every preset, as they do vectors, norms and the router.
    """

def plan_types(preset: str, tensors: Sequence[tuple[str, str, Sequence[int]]], num_layers: int = -1, has_importance: bool = False) -> list[str]:
    """The type of each tensor. num_layers -1: as many as the names say."""

LARGEST_NVFP4: float = 2688.0

class PlannedTensor:
    """One tensor of a file whose tensors get other types."""

    class Values(enum.Enum):
        """Which values it has."""

        COPIED = 0
        """Those of `source`."""

        MULTIPLIED = 1
        """Those of `source` times `scale`."""

        DIVIDED = 2
        """Those of `source` divided by its nvfp4_scale()."""

        NEW_SCALE = 3
        """The nvfp4_scale() of `source`, times `scale` if there is one."""

    @property
    def name(self) -> str: ...

    @property
    def type(self) -> str: ...

    @property
    def shape(self) -> list[int]: ...

    @property
    def values(self) -> PlannedTensor.Values: ...

    @property
    def source(self) -> int:
        """An index of the tensors that were given."""

    @property
    def scale(self) -> int:
        """The index of the weight scale that `source` has; -1: it has none."""

def plan_tensors(tensors: Sequence[tuple[str, str, Sequence[int]]], types: Sequence[str]) -> list[PlannedTensor]:
    """
    The tensors of the new file if each tensor gets the type in its place: with new weight scales, and without those that are multiplied into other types.
    """

def nvfp4_scale(type: str, data: Annotated[NDArray[numpy.uint8], dict(shape=(None,), order='C', device='cpu', writable=False)], num_threads: int = 0) -> float:
    """
    The weight scale of the blocks in `data`, a contiguous uint8 array, when they become NVFP4.
    """

class ImatrixEntry:
    """How much an error in each column of a weight counts."""

    @property
    def name(self) -> str:
        """The weight's."""

    @property
    def values(self) -> Annotated[NDArray[numpy.float32], dict(shape=(None, None), writable=False)]:
        """float32 [experts, columns]; a plain matrix counts as one expert."""

def read_imatrix(path: bytes) -> list[ImatrixEntry]:
    """Reads an importance matrix. The path is what os.fsencode() gives."""
