"""The launches of a denoising step, in their order: what csrc/model and csrc/cuda start, op by op.

Whoever fuses two kernels, or adds one, changes the list here. tests/cuda/test_full_size.py compares its length
with the launches that the library makes.
"""

from __future__ import annotations

from dataclasses import replace

from gpu.step_model.assumptions import CARDS
from gpu.step_model.attention import Attention
from gpu.step_model.head import BAND_ROWS, CHUNK_TOKENS, SOFT_COLUMNS, SoftEmbedding, Statistics
from gpu.step_model.kernels import KERNELS
from gpu.step_model.launch import Launch, RowKernel
from gpu.step_model.plans import ProductPlan, attention_plan, product_plan, soft_plan
from gpu.step_model.products import ExpertProduct, Product, pack
from gpu.step_model.router import Router
from gpu.step_model.shape import Matrix, Shape, routing, shape

FLOAT = 4


class Step:
    """Collects the launches of a step of `canvases` canvases, behind `cached` tokens each."""

    def __init__(self, card: str, preset: str, canvases: int, cached: int) -> None:
        self.card, self.canvases, self.cached = card, canvases, cached
        self.shape: Shape = shape(preset)
        self.rows = canvases * self.shape.canvas
        self.activations = "int8" if CARDS[card]["int8"] else "bf16"
        self.launches: list[Launch] = []

    def add_rows(self, group: str, op: str, num_bytes: int, norm_weights: int = 0) -> None:
        """The bytes are what a kernel reads for the first time and what it writes. Of what a block reads again, or has
        written itself, it finds a copy in its L1 cache. norm_weights: rows of weights, of which each multiprocessor
        reads a copy."""
        copies = min(self.rows, CARDS[self.card]["sms"])
        self.launches.append(RowKernel(group, op, num_bytes + norm_weights * copies * self.shape.hidden * FLOAT))

    def add_norm(self, reader: Matrix) -> None:
        """It rounds its rows for the product that reads them."""
        self.add_rows("norms", "rms_norm", self.matrix_bytes + self.rounded_bytes(reader), norm_weights=1)

    @property
    def matrix_bytes(self) -> int:
        """Of a row of the residual stream for each row of the pass."""
        return self.rows * self.shape.hidden * FLOAT

    def rounded_bytes(self, reader: Matrix) -> int:
        """Of rows that are rounded for a product. Rows of 4-bit floats stay float32, and a launch of its own packs
        them."""
        plan = self.plan(reader)
        if plan.num_terms:
            return self.rows * reader.columns * FLOAT
        return self.rows * KERNELS[plan.kernel].row_bytes(reader.columns)

    def add_linear(self, group: str, op: str, matrix: Matrix) -> None:
        plan = self.plan(matrix)
        if plan.needs_whole_rows:
            self.launches.append(pack(op, self.rows, matrix.columns, plan.kernel))
        self.launches.append(Product(group, op, matrix, plan, self.rows))

    def add_linears(self, group: str, op: str, matrices: list[Matrix]) -> None:
        """Those of one type are one product. All of them share their rows."""
        if packed := [plan for matrix in matrices if (plan := self.plan(matrix)).needs_whole_rows]:
            self.launches.append(pack(op, self.rows, matrices[0].columns, packed[0].kernel))
        for dtype in dict.fromkeys(matrix.dtype for matrix in matrices):
            outputs = sum(matrix.outputs for matrix in matrices if matrix.dtype == dtype)
            matrix = Matrix(dtype, outputs, matrices[0].columns)
            self.launches.append(Product(group, op, matrix, self.plan(matrix), self.rows))

    def plan(self, matrix: Matrix) -> ProductPlan:
        rows = self.rows * (self.shape.experts_per_row if matrix.num_experts else 1)
        arguments = (matrix.dtype, matrix.outputs, matrix.columns, rows, self.activations, matrix.is_gated)
        return product_plan(self.card, *arguments, num_experts=matrix.num_experts)

    def add_experts(self, group: str, op: str, matrix: Matrix, num_x_rows: int, are_normed: bool) -> None:
        """A norm finds the largest value of a row itself. But it does not make sums of 4-bit floats."""
        slots, plan = self.rows * self.shape.experts_per_row, self.plan(matrix)
        rows = routing(self.rows, matrix.num_experts, self.shape.experts_per_row, plan.tile_rows)
        if plan.needs_whole_rows and (plan.num_terms or not are_normed):
            self.launches.append(pack(op, num_x_rows, matrix.columns, plan.kernel))
        self.launches.append(ExpertProduct(group, op, matrix, plan, slots, routing=rows))

    def add_attention(self, layer: int) -> None:
        name, kind = f"blk.{layer}", "sliding" if self.shape.is_sliding[layer] else "full"
        parts = [f"{name}.{part}" for part in ("attn_q", "attn_k", "attn_v")]
        matrices = [self.shape.matrix(part) for part in parts if self.shape.has(part)]
        columns = sum(matrix.outputs for matrix in matrices)
        self.add_linears("attention projections", "linears attn_q, attn_k, attn_v", matrices)
        heads = self.shape.heads(layer)
        written = heads.num_heads * heads.dim * FLOAT + heads.num_key_value_heads * heads.read_bytes
        self.add_rows("qk_norm_rope", f"qk_norm_rope {kind}", self.rows * (columns * FLOAT + written))
        plan = attention_plan(
            self.card,
            heads.dim,
            heads.num_heads,
            heads.num_key_value_heads,
            heads.own_key_bytes > 0,
            self.rows,
            self.canvases,
        )
        op = f"attention {kind}"
        self.launches.append(Attention("attention", op, heads, plan, self.canvases, self.shape.canvas, self.cached))
        self.add_linear("attention projections", "linear attn_output", self.shape.matrix(f"{name}.attn_output"))

    def add_experts_of(self, layer: int) -> None:
        name, slots = f"blk.{layer}", self.rows * self.shape.experts_per_row
        self.launches.append(Router("router", "router", self.shape.matrix(f"{name}.ffn_gate_inp"), self.rows))
        self.launches.append(RowKernel("route", "router", num_parts=2))  # the last block sorts what all have chosen
        gate_up, down = self.shape.matrix(f"{name}.ffn_gate_up_exps"), self.shape.matrix(f"{name}.ffn_down_exps")
        self.add_experts("experts gate|up", "expert_gated_linear ffn_gate_up_exps", gate_up, self.rows, are_normed=True)
        self.add_experts("experts down", "expert_linear ffn_down_exps", down, slots, are_normed=False)
        # It reads the rows of experts, MLP and residual stream. It writes the experts' sum, the sum of experts and MLP,
        # and the stream. Then it makes the next layer's rows, or the head's, which are not rounded.
        known = slots * self.shape.hidden * FLOAT + 5 * self.matrix_bytes
        is_last = layer + 1 == self.shape.num_layers
        made = self.matrix_bytes if is_last else self.rounded_bytes(self.shape.matrix(f"blk.{layer + 1}.attn_q"))
        self.add_rows("feed_forward_add", "feed_forward_add", known + made, norm_weights=4)

    def add_layer(self, layer: int) -> None:
        name = f"blk.{layer}"
        self.add_attention(layer)
        gate, down = self.shape.matrix(f"{name}.ffn_gate", True), self.shape.matrix(f"{name}.ffn_down")
        # It reads attention's rows and the residual stream, writes the stream, and makes the rows of router, MLP and
        # experts.
        made = self.rounded_bytes(gate) + self.rounded_bytes(self.shape.matrix(f"{name}.ffn_gate_up_exps"))
        self.add_rows("norms", "rms_norm_add", 4 * self.matrix_bytes + made, norm_weights=4)
        self.add_linear("dense MLP", "gated_linear ffn_gate, ffn_up", gate)
        self.add_linear("dense MLP", "linear ffn_down", down)
        self.add_experts_of(layer)

    def add_embedding(self) -> None:
        table = replace(self.shape.matrix("token_embd"), outputs=self.rows)
        self.add_rows("embed, add", "embed", table.num_bytes + self.matrix_bytes)
        gate, down = self.shape.matrix("self_cond_gate", True), self.shape.matrix("self_cond_down")
        self.add_norm(gate)
        self.add_linear("dense MLP", "gated_linear self_cond_gate, self_cond_up", gate)
        self.add_linear("dense MLP", "linear self_cond_down", down)
        self.add_rows("embed, add", "add", 3 * self.matrix_bytes)
        self.add_rows("norms", "rms_norm", 2 * self.matrix_bytes)

    def add_head(self) -> None:
        """The rows of a band walk over the vocabulary in chunks."""
        table = self.shape.matrix("token_embd")
        soft = soft_plan(self.card, table.dtype, table.columns, CHUNK_TOKENS)
        for first in range(0, self.rows, BAND_ROWS):
            rows = min(BAND_ROWS, self.rows - first)
            chunk = Matrix(table.dtype, CHUNK_TOKENS, table.columns)
            plan = product_plan(self.card, chunk.dtype, chunk.outputs, chunk.columns, rows, self.activations)
            self.launches.append(pack("head_stats", rows, table.columns, plan.kernel))
            for _ in range(0, table.outputs, CHUNK_TOKENS):
                self.launches += [
                    Product("head product", "head_stats", chunk, plan, rows),
                    Statistics("head statistics", "head_stats", rows),
                    SoftEmbedding("soft embedding", "head_stats", chunk, rows, soft),
                ]
            pieces = soft.all_pieces * SOFT_COLUMNS
            self.add_rows("embed, add", "head_stats", rows * (pieces + table.columns) * FLOAT)


def starts_early(card: str) -> bool:
    """Whether a kernel may start while the one before it still runs (csrc/cuda/device/early_start.h)."""
    return int(CARDS[card]["arch"].removeprefix("sm_")) >= 90


def launches(card: str, preset: str, canvases: int = 1, cached: int = 1024) -> list[Launch]:
    step = Step(card, preset, canvases, cached)
    step.add_embedding()
    step.add_norm(step.shape.matrix("blk.0.attn_q"))
    for layer in range(step.shape.num_layers):
        step.add_layer(layer)
    step.add_head()
    return [replace(launch, starts_early=starts_early(card)) for launch in step.launches]
