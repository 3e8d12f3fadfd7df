"""The worker for llama.cpp, through llama-cpp-python: `python llama_cpp_worker.py TWIN.gguf THREADS`."""

import ctypes
import sys

import llama_cpp
import numpy as np
from worker import serve, timed

ROWS = 256  # the length of a canvas


@llama_cpp.llama_log_callback
def say_nothing(level, text, user_data) -> None:
    """Drops llama.cpp's messages, which are many."""


class LlamaCpp:
    def __init__(self, path: str, num_threads: int):
        llama_cpp.llama_log_set(say_nothing, ctypes.c_void_p(0))
        llama_cpp.llama_backend_init()
        self.model = llama_cpp.llama_model_load_from_file(path.encode(), llama_cpp.llama_model_default_params())
        if not self.model:
            raise SystemExit(f"llama.cpp cannot load {path}")
        params = llama_cpp.llama_context_default_params()
        params.n_ctx = params.n_batch = params.n_ubatch = ROWS
        params.n_threads = params.n_threads_batch = num_threads
        self.context = llama_cpp.llama_init_from_model(self.model, params)
        self.vocab_size = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(self.model))
        ids = np.random.default_rng(0).integers(0, self.vocab_size, ROWS)
        self.batch = llama_cpp.llama_batch_init(ROWS, 0, 1)
        self.fill(ids.tolist())

    def fill(self, ids: list[int]) -> None:
        """Puts one sequence into the batch, from position 0 on, and asks for the logits of all its tokens."""
        self.batch.n_tokens = len(ids)
        for i, token in enumerate(ids):
            self.batch.token[i], self.batch.pos[i], self.batch.logits[i] = token, i, 1
            self.batch.n_seq_id[i], self.batch.seq_id[i][0] = 1, 0

    def decode(self) -> None:
        llama_cpp.llama_memory_clear(llama_cpp.llama_get_memory(self.context), False)
        if llama_cpp.llama_decode(self.context, self.batch) != 0:
            raise SystemExit("llama_decode failed")
        llama_cpp.llama_synchronize(self.context)

    def logits(self) -> np.ndarray:
        """The logits of the last decode(), float32 [tokens, V]. The array is a view of llama.cpp's memory."""
        data = llama_cpp.llama_get_logits(self.context)
        return np.ctypeslib.as_array(data, (self.batch.n_tokens, self.vocab_size))


def main() -> None:
    path, num_threads = sys.argv[1:]
    peer = LlamaCpp(path, int(num_threads))
    features = llama_cpp.llama_print_system_info().decode()
    about = {"version": f"llama-cpp-python {llama_cpp.__version__}", "features": features}
    serve(about, {"layers and head": timed(peer.decode)})


if __name__ == "__main__":
    main()
