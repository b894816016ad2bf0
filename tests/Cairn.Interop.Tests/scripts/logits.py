"""Prints the logits of small decoders, computed from their files by plain PyTorch, a line each.

    logits.py JOBS.json

Each job has path, architecture (internlm2 or llama), heads, key_heads, neighbours (which pairs rotary positions turn) and tokens.
A path is a file of torch.save or the folder of a model of Hugging Face in safetensors, read here by hand so that no library is needed.
The two architectures are written apart, each from its paper and with its own names, so that they agree only if the conversion is right.
"""
import json
import math
import pathlib
import struct
import sys

import torch

TYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def read_safetensors(path):
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        raw = bytearray(data[8 + length + begin : 8 + length + end])
        tensors[name] = torch.frombuffer(raw, dtype=TYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors


def read(path):
    path = pathlib.Path(path)
    if path.is_file():
        saved = torch.load(path)
        return saved.get("model", saved)
    index = path / "model.safetensors.index.json"
    if not index.exists():
        return read_safetensors(path / "model.safetensors")
    weights = {}
    for shard in sorted(set(json.loads(index.read_text())["weight_map"].values())):
        weights.update(read_safetensors(path / shard))
    return weights


def normed(x, weight):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * weight


def rotated(x, neighbours):
    """x: [length, heads, size]. Position p turns each pair by p · 10000^(-2i/size)."""
    length, _, size = x.shape
    angles = torch.arange(length, dtype=torch.float32)[:, None] * 10000.0 ** (-torch.arange(0, size, 2, dtype=torch.float32) / size)
    cos, sin = angles.cos()[:, None, :], angles.sin()[:, None, :]
    if neighbours:
        a, b = x[..., 0::2], x[..., 1::2]
        return torch.stack((a * cos - b * sin, b * cos + a * sin), -1).flatten(-2)
    a, b = x[..., : size // 2], x[..., size // 2 :]
    return torch.cat((a * cos - b * sin, b * cos + a * sin), -1)


def attention(q, k, v):
    """Causal; q has a multiple of the heads of k and v."""
    length, heads, size = q.shape
    k, v = (t.repeat_interleave(heads // k.shape[1], 1) for t in (k, v))
    scores = torch.einsum("qhd,khd->hqk", q, k) / math.sqrt(size)
    scores = scores.masked_fill(torch.ones(length, length).triu(1).bool(), -math.inf)
    return torch.einsum("hqk,khd->qhd", scores.softmax(-1), v).flatten(1)


def internlm2(w, tokens, heads, key_heads, neighbours):
    x = w["tok_embeddings.weight"][tokens]
    layer = 0
    while f"layers.{layer}.attention.wqkv.weight" in w:
        at = f"layers.{layer}."
        shared = heads // key_heads
        qkv = normed(x, w[at + "attention_norm.weight"]) @ w[at + "attention.wqkv.weight"].T
        qkv = qkv.reshape(len(tokens), key_heads, shared + 2, -1)
        q = qkv[:, :, :shared].flatten(1, 2)
        x = x + attention(rotated(q, neighbours), rotated(qkv[:, :, -2], neighbours), qkv[:, :, -1]) @ w[at + "attention.wo.weight"].T
        h = normed(x, w[at + "ffn_norm.weight"])
        gate = torch.nn.functional.silu(h @ w[at + "feed_forward.w1.weight"].T)
        x = x + (gate * (h @ w[at + "feed_forward.w3.weight"].T)) @ w[at + "feed_forward.w2.weight"].T
        layer += 1
    return normed(x, w["norm.weight"]) @ w["output.weight"].T


def llama(w, tokens, heads, key_heads, neighbours):
    assert not neighbours, "Hugging Face's Llama turns halves"
    x = w["model.embed_tokens.weight"][tokens]
    layer = 0
    while f"model.layers.{layer}.self_attn.q_proj.weight" in w:
        at = f"model.layers.{layer}."
        h = normed(x, w[at + "input_layernorm.weight"])
        q, k, v = ((h @ w[f"{at}self_attn.{p}_proj.weight"].T).reshape(len(tokens), n, -1) for p, n in (("q", heads), ("k", key_heads), ("v", key_heads)))
        x = x + attention(rotated(q, False), rotated(k, False), v) @ w[at + "self_attn.o_proj.weight"].T
        h = normed(x, w[at + "post_attention_layernorm.weight"])
        gate = torch.nn.functional.silu(h @ w[at + "mlp.gate_proj.weight"].T)
        x = x + (gate * (h @ w[at + "mlp.up_proj.weight"].T)) @ w[at + "mlp.down_proj.weight"].T
        layer += 1
    assert layer > 0, "no layers"
    return normed(x, w["model.norm.weight"]) @ w.get("lm_head.weight", w["model.embed_tokens.weight"]).T


for job in json.loads(pathlib.Path(sys.argv[1]).read_text()):
    weights = {name: tensor.float() for name, tensor in read(job["path"]).items()}
    forward = {"internlm2": internlm2, "llama": llama}[job["architecture"]]
    logits = forward(weights, job["tokens"], job["heads"], job["key_heads"], job["neighbours"])
    print(json.dumps(logits.flatten().tolist()))
