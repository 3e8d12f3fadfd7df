"""gesso runs DiffusionGemma, a language model that starts from a block of random tokens and refines all of it at once.

import gesso

model = gesso.load("diffusiongemma.gguf")
print(model.generate("Why is the sky blue?").texts[0])
"""

from gesso import starting as _starting  # first, because it answers Ctrl-C during the other imports

# isort: split
from importlib.metadata import version as _version

from gesso._native import (
    ArgumentError,
    BusyError,
    CanvasEvent,
    CudaError,
    DeadlineExceeded,
    DeviceInfo,
    EngineCounters,
    FormatError,
    NumericsError,
    OptionInfo,
    OptionKind,
    QueueFull,
    StepEvent,
    StreamDecoder,
    Timings,
    WeightImportance,
    devices,
    generation_options,
    gpu_problem,
    has_cuda,
)
from gesso.calls.tool_call import ToolCall
from gesso.chat import Chat, ChatEvent, ChatReply
from gesso.config import Config
from gesso.engine import EndEvent, Engine, Request
from gesso.files.development import get_cmake_dir, get_include, get_library
from gesso.files.tensor import dequantize, quantize
from gesso.loading import load
from gesso.model import Model
from gesso.options import GenerationOptions
from gesso.reply import Reply, ReplyDecoder, ReplyEvent, ReplyParser, TextDelta, ThoughtDelta, parse_reply
from gesso.result import GenerationOutput, Result, Usage
from gesso.session import Session
from gesso.stream import StreamEvent
from gesso.tokenizer import Tokenizer

__version__ = _version("gesso")
_starting.end()
__all__ = [
    "ArgumentError",
    "BusyError",
    "CanvasEvent",
    "Chat",
    "ChatEvent",
    "ChatReply",
    "Config",
    "CudaError",
    "DeadlineExceeded",
    "DeviceInfo",
    "EndEvent",
    "Engine",
    "EngineCounters",
    "FormatError",
    "GenerationOptions",
    "GenerationOutput",
    "Model",
    "NumericsError",
    "OptionInfo",
    "OptionKind",
    "QueueFull",
    "Reply",
    "ReplyDecoder",
    "ReplyEvent",
    "ReplyParser",
    "Request",
    "Result",
    "Session",
    "StepEvent",
    "StreamDecoder",
    "StreamEvent",
    "TextDelta",
    "ThoughtDelta",
    "Timings",
    "Tokenizer",
    "ToolCall",
    "Usage",
    "WeightImportance",
    "dequantize",
    "devices",
    "generation_options",
    "get_cmake_dir",
    "get_include",
    "get_library",
    "gpu_problem",
    "has_cuda",
    "load",
    "parse_reply",
    "quantize",
]
