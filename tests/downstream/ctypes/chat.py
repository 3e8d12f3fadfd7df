"""A conversation through the C interface, with ctypes alone. Each line of the standard input is a turn; a reply has one
canvas. With STATE the conversation goes on from that file, if there is one, and is left there.

python chat.py LIBRARY MODEL SEED [STATE] < turns.txt
"""

import ctypes
import os
import sys
from ctypes import POINTER, byref, c_char_p, c_float, c_int32, c_int64, c_size_t, c_uint8, c_uint64, c_void_p

StepCallback = ctypes.CFUNCTYPE(ctypes.c_int, c_void_p, c_int64, c_int64, POINTER(c_int32), POINTER(c_uint8), c_size_t)


class Options(ctypes.Structure):
    """gesso_options. A library whose struct is longer takes this one, too, because it begins with its size."""

    _fields_ = (
        ("struct_size", c_size_t),
        ("max_new_tokens", c_int64),
        ("max_denoising_steps", c_int64),
        ("entropy_bound", c_float),
        ("t_min", c_float),
        ("t_max", c_float),
        ("stability_threshold", c_int64),
        ("confidence_threshold", c_float),
        ("seed", c_uint64),
        ("on_step", StepCallback),
        ("user_data", c_void_p),
    )


class Ids(ctypes.Structure):
    """gesso_ids, which never changes."""

    _fields_ = (("ids", POINTER(c_int32)), ("count", c_size_t))


def load_library(path: str) -> ctypes.CDLL:
    gesso = ctypes.CDLL(path)
    gesso.gesso_last_error.restype = c_char_p
    gesso.gesso_result_text.restype = c_char_p
    gesso.gesso_model_canvas_length.restype = c_int64
    of_an_object = ("result_text", "result_free", "model_canvas_length", "model_free", "session_free")
    for name in of_an_object:
        getattr(gesso, f"gesso_{name}").argtypes = [c_void_p]
    gesso.gesso_model_load.argtypes = [c_char_p, c_void_p, POINTER(c_void_p)]
    gesso.gesso_options_init.argtypes = [POINTER(Options), c_size_t]
    gesso.gesso_encode_parts.argtypes = [
        c_void_p, POINTER(c_char_p), POINTER(c_uint8), c_size_t, POINTER(c_int32), c_size_t, POINTER(c_size_t),
    ]  # fmt: skip
    gesso.gesso_session_create.argtypes = [c_void_p, c_int64, POINTER(c_void_p)]
    gesso.gesso_session_load.argtypes = [c_void_p, c_char_p, POINTER(c_void_p)]
    gesso.gesso_session_save.argtypes = [c_void_p, c_char_p]
    gesso.gesso_session_generate.argtypes = [c_void_p, POINTER(Ids), c_size_t, POINTER(Options), POINTER(c_void_p)]
    return gesso


def main(library: str, path: str, seed: str, state: str = "") -> None:
    gesso = load_library(library)

    def check(status: int) -> None:
        if status != 0:
            sys.exit(f"chat: {gesso.gesso_last_error().decode(errors='replace')}")

    model, session, options = c_void_p(), c_void_p(), Options()
    check(gesso.gesso_model_load(path.encode(), None, byref(model)))
    check(gesso.gesso_options_init(byref(options), ctypes.sizeof(options)))
    options.max_new_tokens = gesso.gesso_model_canvas_length(model)
    options.seed = int(seed)

    if state and os.path.exists(state):
        check(gesso.gesso_session_load(model, os.fsencode(state), byref(session)))
    else:
        check(gesso.gesso_session_create(model, 1, byref(session)))
    for line in sys.stdin:
        # What a user writes is text, also where it spells a special token.
        text, parse_special, count = c_char_p(line.rstrip("\n").encode()), c_uint8(0), c_size_t()
        check(gesso.gesso_encode_parts(model, byref(text), byref(parse_special), 1, None, 0, byref(count)))
        ids = (c_int32 * count.value)()
        check(gesso.gesso_encode_parts(model, byref(text), byref(parse_special), 1, ids, count, byref(count)))
        result = c_void_p()
        check(gesso.gesso_session_generate(session, byref(Ids(ids, count)), 1, byref(options), byref(result)))
        print(gesso.gesso_result_text(result).decode())
        gesso.gesso_result_free(result)
    if state:
        check(gesso.gesso_session_save(session, os.fsencode(state)))
    gesso.gesso_session_free(session)
    gesso.gesso_model_free(model)


if __name__ == "__main__":
    main(*sys.argv[1:])
