"""Reads Hugging Face checkpoint folders and gives them the keys and tensors that a GGUF file of them would have."""
