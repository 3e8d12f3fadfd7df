"""Asks a question through the C interface, with ctypes alone, as any language that can call C would do it.

python examples/with_ctypes.py [MODEL.gguf]

`gesso/gesso.h` in the folder gesso.get_include() declares the functions. C and C++ projects find both with
`cmake -Dgesso_DIR=...`, where gesso.get_cmake_dir() is that folder.
"""

import ctypes
import os
import sys
from ctypes import POINTER, byref, c_char_p, c_int, c_int32, c_size_t, c_void_p
from pathlib import Path

import gesso  # only says where the library is


class Message(ctypes.Structure):
    _fields_ = (("role", c_char_p), ("content", c_char_p))


lib = ctypes.CDLL(gesso.get_library())
lib.gesso_last_error.restype = lib.gesso_result_text.restype = c_char_p
lib.gesso_model_load.argtypes = [c_char_p, c_void_p, POINTER(c_void_p)]
lib.gesso_encode_chat.argtypes = [
    c_void_p, POINTER(Message), c_size_t, c_int, c_int, POINTER(c_int32), c_size_t, POINTER(c_size_t),
]  # fmt: skip
lib.gesso_generate.argtypes = [c_void_p, POINTER(c_int32), c_size_t, c_void_p, POINTER(c_void_p)]
for name in ("gesso_result_text", "gesso_result_free", "gesso_model_free"):
    getattr(lib, name).argtypes = [c_void_p]


def check(status: int) -> None:
    if status != 0:
        sys.exit(lib.gesso_last_error().decode(errors="replace"))


model, result, count = c_void_p(), c_void_p(), c_size_t()
path = sys.argv[1] if len(sys.argv) > 1 else Path(gesso.__file__).parent / "bundled/mini.gguf"
check(lib.gesso_model_load(os.fsencode(path), None, byref(model)))

message = Message(b"user", b"What can you do?")
chat = (model, byref(message), 1, 0, 1)  # one message, no thoughts, and the beginning of the model's turn behind it
check(lib.gesso_encode_chat(*chat, None, 0, byref(count)))  # how many ids there are
ids = (c_int32 * count.value)()
check(lib.gesso_encode_chat(*chat, ids, count, byref(count)))

check(lib.gesso_generate(model, ids, count, None, byref(result)))  # None: all options have their defaults
print(lib.gesso_result_text(result).decode())
lib.gesso_result_free(result)
lib.gesso_model_free(model)
