"""Goes on with a run of TinyLm from a checkpoint in InternLM's layout, with PyTorch alone.

It loads every file with torch.load, rebuilds the model from its weights and the optimizer as InternEvo's HybridZeroOptimizer does
(AdamW over flattened groups, in the order that the plan says), and prints the losses of the next batches as JSON.
Nothing here comes from Cairn: what it knows of the model is what a paper about it would say.

Usage: internlm_next_losses.py FOLDER BATCHES.json
"""
import json
import math
import os
import sys

import numpy
import torch

folder, batches_file = sys.argv[1], sys.argv[2]
job = json.load(open(batches_file, encoding="utf-8"))

files = {}
for name in sorted(os.listdir(folder)):
    if name == "cairn.json":
        continue
    files[name] = torch.load(os.path.join(folder, name), map_location="cpu")
step = job["step"]
assert files[f"{step}.step"] == {"step": step}
assert files["context.pt"]["step_count"] == step
assert files["topo_tp0_pp0.json"] == {}
saved = files["optimizer_tp0_pp0_zo0.pt"]
assert saved["zero_devide_optim_plan"] == files["gpus-1_wp-0_tp-0_dp-0_pp-0_zo-0.pt"]

# The names that InternEvo's loader asks for, and the shapes of what its load_state_dict copies.
weights = files["model_tp0_pp0.pt"]
base = saved["base_optim_states"]
groups = base["param_groups"]
assert [group["name"] for group in groups] == ["default", "fp32"]
assert groups[0]["params"] == [] and groups[1]["params"] == [0]
assert groups[1]["dtype"] is torch.float32
assert list(saved["flat_fp32_weights"]) == [1]
assert set(saved["grad_scaler"]) == {"_scale", "_growth_step", "_hysteresis_step"}

parameters = {name: tensor.clone().requires_grad_(True) for name, tensor in weights.items()}
order = sorted(parameters.values(), key=lambda parameter: parameter.numel(), reverse=True)
assert saved["zero_devide_optim_plan"] == [[[]], [["_".join(str(n) for n in [i, *p.shape]) for i, p in enumerate(order)]]]
flat = torch.cat([parameter.detach().reshape(-1) for parameter in order])
assert torch.equal(flat, saved["flat_fp32_weights"][1].detach())
flat.requires_grad_(True)
optimizer = torch.optim.AdamW([{"params": [], "name": "default"}, {"params": [flat], "name": "fp32"}], lr=1.0)
optimizer.load_state_dict(base)


def rotate(heads, cosines, sines):
    half = heads.shape[-1] // 2
    turned = torch.cat([-heads[..., half:], heads[..., :half]], -1)
    return heads * cosines + turned * sines


def norm(x, weight):
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + 1e-5) * weight


def forward(tokens):
    heads, kv_heads = job["heads"], job["key_value_heads"]
    x = parameters["tok_embeddings.weight"][tokens]
    batch, length, width = x.shape
    size, shared = width // heads, heads // kv_heads
    frequencies = 10_000.0 ** (torch.arange(0, size, 2, dtype=torch.float32) / -size)
    angles = torch.outer(torch.arange(length, dtype=torch.float32), frequencies)
    angles = torch.cat([angles, angles], -1)
    cosines, sines = angles.cos(), angles.sin()
    mask = torch.full((length, length), -math.inf).triu(1)
    for layer in range(job["layers"]):
        def of(name):
            return parameters[f"layers.{layer}.{name}.weight"]
        rows = (norm(x, of("attention_norm")) @ of("attention.wqkv").T).view(batch, length, kv_heads, shared + 2, size)
        queries = rows[:, :, :, :shared].reshape(batch, length, heads, size).transpose(1, 2)
        keys = rows[:, :, :, shared].transpose(1, 2).repeat_interleave(shared, 1)
        values = rows[:, :, :, shared + 1].transpose(1, 2).repeat_interleave(shared, 1)
        scores = rotate(queries, cosines, sines) @ rotate(keys, cosines, sines).transpose(-1, -2) / math.sqrt(size)
        mixed = (scores + mask).softmax(-1) @ values
        x = x + mixed.transpose(1, 2).reshape(batch, length, width) @ of("attention.wo").T
        inner = norm(x, of("ffn_norm"))
        x = x + (torch.nn.functional.silu(inner @ of("feed_forward.w1").T) * (inner @ of("feed_forward.w3").T)) @ of("feed_forward.w2").T
    return norm(x, parameters["norm.weight"]) @ parameters["output.weight"].T


