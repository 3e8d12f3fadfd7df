"""gesso runs DiffusionGemma, a language model that starts from a block of random tokens and refines all of it at once.

import gesso

model = gesso.load("diffusiongemma.gguf")
print(model.generate("Why is the sky blue?").texts[0])
"""

from gesso import starting as _starting  # first, because it answers Ctrl-C during the other imports

# isort: split
import importlib
from typing import TYPE_CHECKING

from gesso._native import (
    ArgumentError,
    BusyError,
    CanvasEvent,
    CpuInfo,
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
    cpu_info,
    devices,
    generation_options,
    gpu_problem,
    has_cuda,
)

if TYPE_CHECKING:  # the others, which are imported when they are first asked for, see __getattr__
    from gesso.calls.tool_call import ToolCall
    from gesso.chat import Chat
    from gesso.chat_events import ChatEvent, ChatReply
    from gesso.config import Config
    from gesso.engine import EndEvent, Engine, Request
    from gesso.files.development import get_cmake_dir, get_include, get_library
    from gesso.files.tensor import dequantize, quantize
    from gesso.loading import load
    from gesso.model import Model
    from gesso.notebook.canvas import Canvas, Steps
    from gesso.options import GenerationOptions
    from gesso.reply import Reply, ReplyDecoder, ReplyEvent, ReplyParser, TextDelta, ThoughtDelta, parse_reply
    from gesso.result import GenerationOutput, Result, Usage
    from gesso.session import Session
    from gesso.stream import StreamEvent
    from gesso.tokenizer import Tokenizer

__version__: str
_MODULES = {
    "Canvas": "gesso.notebook.canvas",
    "Chat": "gesso.chat",
    "ChatEvent": "gesso.chat_events",
    "ChatReply": "gesso.chat_events",
    "Config": "gesso.config",
    "EndEvent": "gesso.engine",
    "Engine": "gesso.engine",
    "GenerationOptions": "gesso.options",
    "GenerationOutput": "gesso.result",
    "Model": "gesso.model",
    "Reply": "gesso.reply",
    "ReplyDecoder": "gesso.reply",
    "ReplyEvent": "gesso.reply",
    "ReplyParser": "gesso.reply",
    "Request": "gesso.engine",
    "Result": "gesso.result",
    "Session": "gesso.session",
    "Steps": "gesso.notebook.canvas",
    "StreamEvent": "gesso.stream",
    "TextDelta": "gesso.reply",
    "ThoughtDelta": "gesso.reply",
    "Tokenizer": "gesso.tokenizer",
    "ToolCall": "gesso.calls.tool_call",
    "Usage": "gesso.result",
    "dequantize": "gesso.files.tensor",
    "get_cmake_dir": "gesso.files.development",
    "get_include": "gesso.files.development",
    "get_library": "gesso.files.development",
    "load": "gesso.loading",
    "parse_reply": "gesso.reply",
    "quantize": "gesso.files.tensor",
}
_starting.end()
__all__ = [
    "ArgumentError",
    "BusyError",
    "Canvas",
    "CanvasEvent",
    "Chat",
    "ChatEvent",
    "ChatReply",
    "Config",
    "CpuInfo",
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
    "Steps",
    "StreamDecoder",
    "StreamEvent",
    "TextDelta",
    "ThoughtDelta",
    "Timings",
    "Tokenizer",
    "ToolCall",
    "Usage",
    "WeightImportance",
    "cpu_info",
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


def __getattr__(name: str) -> object:
    """Imports what is first asked for. So `import gesso` takes as long as `import numpy`, or less.

    The version is one of these, too: `importlib.metadata` alone takes a third of that time.
    """
    value: object
    if name == "__version__":
        from importlib.metadata import version

        value = version("gesso")
    elif name in _MODULES:
        value = getattr(importlib.import_module(_MODULES[name]), name)
    else:
        raise AttributeError(f"module 'gesso' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
