"""Recognises what people have that is no checkpoint folder of DiffusionGemma, so that an error can say what to do."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gesso import _native

PICKLE = "its weights are PyTorch files, which are programs that loading would run; save them as safetensors"
READS = "gesso reads BF16, F16, F32, NVFP4 and 8 bits with a scale per channel"
# What a folder looks like that has a file of this kind, in the order in which they are looked for.
FOLDERS = (
    ("adapter_config.json", "it looks like a LoRA adapter; merge it into its base model (PEFT: merge_and_unload), and"
     " give the folder of the merged model"),
    ("models--*", "it looks like a hub cache with several models; give one of its folders, models--ORGANISATION--NAME"),
    ("*.incomplete", "it looks like an unfinished download; start the download again, and it goes on"),
    ("*.aria2", "it looks like an unfinished download; start the download again, and it goes on"),
    ("consolidated*.pth", f"it looks like a model in Meta's layout; {PICKLE} in the layout of transformers"),
    ("pytorch_model*.bin", PICKLE),
    ("*.pth", PICKLE),
    ("*.pt", PICKLE),
    ("*.ckpt", PICKLE),
    ("*.onnx", "it looks like an ONNX model; give the folder that it was made from"),
    ("onnx/*.onnx", "it looks like an ONNX model; give the folder that it was made from"),
    ("*.mlpackage", "it looks like a model for Core ML; give the folder that it was made from"),
    ("tf_model.h5", "it looks like a TensorFlow model; give the folder with safetensors"),
    ("saved_model.pb", "it looks like a TensorFlow model; give the folder with safetensors"),
    ("flax_model*.msgpack", "it looks like a Flax model; give the folder with safetensors"),
    ("model_index.json", "it looks like a folder of diffusers, which is another kind of model"),
    ("diffusion_pytorch_model*.safetensors", "it looks like a diffusers model, which is another kind of model"),
    ("*.zip", "it holds an archive; unpack it"),
    ("*.tar*", "it holds an archive; unpack it"),
    ("*.safetensors", "it has weights, but not under the names model.safetensors or model-00001-of-N.safetensors, or"
     " without their config.json; get the whole repository"),
    ("tokenizer.json", "it has a tokenizer, but no weights; get the whole repository"),
    ("config.json", "it has a configuration, but no weights; get the whole repository"),
)  # fmt: skip

# What other values of model_type are; the first that begins a value counts.
MODELS = (
    ("gemma", "a Gemma model that writes token by token; gesso runs DiffusionGemma only"),
    ("diffusion_gemma_text", "the text part of a DiffusionGemma; give the folder of the whole model"),
    ("", "another model; gesso runs DiffusionGemma only"),
)
# What the values of quant_method mean.
METHODS = {
    "awq": "AWQ, 4-bit integers",
    "gptq": "GPTQ, 2 to 8-bit integers",
    "bitsandbytes": "bitsandbytes, 4 or 8 bits",
    "fp8": "FP8 with a scale per block",
    "fbgemm_fp8": "FP8 of FBGEMM",
    "mxfp4": "MXFP4",
    "torchao": "torchao",
    "hqq": "HQQ",
    "aqlm": "AQLM, codebooks",
    "vptq": "VPTQ, codebooks",
    "quip": "QuIP#, codebooks",
    "higgs": "HIGGS",
    "spqr": "SpQR",
    "quanto": "quanto",
    "eetq": "EETQ, 8-bit integers",
    "bitnet": "BitNet",
    "quark": "Quark",
    "auto-round": "AutoRound",
    "intel/auto-round": "AutoRound",
    "exl2": "EXL2",
    "exl3": "EXL3",
    "mlx": "MLX",
}


def looks_like(directory: Path) -> str:
    """Says what a folder is that is no checkpoint folder, as the end of an error message: "; it looks like ..."."""
    try:
        entries = sorted(directory.iterdir())
    except OSError:
        return ""
    if not entries:
        return "; the folder is empty"
    for pattern, what in FOLDERS:
        if next(directory.glob(pattern), None) is not None:
            return f"; {what}"
    inner = [entry.name for entry in entries if entry.is_dir() and _holds_a_model(entry)]
    if inner:
        return (
            f"; its folder {inner[0]} looks like a model, so give that" if len(inner) == 1 else f"; give one of {inner}"
        )
    return "; the folder holds no model"


def _holds_a_model(directory: Path) -> bool:
    return (directory / "config.json").is_file() or next(directory.glob("*.gguf"), None) is not None


def kind_of_file(file: Path) -> str:
    """Says what a file is that should be JSON or safetensors, as the end of an error message; "" for what it is not."""
    with open(file, "rb") as opened:
        kind = _native.file_kind(opened.read(512))
    return f"; it is {kind}" if kind and not kind.startswith("a safetensors file") else ""


def kind_of_model(model_type: object) -> str:
    """Says what a model of this type is."""
    return next(what for begin, what in MODELS if str(model_type).startswith(begin))


def kind_of_compression(quantized: Mapping[str, object]) -> str:
    """Says how weights are compressed that gesso does not read, and what to do."""
    if quantized.get("quant_method") is None:
        return f"this does not say how the weights are compressed; if they are not, remove it; {READS}"
    method = str(quantized["quant_method"])
    name = METHODS.get(method.lower(), method)
    form = quantized.get("format") or quantized.get("quant_algo")
    if method in ("compressed-tensors", "modelopt"):
        name = f"{method}, {form}" if form else f"{method} without a format"
    return f"weights compressed by {name} are not read; {READS}, so convert the folder that they were made from"