def rate(steps):
    peak, warm, total = groups[1]["initial_lr"], job["warm_up_steps"], job["total_steps"]
    if steps < warm:
        return peak * (steps + 1.0) / warm
    progress = min(1, (steps - warm) / max(1.0, total - warm))
    return peak * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * progress)))


assert math.isclose(groups[1]["lr"], rate(step), rel_tol=1e-12)

# InternEvo's scheduler: a warm-up of so many steps, then PyTorch's cosine. Its loader replaces the peaks by the configured ones, takes every key that the
# live scheduler has, and asks for the class of the second one.
schedule = files["schedulder.pt"]
peaks, warm = [groups[1]["initial_lr"]] * 2, job["warm_up_steps"]
assert schedule["base_lrs"] == peaks and schedule["after_scheduler_dict"]["base_lrs"] == peaks
assert schedule["after_scheduler_type"] == "CosineAnnealingLR"
assert (schedule["warmup_epochs"], schedule["finished"], schedule["last_epoch"], schedule["_step_count"]) == (warm, True, warm, warm + 1)
assert schedule["_last_lr"] == [group["lr"] for group in groups]
now = [group["lr"] for group in groups]
cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 1)
for group, lr in zip(optimizer.param_groups, now):
    group["lr"] = lr
cosine.load_state_dict(schedule["after_scheduler_dict"])
assert cosine.last_epoch == step - warm

# Its sampler compares the first three with its configuration, gives numpy the random state and goes on behind the consumed samples.
sampler = files["sampler.pt"]
assert (sampler["data_world_size"], sampler["raw_rampup_batch_size"], sampler["seed"]) == (1, "", job["seed"])
ours, expected = numpy.random.RandomState(), numpy.random.RandomState(job["seed"] + sampler["epoch"])
ours.set_state(sampler["rng_state"])
assert (ours.permutation(1000) == expected.permutation(1000)).all()
assert (sampler["epoch"], sampler["num_consumed_samples_in_epoch"]) == (job["epoch"], job["position"])
assert sampler["batch_count"] == files["context.pt"]["batch_count"] + 1 == job["batch"]

# Its loss scaler fills the scale with a number, and its counters are numbers too.
assert {key: type(value) for key, value in saved["grad_scaler"].items()} == {"_scale": float, "_growth_step": int, "_hysteresis_step": int}
scale, good = saved["grad_scaler"]["_scale"], saved["grad_scaler"]["_growth_step"]
losses = []
for batch in job["batches"]:
    tokens = torch.tensor(batch)
    question, length = job["question_length"], tokens.shape[1]
    logits = forward(tokens[:, :-1])[:, question - 1:]
    loss = torch.nn.functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), tokens[:, question:].reshape(-1))
    losses.append(loss.item())
    gradients = torch.autograd.grad(loss * scale, order)
    gradients = [(gradient.half().float()) / scale for gradient in gradients]
    assert all(gradient.isfinite().all() for gradient in gradients)
    flat.grad = torch.cat([gradient.reshape(-1) for gradient in gradients])
    assert math.isclose(optimizer.param_groups[1]["lr"], rate(step), rel_tol=1e-12)
    optimizer.step()
    cosine.step()
    step += 1
    good += 1
    if good == job["growth_interval"]:
        scale, good = scale * 2, 0
    with torch.no_grad():
        start = 0
        for parameter in order:
            parameter.copy_(flat[start:start + parameter.numel()].view_as(parameter))
            start += parameter.numel()
print(json.dumps(losses))
