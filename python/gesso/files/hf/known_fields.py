"""What gesso does with every field of a folder's JSON files, so that none is passed over that would change the results.

    check_fields(config.object("text_config"), TEXT)

A field is read, has no influence, or is accepted with the values that mean what gesso computes anyway. Any other value
raises FormatError, and so does a field that no list has: nobody can tell whether it changes the results. A field whose
value is null counts as absent. The fields are those of the classes of transformers 5.24 (PreTrainedConfig,
DiffusionGemmaConfig and its text config, Gemma4Config and its text config, DiffusionGemmaGenerationConfig,
GenerationConfig) and of the package tokenizers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gesso.files.hf.config import Fields


@dataclass(frozen=True)
class Group:
    """Fields with the same treatment."""

    why: str  # why they have no influence, or what another value would change; "" for fields that are read
    names: str  # separated by spaces; a name may be a regular expression
    allowed: tuple[object, ...] | None = None  # the values that are accepted; None accepts all

    def has(self, name: str) -> bool:
        return any(re.fullmatch(pattern, name) for pattern in self.names.split())


# Fields that every configuration class has, and older ones that still stand in files.
GENERAL = (
    Group(
        "information, or how the reference is to run",
        "transformers_version architectures return_dict output_hidden_states output_attentions use_cache"
        " chunk_size_feed_forward is_encoder_decoder is_decoder _?name_or_path _commit_hash torchscript use_bfloat16"
        " tf_legacy_loss tokenizer_class processor_class prefix finetuning_task gradient_checkpointing"
        " _?attn_implementation.* _?experts_implementation.* _?unsloth_.* model_name base_model_name_or_path license"
        " name language tags model_max_length tokenizer_padding_side trust_remote_code",
    ),
    Group("weights have the types in which they are stored", "dtype torch_dtype"),
    Group(
        "only training reads it",
        "initializer_range attention_dropout use_return_dict output_router_logits router_aux_loss_coef pretraining_tp",
    ),
    Group("only classifiers read it", "id2label label2id num_labels problem_type"),
    Group("the model has no such part", "add_cross_attention tie_encoder_decoder", (False,)),
    Group("the model has no such part", "cross_attention_hidden_size task_specific_params", ()),
    Group("all heads are computed", "pruned_heads", ({},)),
    Group("it names code of its own for the model", "auto_map", ()),
)
# The reference reads these settings of samplers that draw token by token from no config.json.
LEGACY_SAMPLER = Group(
    "generation_config.json has the sampler's settings",
    "max_length min_length do_sample early_stopping num_beams temperature top_k top_p typical_p repetition_penalty"
    " length_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size bad_words_ids num_return_sequences output_scores"
    " return_dict_in_generate forced_bos_token_id forced_eos_token_id remove_invalid_values suppress_tokens"
    " exponential_decay_length_penalty begin_suppress_tokens epsilon_cutoff eta_cutoff encoder_repetition_penalty"
    " num_beam_groups diversity_penalty decoder_start_token_id sep_token_id",
)
ROOT = (
    Group("", "model_type text_config canvas_length eos_token_id image_token_id"),
    Group("", "quantization_config quantization compression_config"),
    Group("the encoder and the head use the decoder's weights", "tie_word_embeddings", (True,)),
    Group(
        "the vision and audio parts are not read; prompts with images are refused",
        "vision_config audio_config bo[ia]_token_(id|index) eo[ia]_token_(id|index) audio_token_id video_token_id"
        " vision_soft_tokens_per_image audio_soft_tokens_per_audio",
    ),
    Group("those of text_config count", "bos_token_id pad_token_id"),
    *GENERAL,
    LEGACY_SAMPLER,
)
TEXT = (
    Group(
        "",
        "vocab_size hidden_size intermediate_size num_hidden_layers num_attention_heads num_key_value_heads head_dim"
        " global_head_dim num_global_key_value_heads per_layer_config max_position_embeddings rms_norm_eps"
        " sliding_window layer_types final_logit_softcapping num_experts top_k_experts moe_intermediate_size"
        " rope_parameters pad_token_id bos_token_id eos_token_id",
    ),
    Group("", "model_type", ("diffusion_gemma_text",)),
    Group("it is the activation of all MLPs", "hidden_activation", ("gelu_pytorch_tanh",)),
    Group("projections have no biases", "attention_bias", (False,)),
    Group("the encoder and the head use the decoder's weights", "tie_word_embeddings", (True,)),
    Group("full layers have no values of their own", "attention_k_eq_v", (True,)),
    Group("every layer has experts", "enable_moe_block", (True,)),
    Group("each layer has keys and values of its own", "num_kv_shared_layers", (0,)),
    Group("there is no embedding per layer", "hidden_size_per_layer_input", (0,)),
    Group("only an embedding per layer would read it", "vocab_size_per_layer_input"),
    Group("MLPs have one width", "use_double_wide_mlp", (False,)),
    Group("texts are encoded causally", "use_bidirectional_attention", ("vision",)),
    Group("how per_layer_config is written", "serialize_explicit_per_layer_config"),
    *GENERAL,
    LEGACY_SAMPLER,
)
ROPE_PARAMETERS = (Group("", "sliding_attention full_attention"),)
ROPE = (
    Group("", "rope_theta rope_type partial_rotary_factor"),
    Group("rotation is not scaled", "factor", (1,)),
    Group("only a scaled rotation reads it", "original_max_position_embeddings"),
)
GENERATION = (
    Group("", "max_denoising_steps t_min t_max stability_threshold confidence_threshold sampler_config eos_token_id"),
    Group("the caller chooses the length", "max_new_tokens max_length max_time"),
    Group("those of config.json and of the tokenizer count", "bos_token_id pad_token_id"),
    Group(
        "information, or how the reference is to run",
        "return_dict_in_generate cache_implementation cache_config disable_compile compile_config transformers_version"
        " _commit_hash _from_model_config use_cache output_.* low_memory prefill_chunk_size max_cache_len"
        " continuous_batching_config",
    ),
    Group(
        "only drafts of another model read it",
        "num_assistant.* assistant_.* target_lookbehind is_assistant"
        " prompt_lookup_num_tokens max_matching_ngram_size speculation_type",
    ),
    Group("information", "trust_remote_code seed"),
    Group(
        "settings of samplers that draw token by token; the reference's sampler for this model does not read them",
        "do_sample temperature top_k top_p min_p top_h typical_p epsilon_cutoff eta_cutoff repetition_penalty"
        " encoder_repetition_penalty length_penalty guidance_scale num_beams num_beam_groups num_return_sequences"
        " penalty_alpha diversity_penalty no_repeat_ngram_size encoder_no_repeat_ngram_size min_length min_new_tokens"
        " early_stopping remove_invalid_values renormalize_logits token_healing use_mtp suppress_tokens"
        " begin_suppress_tokens bad_words_ids force_words_ids stop_strings constraints sequence_bias"
        " decoder_start_token_id forced_bos_token_id forced_eos_token_id dola_layers watermarking_config"
        " exponential_decay_length_penalty",
    ),
)
SAMPLER = (Group("", "entropy_bound"), Group("", "_cls_name", ("EntropyBoundSamplerConfig",)))

# tokenizer.json. Its parts are checked where they are read, in `tokenizer.py`.
TOKENIZER = (
    Group("", "model added_tokens normalizer pre_tokenizer post_processor decoder"),
    Group("information", "version"),
    Group("each call says whether it cuts or pads", "truncation padding"),
)
TOKENIZER_MODEL = (
    Group("", "vocab merges unk_token"),
    Group("", "type", ("BPE",)),
    Group("", "byte_fallback", (True,)),
    Group("", "ignore_merges", (False,)),
    Group("", "dropout", (0,)),
    Group("", "continuing_subword_prefix end_of_word_suffix", ("",)),
    Group("byte tokens leave no character unknown", "fuse_unk"),
)
ADDED_TOKEN = (
    Group("", "id content special"),
    Group("a token is found anywhere, and text beside it is kept", "single_word lstrip rstrip", (False,)),
    Group("", "normalized"),
)
# Only these fields of tokenizer_config.json have influence on ids or texts; the others describe tokens to programs.
TOKENIZER_CONFIG = (
    Group("", "add_bos_token"),
    Group("texts are encoded as they are, and decoded as they were encoded",
          "add_eos_token add_prefix_space do_lower_case split_special_tokens fix_mistral_regex"
          " clean_up_tokenization_spaces", (False,)),
    Group("it describes tokens to programs", ".*"),
)  # fmt: skip


def check_fields(fields: Fields, groups: Sequence[Group]) -> None:
    """Raises FormatError for the first field that would change the results and that gesso does not honour."""
    for name, value in fields.values.items():
        if value is None:
            continue
        group = next((group for group in groups if group.has(name)), None)
        if group is None:
            raise fields.error(name, "no such field, because it may change the results (remove it if it does not)")
        if group.allowed is not None and not any(_same(value, only) for only in group.allowed):
            values = " or ".join(map(repr, group.allowed)) or "nothing"
            raise fields.error(
                name, f"{values}, {f'because {group.why}' if group.why else 'gesso supports nothing else'}"
            )


def _same(value: object, only: object) -> bool:
    """Whether two values are equal. True is not 1, but 1.0 is 1."""
    return value == only and isinstance(value, bool) == isinstance(only, bool)
