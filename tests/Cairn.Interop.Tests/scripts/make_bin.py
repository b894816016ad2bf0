"""Writes a model as transformers did before safetensors: pytorch_model.bin in one folder, and shards with an index in another."""
import json
import pathlib
import sys

import torch

one, shards = (pathlib.Path(p) for p in sys.argv[1:])
embeddings = torch.arange(12, dtype=torch.float32).reshape(4, 3)
weights = {"model.embed_tokens.weight": embeddings, "model.norm.weight": torch.arange(6.0)[::2].half(), "lm_head.weight": embeddings}
torch.save(weights, one / "pytorch_model.bin")
torch.save({k: weights[k] for k in ("model.embed_tokens.weight", "lm_head.weight")}, shards / "pytorch_model-00001-of-00002.bin")
torch.save({"model.norm.weight": weights["model.norm.weight"]}, shards / "pytorch_model-00002-of-00002.bin")
weight_map = {k: f"pytorch_model-0000{2 if 'norm' in k else 1}-of-00002.bin" for k in weights}
(shards / "pytorch_model.bin.index.json").write_text(json.dumps({"metadata": {"total_size": 54}, "weight_map": weight_map}, indent=2, sort_keys=True) + "\n")
