"""Splits a GGUF file with the package `gguf`, which gesso does not use for reading."""

from pathlib import Path

import gguf


def split(path: Path, target: Path, max_tensors: int = 20) -> list[Path]:
    """Writes the file again in parts of at most `max_tensors` tensors, beside `target`, whose name they begin with.

    Returns their paths: "model-00001-of-00003.gguf" and so on for the target "model.gguf".
    """
    reader = gguf.GGUFReader(path)
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents(), split_max_tensors=max_tensors)
    for key, field in reader.fields.items():
        if not key.startswith("GGUF.") and key != "general.architecture":
            writer.add_key_value(key, field.contents(), *field.types[:2])
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return sorted(target.parent.glob(f"{target.stem}-*.gguf"))
