"""The worker for gesso: `python gesso_worker.py MODEL.gguf THREADS ACTIVATIONS`."""

import sys

import numpy as np
from worker import Sample, Watch, serve, timed

import gesso

PROMPT = [2]
NEVER = 0.0  # no mean entropy is below 0, so canvases do not end early


class Gesso:
    def __init__(self, path: str, num_threads: int, activations: str):
        self.model = gesso.load(path, "cpu", num_threads, activations=activations)
        self.session = self.model.session()
        self.session.encode(PROMPT)
        config = self.model.config
        rng = np.random.default_rng(0)
        self.canvas = rng.integers(0, config.vocab_size, (1, config.canvas_length)).tolist()
        self.logits = np.empty((1, config.canvas_length, config.vocab_size), np.float32)

    def layers_and_head(self) -> None:
        """A pass without self-conditioning and sampling. It gives the logits of all positions."""
        self.session._native.denoise(self.canvas, False, self.logits)

    def whole_step(self) -> Sample:
        """The second step of a canvas, since the first has no step before it to be conditioned on."""
        watches: list[Watch] = []
        samples: list[Sample] = []

        def on_step(event) -> None:
            samples.extend(watch.sample() for watch in watches)
            watches[:] = [Watch()]

        self.session.generate(
            max_new_tokens=1, max_denoising_steps=2, confidence_threshold=NEVER, end_token_ids=[], on_step=on_step
        )
        self.session.rewind(len(PROMPT))
        return samples[0]


def main() -> None:
    path, num_threads, activations = sys.argv[1:]
    peer = Gesso(path, int(num_threads), activations)
    about = {"version": gesso.__version__, "activations": peer.model.activations}
    serve(about, {"layers and head": timed(peer.layers_and_head), "whole step": peer.whole_step})


if __name__ == "__main__":
    main()
