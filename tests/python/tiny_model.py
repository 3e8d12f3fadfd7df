"""Writes a tiny DiffusionGemma with random weights and a real tokenizer as a GGUF file. It needs no torch.

    path = tiny_model(tmp_path / "tiny.gguf")
    path = tiny_model(tmp_path / "wide.gguf", seed=1, canvas_length=32, types=matrices_as("Q8_0"))

The keyword arguments are the fields of `Sizes` and these: `types`, as in `write_gguf`; `chat_template`, a Jinja
template or None; `tokenizer`, False for a file without a tokenizer; `metadata`, keys to add or replace, or with the
value None to leave out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gesso.files.checkpoint import ARCHITECTURE
from gesso.files.gguf_writer import write_gguf
from gesso.files.hf.config import SLIDING
from gesso.files.hf.folder import UNROTATED
from gesso.files.hf.tokenizer import TOKEN_BYTE, TOKEN_CONTROL, TOKEN_NORMAL
from gesso.files.tensor import Tensor

PAD, EOS, BOS, UNK = 0, 1, 2, 3
CONTROLS = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "<|turn>", "<turn|>", "<|image|>"]
MERGED = ["th", "the", "he", "in", "\n\n", "▁a", "▁the"]
MERGES = ["t h", "th e", "h e", "i n", "\n \n", "▁ a", "▁ the"]
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|turn>{{ m['role'] }}\n{{ m['content'] }}<turn|>\n{% endfor %}"
    "{% for t in tools or [] %}{{ t['function']['name'] }}\n{% endfor %}"
    "{% if enable_thinking %}think\n{% endif %}{% if add_generation_prompt %}<|turn>model\n{% endif %}"
)


def _tokens() -> list[tuple[str, int]]:
    """Returns all tokens with their types: control tokens, single characters, a few merged ones and the 256 bytes."""
    characters = [chr(code) for code in range(ord("!"), ord("~") + 1)] + ["\n", "▁", "é", "中"]
    tokens = [(token, TOKEN_CONTROL) for token in CONTROLS] + [(token, TOKEN_NORMAL) for token in characters + MERGED]
    return tokens + [(f"<0x{byte:02X}>", TOKEN_BYTE) for byte in range(256)]


VOCABULARY = [token for token, _ in _tokens()]


@dataclass(frozen=True)
class Sizes:
    """The model's sizes, with the names of the Hugging Face text config.

    The length of every row is a multiple of 32, for the formats with blocks of 32.
    """

    vocab_size: int = len(VOCABULARY)  # a smaller one is allowed only with tokenizer=False
    hidden_size: int = 32
    intermediate_size: int = 64
    moe_intermediate_size: int = 32
    layer_types: tuple[str, ...] = (SLIDING, SLIDING, "full_attention")
    num_attention_heads: int = 4
    num_key_value_heads: int = 2
    num_global_key_value_heads: int = 1
    head_dim: int = 16
    global_head_dim: int = 32
    num_experts: int = 4
    top_k_experts: int = 2
    sliding_window: int = 8
    max_position_embeddings: int = 512
    canvas_length: int = 8
    max_denoising_steps: int = 6

    def layer(self, index: int) -> tuple[bool, int, int]:
        """Returns whether a layer is a sliding one, its number of key-value heads and its head dim."""
        if self.layer_types[index] == SLIDING:
            return True, self.num_key_value_heads, self.head_dim
        return False, self.num_global_key_value_heads, self.global_head_dim


def model_metadata(sizes: Sizes) -> dict[str, Any]:
    """Returns the keys that describe the model."""
    layers = [sizes.layer(i) for i in range(len(sizes.layer_types))]
    keys = {
        "vocab_size": sizes.vocab_size,
        "block_count": len(layers),
        "context_length": sizes.max_position_embeddings,
        "embedding_length": sizes.hidden_size,
        "feed_forward_length": sizes.intermediate_size,
        "expert_feed_forward_length": sizes.moe_intermediate_size,
        "attention.head_count": sizes.num_attention_heads,
        "attention.head_count_kv": [kv_heads for _, kv_heads, _ in layers],
        "attention.sliding_window_pattern": [is_sliding for is_sliding, _, _ in layers],
        "attention.sliding_window": sizes.sliding_window,
        "attention.key_length": sizes.global_head_dim,
        "attention.key_length_swa": sizes.head_dim,
        "attention.layer_norm_rms_epsilon": 1e-6,
        "rope.freq_base": 1e6,
        "rope.freq_base_swa": 1e4,
        "expert_count": sizes.num_experts,
        "expert_used_count": sizes.top_k_experts,
        "final_logit_softcapping": 30.0,
    }
    metadata: dict[str, Any] = {"general.architecture": ARCHITECTURE, "general.name": "Tiny"}
    metadata |= {f"{ARCHITECTURE}.{key}": value for key, value in keys.items()}
    return metadata | {
        "diffusion.canvas_length": sizes.canvas_length,
        "diffusion.eb_max_steps": sizes.max_denoising_steps,
        "gesso.end_token_ids": [EOS],
    }


def tokenizer_metadata(chat_template: str | None) -> dict[str, Any]:
    """Returns the keys that describe the tokenizer."""
    metadata = {
        "tokenizer.ggml.model": "gemma4",
        "tokenizer.ggml.tokens": VOCABULARY,
        "tokenizer.ggml.token_type": [kind for _, kind in _tokens()],
        "tokenizer.ggml.merges": MERGES,
        "tokenizer.ggml.bos_token_id": BOS,
        "tokenizer.ggml.eos_token_id": EOS,
        "tokenizer.ggml.unknown_token_id": UNK,
        "tokenizer.ggml.padding_token_id": PAD,
        "tokenizer.ggml.add_bos_token": True,
    }
    return metadata | ({"tokenizer.chat_template": chat_template} if chat_template is not None else {})


def tensor_shapes(sizes: Sizes) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yields the names and shapes of all tensors except rope_freqs. Shapes have the outermost dimension first."""
    hidden, ffn, experts, moe = (
        sizes.hidden_size,
        sizes.intermediate_size,
        sizes.num_experts,
        sizes.moe_intermediate_size,
    )
    yield "token_embd.weight", (sizes.vocab_size, hidden)
    yield "output_norm.weight", (hidden,)
    yield "self_cond_pre_norm.weight", (hidden,)
    yield "self_cond_gate.weight", (ffn, hidden)
    yield "self_cond_up.weight", (ffn, hidden)
    yield "self_cond_down.weight", (hidden, ffn)
    for index in range(len(sizes.layer_types)):
        is_sliding, kv_heads, head_dim = sizes.layer(index)
        queries, keys = sizes.num_attention_heads * head_dim, kv_heads * head_dim
        shapes: dict[str, tuple[int, ...]] = {
            "attn_q.weight": (queries, hidden),
            "attn_k.weight": (keys, hidden),
            "attn_output.weight": (hidden, queries),
            "attn_q_norm.weight": (head_dim,),
            "attn_k_norm.weight": (head_dim,),
            "ffn_gate.weight": (ffn, hidden),
            "ffn_up.weight": (ffn, hidden),
            "ffn_down.weight": (hidden, ffn),
            "ffn_gate_inp.weight": (experts, hidden),
            "ffn_gate_inp.scale": (hidden,),
            "ffn_gate_up_exps.weight": (experts, 2 * moe, hidden),
            "ffn_down_exps.weight": (experts, hidden, moe),
            "ffn_down_exps.scale": (experts,),
            "layer_output_scale.weight": (1,),
            "enc_layer_output_scale.weight": (1,),
        }
        norms = ("attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm_1", "pre_ffw_norm_2")
        shapes |= {f"{norm}.weight": (hidden,) for norm in (*norms, "post_ffw_norm_2", "post_ffw_norm")}
        if is_sliding:
            shapes["attn_v.weight"] = (keys, hidden)
        for name, shape in shapes.items():
            yield f"blk.{index}.{name}", shape


