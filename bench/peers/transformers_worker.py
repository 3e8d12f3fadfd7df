"""The worker for the reference: `python transformers_worker.py CONFIG.json LAYERS THREADS`.

The reference is transformers on torch in bf16. The worker uses its classes with random weights. Their values are drawn
as `gesso synth` draws them, so that routing and entropies are similar.
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from transformers import DiffusionGemmaConfig, DiffusionGemmaForBlockDiffusion, DynamicCache, Gemma4VisionConfig
from transformers.initialization import no_init_weights
from worker import Sample, Watch, serve, timed

PROMPT = torch.tensor([[2]])
NEVER = 1e-30  # no mean entropy is below it, so canvases do not end early
POOL = 1_048_573  # a prime, so that rows differ


def make_model(config_file: Path, num_layers: int) -> DiffusionGemmaForBlockDiffusion:
    fields = json.loads(config_file.read_text())
    text = fields["text_config"] | {"num_hidden_layers": num_layers}
    small = dict.fromkeys(("hidden_size", "intermediate_size", "head_dim"), 8)  # the part for images is not measured
    vision = Gemma4VisionConfig(**small, num_hidden_layers=1, num_attention_heads=1, num_key_value_heads=1)
    config = DiffusionGemmaConfig(text_config=text, vision_config=vision, canvas_length=fields["canvas_length"])
    with no_init_weights():
        model = DiffusionGemmaForBlockDiffusion._from_config(config, dtype=torch.bfloat16).eval()
    model.tie_weights()  # encoder and decoder share their weights; without initialisation they would not
    fill(model)
    return model


@torch.no_grad()
def fill(model: DiffusionGemmaForBlockDiffusion) -> None:
    torch.manual_seed(0)
    pool = torch.randn(POOL, dtype=torch.float32)
    for name, parameter in model.named_parameters():
        flat = parameter.view(-1)
        if name.endswith("decoder.norm.weight"):
            flat.copy_(5 * torch.sign(pool[: len(flat)]))
        elif parameter.dim() == 1:
            flat.fill_(len(flat) ** -0.25 if name.endswith(("q_norm.weight", "k_norm.weight")) else 1.0)
        else:
            spread = 1.0 if name.endswith("router.proj.weight") else parameter.shape[-1] ** -0.5
            values = (spread * pool).to(torch.bfloat16)
            for first in range(0, len(flat), POOL):
                part = flat[first : first + POOL]
                part.copy_(values[: len(part)])


class Streamer:
    """Takes the time between the drafts of two steps."""

    def __init__(self) -> None:
        self.watches: list[Watch] = []
        self.samples: list[Sample] = []

    def put(self, value) -> None:
        pass

    def end(self) -> None:
        pass

    def put_draft(self, value) -> None:
        self.samples.extend(watch.sample() for watch in self.watches)
        self.watches = [Watch()]


class Reference:
    def __init__(self, config_file: Path, num_layers: int):
        self.model = make_model(config_file, num_layers)
        config = self.model.config
        self.cache = DynamicCache(config=config.get_text_config(decoder=True))
        with torch.no_grad():
            self.model.model.encoder(input_ids=PROMPT, cache=self.cache)
        self.canvas = torch.randint(0, config.text_config.vocab_size, (1, config.canvas_length))

    @torch.no_grad()
    def layers_and_head(self) -> None:
        """A pass without self-conditioning and sampling. It gives the logits of all positions."""
        self.model(decoder_input_ids=self.canvas, cache=self.cache)

    def whole_step(self) -> Sample:
        """The second step of a canvas, since the first has no step before it to be conditioned on."""
        streamer = Streamer()
        self.model.generate(
            PROMPT,
            max_new_tokens=self.model.config.canvas_length,
            max_denoising_steps=2,
            confidence_threshold=NEVER,
            streamer=streamer,
        )
        return streamer.samples[0]


def main() -> None:
    config_file, num_layers, num_threads = sys.argv[1:]
    torch.set_num_threads(int(num_threads))
    peer = Reference(Path(config_file), int(num_layers))
    about = {"version": f"transformers {transformers.__version__}, torch {torch.__version__}"}
    serve(about, {"layers and head": timed(peer.layers_and_head), "whole step": peer.whole_step})


if __name__ == "__main__":
    main()