def random_tensors(sizes: Sizes, seed: int) -> Iterator[Tensor]:
    """Yields random tensors. The outputs of a matrix are about as large as its inputs; vectors are near one."""
    rng = np.random.default_rng(seed)
    for name, shape in tensor_shapes(sizes):
        data = rng.standard_normal(shape, dtype=np.float32)
        data = 1 + data / 10 if len(shape) == 1 else data / np.float32(np.sqrt(shape[-1]))
        yield Tensor(name, "F32", shape, np.ascontiguousarray(data, np.float32))
    pairs = sizes.global_head_dim // 2
    divisors = np.where(np.arange(pairs) < pairs // 4, 1.0, UNROTATED).astype(np.float32)
    yield Tensor("rope_freqs.weight", "F32", divisors.shape, divisors)


def tiny_model(
    path: str | Path,
    seed: int = 0,
    *,
    types: Callable[[str, tuple[int, ...]], str] | None = None,
    chat_template: str | None = CHAT_TEMPLATE,
    tokenizer: bool = True,
    metadata: dict[str, Any] | None = None,
    **sizes: Any,
) -> Path:
    """Writes the model and returns the path."""
    all_sizes = Sizes(**sizes)
    keys = model_metadata(all_sizes) | (tokenizer_metadata(chat_template) if tokenizer else {}) | (metadata or {})
    keys = {key: value for key, value in keys.items() if value is not None}
    write_gguf(path, keys, random_tensors(all_sizes, seed), types)
    return Path(path)
