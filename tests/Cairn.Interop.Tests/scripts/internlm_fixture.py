"""Writes a checkpoint folder as InternEvo (or InternLM 0.2) would from a known whole model, for jobs of several ranks.

Independent of Cairn: it does what the ranks of InternEvo do (cut the modules, give parameters to ZeRO ranks, flatten, save with torch.save),
and writes the whole model beside it, so that a reader that puts the folder together can be compared with it to the bit.

Usage: internlm_fixture.py OUT JOB.json
  JOB: {"family": "internlm2" | "internlm" | "internlm-0.2" | "moe", "tp": 2, "pp": 2, "dp": 2, "zo": 2, "wp": 2 (ISP), "fsdp": true,
        "dtype": "bfloat16" | "float32", "fp32_norm": false, "embed_split_hidden": true, "chunks": 1, "step": 250, "plan": "both" | "apart" | "none",
        "evo": 2025 (names, groups and modules of InternEvo since 2024-07), and with it: "fuse_qkv", "fuse_mlp", "flags" (the configuration says so),
        "split_tensor", "no_tp", "ewp": 1, "moe_names" (the optimizer's files are named by expert-parallel ranks)}
OUT gets  checkpoint/ (the folder)  whole.pt ({"model", "master", "exp_avg", "exp_avg_sq", "step"})
"""
import enum
import json
import os
import sys
import types

import numpy
import torch

out, job = sys.argv[1], json.load(open(sys.argv[2], encoding="utf-8"))
family = job["family"]
tp_size, pp_size, dp_size, zo_size = (job.get(name, 1) for name in ("tp", "pp", "dp", "zo"))
isp = "wp" in job
wp_size = job.get("wp", 1)
fsdp = job.get("fsdp", False)
chunks = job.get("chunks", 1)
step = job.get("step", 250)
dtype = getattr(torch, job.get("dtype", "bfloat16"))
evo = job.get("evo", 2024) >= 2025
fuse_qkv, fuse_mlp, split_tensor, no_tp = (job.get(name, False) for name in ("fuse_qkv", "fuse_mlp", "split_tensor", "no_tp"))
folder = os.path.join(out, "checkpoint")
os.makedirs(folder, exist_ok=True)
torch.manual_seed(job.get("seed", 7))


# Classes of InternEvo that its pickles name.
def module(name, **members):
    for end in [i for i, letter in enumerate(name) if letter == "."]:
        if name[:end] not in sys.modules:
            sys.modules[name[:end]] = types.ModuleType(name[:end])
            sys.modules[name[:end]].__path__ = []
    made = types.ModuleType(name)
    for key, member in members.items():
        member.__module__ = name
        member.__qualname__ = member.__name__ = key
        setattr(made, key, member)
    sys.modules[name] = made
    return made


class ParallelMode(enum.Enum):
    DATA = "data"
    ZERO1 = "zero1"
    EXPERT_DATA = "expert_data"


class Config(dict):
    pass


module("internlm.core.context.process_group_initializer", ParallelMode=ParallelMode)
module("internlm.core.context.parallel_context", Config=Config)

# --- The whole model -------------------------------------------------------------------------------------------------
hidden, heads, kv_heads, inner, vocabulary, layers = 16, 4, 2, 24, 12, job.get("layers", 4)
experts, ep_size = (4, 2) if family == "moe" else (0, 1)
ewp_size = job.get("ewp", 1)
old = family in ("internlm", "internlm-0.2", "moe")
list_name, attention, mlp = ("blocks", "mixer", "mlp") if old else ("layers", "attention", "feed_forward")
embedding, head = ("embedding", "head") if old else ("tok_embeddings", "output")
if not job.get("embed_split_hidden", True):
    embedding += ".word_embeddings"
# In InternLM the second linear is gated and the third gives the result; in InternLM2 it is the other way round.
gated, result = ("w2", "w3") if family in ("internlm", "internlm-0.2") else ("w3", "w2")


def layer_shapes(layer):
    prefix = f"{list_name}.{layer}."
    if old:
        yield prefix + f"{attention}.Wqkv.weight", (3 * hidden, hidden)
        yield prefix + f"{attention}.Wqkv.bias", (3 * hidden,)
        yield prefix + f"{attention}.out_proj.weight", (hidden, hidden)
        yield prefix + f"{attention}.out_proj.bias", (hidden,)
        norms = ("norm1", "norm2")
    else:
        kv = kv_heads * hidden // heads
        if evo and not fuse_qkv:
            for name, rows in (("wq", hidden), ("wk", kv), ("wv", kv)):
                yield prefix + f"{attention}.{name}.weight", (rows, hidden)
        else:
            yield prefix + f"{attention}.wqkv.weight", (hidden + 2 * kv, hidden)
        yield prefix + f"{attention}.wo.weight", (hidden, hidden)
        norms = ("attention_norm", "ffn_norm")
    for norm in norms:
        yield prefix + norm + ".weight", (hidden,)
    if experts and layer % 1 == 0:
        yield prefix + f"{mlp}.moe_layer.gate.wg.weight", (experts, hidden)
        for expert in range(experts):
            yield from ffn_shapes(prefix + f"{mlp}.moe_layer.experts.wrapped_experts.{expert}.")
    else:
        yield from ffn_shapes(prefix + mlp + ".")


def ffn_shapes(prefix):
    for name in ("w1", "w3", "w2") if evo else ("w1", "w2", "w3"):
        yield prefix + name + ".weight", (hidden, inner) if name == result else (inner, hidden)


def shapes():
    yield embedding + ".weight", (vocabulary, hidden)
    for layer in range(layers):
        yield from layer_shapes(layer)
    yield "norm.weight", (hidden,)
    yield head + ".weight", (vocabulary, hidden)


def is_expert(name):
    return "wrapped_experts" in name


def is_norm(name):
    return "norm" in name


whole = {"model": {}, "master": {}, "exp_avg": {}, "exp_avg_sq": {}}
for name, shape in shapes():
    kind = torch.float32 if job.get("fp32_norm") and is_norm(name) else dtype
    master = torch.randn(shape)
    whole["model"][name] = master.to(kind)
    whole["master"][name] = master if kind != torch.float32 else whole["model"][name]
    whole["exp_avg"][name] = torch.randn(shape)
    whole["exp_avg_sq"][name] = torch.rand(shape)


# --- How ranks cut it ------------------------------------------------------------------------------------------------
def cut(name, tensor, tp, wp):
    """The part of a tensor that a rank has; None when it has none."""
    base = name.split(".")[-2]
    bias = name.endswith("bias")
    if is_norm(name) or base == "wg":
        return tensor
    if is_expert(name) and evo and (isp or no_tp):
        return tensor.chunk(ewp_size, 0)[wp % ewp_size] if isp else tensor
    if evo and isp and base in (head, embedding):
        tp, parts = wp, wp_size
        return tensor.chunk(parts, 0 if base == head else 1)[tp]
    if base == head:
        return tensor.chunk(tp_size, 0)[tp]
    if base == "word_embeddings":
        return tensor.chunk(tp_size, 0)[tp]
    if base == embedding:
        return tensor.chunk(tp_size, 1)[tp]
    if isp:
        return tensor.chunk(wp_size, 0)[wp]
    if base in ("wo", "out_proj") or base == result:
        if bias:
            return tensor if tp == 0 else None
        return tensor.chunk(tp_size, 1)[tp]
    if base == "Wqkv":
        parts = tensor.view(3, tensor.shape[0] // 3, *tensor.shape[1:]).chunk(tp_size, 1)[tp]
        return parts.reshape(-1, *tensor.shape[1:])
    return tensor.chunk(tp_size, 0)[tp]


def fused(own):
    """The parameters as they are trained: with mlp_layer_fusion w1 and w3 are one."""
    if not fuse_mlp:
        return own
    found = {}
    for name, tensor in own.items():
        if name.endswith(".w1.weight"):
            found[name.replace(".w1.", ".fused_w1_w3.")] = (tensor, own[name.replace(".w1.", ".w3.")])
        elif not name.endswith(".w3.weight"):
            found[name] = tensor
    return found


def saved(own):
    """The state dict: the hooks of attention and feed-forward split what is fused, and put the parts behind the module's other tensors."""
    found = {}
    kv = kv_heads * hidden // heads
    for name, tensor in own.items():
        if fuse_qkv and name.endswith(".wqkv.weight") or name.endswith(".fused_w1_w3.weight"):
            continue
        found[name] = tensor
        if fuse_qkv and name.endswith(".wo.weight"):
            whole = own[name.replace(".wo.", ".wqkv.")]
            divisor = (hidden + 2 * kv) // whole.shape[0]
            parts = torch.split(whole, [rows // divisor for rows in (hidden, kv, kv)], 0)
            found.update({name.replace(".wo.", f".{part}."): piece for part, piece in zip(("wq", "wk", "wv"), parts)})
        if fuse_mlp and name.endswith(".w2.weight"):
            whole = own[name.replace(".w2.", ".fused_w1_w3.")]
            parts = torch.split(whole, whole.shape[0] // 2, 0)
            found.update({name.replace(".w2.", f".{part}."): piece for part, piece in zip(("w1", "w3"), parts)})
    return found


# partition_uniform: which layers a stage has, chunk by chunk.
parts = [[] for _ in range(pp_size)]
each = layers // chunks
for chunk in range(chunks):
    base, size = chunk * each, each // pp_size
    left = pp_size - each % pp_size
    for p in range(pp_size):
        start = base
        base += size + (p >= left)
        parts[p].append((start, base))


def local_names(pp):
    """(name on the stage, name in the whole model), in the order of the stage's modules."""
    for chunk, (start, end) in enumerate(parts[pp]):
        prefix = f"{chunk}.model." if chunks > 1 else ""
        if start == 0:
            yield prefix + embedding + ".weight", embedding + ".weight"
        for local, layer in enumerate(range(start, end)):
            for name, _ in layer_shapes(layer):
                yield prefix + name.replace(f"{list_name}.{layer}.", f"{list_name}.{local}.", 1), name
        if end == layers:
            for name in ("norm.weight", head + ".weight"):
                yield prefix + name, name


def local(what, pp, tp, wp):
    """What a rank has of one kind of tensors: local name → tensor, in the order of model.parameters()."""
    names = dict(local_names(pp))
    found = {}
    for name, tensor in fused({name: whole[what][of] for name, of in names.items()}).items():
        if isinstance(tensor, tuple):
            # Weight parallelism cuts the fused matrix; tensor parallelism makes one of what each rank has.
            pair = tuple(cut(names[name.replace("fused_w1_w3", part)], one, tp, wp) for part, one in zip(("w1", "w3"), tensor)) if not isp else (torch.cat(tensor).chunk(wp_size, 0)[wp],)
            tensor = torch.cat(pair)
        else:
            tensor = cut(names[name], tensor, tp, wp)
        if tensor is not None:
            found[name] = tensor.contiguous().clone()
    return found


def save(name, value):
    torch.save(value, os.path.join(folder, name))


# --- Model files -----------------------------------------------------------------------------------------------------
class ShardedTensor(torch.Tensor):
    """Stands in for PyTorch's class: its constructor wants a process group, and what is saved is the state below."""

    @staticmethod
    def of(shards, metadata):
        made = torch.Tensor._make_subclass(ShardedTensor, torch.empty(0))
        made.state = (shards, metadata, None, None, False)
        return made

    def __reduce_ex__(self, protocol):
        return torch._tensor._rebuild_from_type_v2, (rebuild, ShardedTensor, (), self.state)


def rebuild(*arguments):
    raise RuntimeError("never called by a reader that calls nothing")


class Shard:
    pass


class ShardMetadata:
    pass


class ShardedTensorMetadata:
    pass


module("torch.distributed._shard.sharded_tensor.api", ShardedTensor=ShardedTensor)
module("torch.distributed._shard.sharded_tensor.shard", Shard=Shard)
module("torch.distributed._shard.metadata", ShardMetadata=ShardMetadata)
module("torch.distributed._shard.sharded_tensor.metadata", ShardedTensorMetadata=ShardedTensorMetadata)
module("torch._utils_shards", rebuild=rebuild)


def sharded(tensor, dp):
    """Rows of a tensor, as FSDP's SHARDED_STATE_DICT gives them to each rank."""
    pieces, offsets, start = tensor.chunk(dp_size, 0), [], 0
    for piece in pieces:
        offsets.append(start)
        start += piece.shape[0]
    metadata = ShardedTensorMetadata()
    metadata.shards_metadata = []
    metadata.size = tensor.size()
    shards = []
    for rank, piece in enumerate(pieces):
        where = ShardMetadata()
        where.shard_offsets = [offsets[rank]] + [0] * (tensor.dim() - 1)
        where.shard_sizes = list(piece.shape)
        metadata.shards_metadata.append(where)
        if rank == dp:
            shard = Shard()
            shard.tensor, shard.metadata = piece.clone(), where
            shards.append(shard)
    return ShardedTensor.of(shards, metadata)


model_ranks = [(rank % tp_size, rank % wp_size) for rank in range(wp_size if evo and isp else max(tp_size, wp_size))]
moe_layer = {}
for pp in range(pp_size):
    for tp, wp in model_ranks:
        own = saved(local("model", pp, tp, wp))
        plain = {name: tensor for name, tensor in own.items() if not is_expert(name)}
        coordinates = (f"wp{wp}_pp{pp}" if evo else f"tp{tp}_wp{wp}_pp{pp}") if isp else f"tp{tp}_pp{pp}"
        if fsdp:
            for dp in range(dp_size):
                save(f"model_{coordinates}_dp{dp}.pt", {name: sharded(tensor, dp) for name, tensor in plain.items()})
        else:
            from collections import OrderedDict
            save(f"model_{coordinates}.pt", OrderedDict(plain))
        topology = {embedding: {"dim": 0}} if embedding.endswith("word_embeddings") and pp == 0 else {}
        save(f"topo_{coordinates}.json", topology)
        # try_save_moe_checkpoint: layers counted from the stage's first one, experts over all expert-parallel ranks.
        number = pp * (layers // pp_size)
        seen = []
        for name, tensor in own.items():
            if not is_expert(name):
                continue
            layer, expert = name.split(".moe_layer.")[0], int(name.split("wrapped_experts.")[1].split(".")[0])
            if layer not in seen:
                seen.append(layer)
            part = wp % ewp_size if isp else 0 if no_tp else tp
            moe_layer.setdefault((number + seen.index(layer), expert, part), {})[name] = tensor
for (layer, expert, part), tensors in moe_layer.items():
    save(f"model_moe_layer{layer}_expert{expert}_{'wp' if isp else 'tp'}{part}.pt", tensors)


# --- Optimizer files -------------------------------------------------------------------------------------------------
def partition(parameters, ranks):
    """HybridZeroOptimizer._partition_param_list."""
    names, plan, filled = [[] for _ in range(ranks)], [[] for _ in range(ranks)], [0] * ranks
    for i, (name, tensor) in enumerate(sorted(parameters, key=lambda item: item[1].numel(), reverse=True)):
        rank = filled.index(min(filled))
        names[rank].append(name)
        plan[rank].append("_".join([str(i)] + [str(size) for size in tensor.shape]))
        filled[rank] += tensor.numel()
    return names, plan


def flatten(tensors):
    return torch._utils._flatten_dense_tensors(tensors)


def groups_of(own):
    """split_params_into_different_groups_for_optimizer: name, mode, parameters."""
    if family == "internlm-0.2":
        return [("default", ParallelMode.ZERO1, list(own.items()))]
    result_groups = {"default": (ParallelMode.ZERO1, [])}
    if isp and not evo:
        result_groups["embed_head"] = (ParallelMode.DATA, [])
    result_groups["fp32"] = (ParallelMode.ZERO1, [])
    if experts:
        result_groups[f"moe_ep_size_{ep_size}"] = (ParallelMode.EXPERT_DATA, [])
    for name, tensor in own.items():
        base = name.split(".")[-2]
        if isp and not evo and base in (head, embedding.split(".")[-1]):
            key = "embed_head"
        elif evo and is_expert(name):
            key = f"moe_ep_size_{ep_size}"
        elif tensor.dtype == torch.float32 and not (evo and dtype == torch.float32):
            key = "fp32"
        elif is_expert(name):
            key = f"moe_ep_size_{ep_size}"
        else:
            key = "default"
        result_groups[key][1].append((name, tensor))
    return [(name, mode, members) for name, (mode, members) in result_groups.items()]


def expert_rank(rank):
    """Expert-parallel rank of a rank of a stage, and its rank among those that have the same experts (Initializer_Expert_Data)."""
    inner = ewp_size if isp else 1 if no_tp else tp_size
    return rank // inner % ep_size, rank // (inner * ep_size)


def optimizer_states(pp, rank, tp, wp, dp, zo):
    own = local("model", pp, tp, wp)
    of = {what: local(what, pp, tp, wp) for what in ("master", "exp_avg", "exp_avg_sq")}
    ranks_of = {ParallelMode.ZERO1: (zo_size, zo), ParallelMode.DATA: (dp_size, dp)}
    if experts:
        # A rank has the experts of its expert-parallel rank only, counted from 0.
        ep, data = expert_rank(rank)
        count = experts // ep_size
        own = {name: tensor for name, tensor in own.items()
               if not is_expert(name) or int(name.split("wrapped_experts.")[1].split(".")[0]) // count == ep}
        ranks_of[ParallelMode.EXPERT_DATA] = (tp_size * dp_size // (ep_size * (ewp_size if isp else 1 if no_tp else tp_size)), data)
    state, param_groups, weights, plans = {}, [], {}, []
    for identity, (name, mode, members) in enumerate(groups_of(own)):
        ranks, mine = ranks_of[mode]
        index = sum(len(group["params"]) for group in param_groups)
        group = {"name": name, "weight_decay": 0.01, "lr": 1e-4, "betas": (0.9, 0.95), "eps": 1e-8, "amsgrad": False, "foreach": None, "maximize": False,
                 "capturable": False, "initial_lr": 3e-4, "optimizer_mode": mode, "dtype": members[0][1].dtype if members else None}
        param_groups.append(group)
        if split_tensor:
            weights[identity] = [split(of["master"][member], ranks)[mine] for member, _ in members]
            for i, (member, _) in enumerate(members):
                state[index + i] = {"step": torch.tensor(float(step)), **{moment: split(of[moment][member], ranks)[mine] for moment in ("exp_avg", "exp_avg_sq")}}
            group["params"] = list(range(index, index + len(members)))
            continue
        names, plan = partition(members, ranks)
        plans.append(plan)
        if names[mine]:
            weights[identity] = flatten([of["master"][member] for member in names[mine]]).requires_grad_(True)
            state[index] = {"step": torch.tensor(float(step)), "exp_avg": flatten([of["exp_avg"][member] for member in names[mine]]),
                            "exp_avg_sq": flatten([of["exp_avg_sq"][member] for member in names[mine]])}
            group["params"] = [index]
        else:
            group["params"] = list(range(index, index + len(members)))
    states = {"grad_scaler": {"_scale": 65536.0, "_growth_step": 3, "_hysteresis_step": 0}, "base_optim_states": {"state": state, "param_groups": param_groups}}
    states.update({"master_current_weights": weights} if split_tensor else {"flat_fp32_weights": weights, "zero_devide_optim_plan": plans})
    return states


def split(tensor, ranks):
    """HybridZeroOptimizer_v2._create_master_param_current_rank: equal parts, the last one filled up."""
    flat = tensor.reshape(-1)
    flat = torch.nn.functional.pad(flat, [0, -flat.numel() % ranks])
    return [piece.clone() for piece in flat.split(flat.numel() // ranks)]


def fsdp_states(pp, tp, zo):
    """FSDPadaptOptimizer.state_dict: each rank has a range of each parameter's elements."""
    own = local("model", pp, tp, 0)
    of = {what: local(what, pp, tp, 0) for what in ("master", "exp_avg", "exp_avg_sq")}

    def piece(tensor):
        flat = tensor.reshape(-1)
        ends = [i * flat.numel() // dp_size for i in range(dp_size + 1)]
        return flat[ends[zo]:ends[zo + 1]].clone()

    state, param_groups, weights = {}, [], {}
    for identity, (name, _, members) in enumerate(groups_of(own)):
        first = len(state)
        weights[identity] = [piece(of["master"][member]) for member, _ in members]
        for i, (member, _) in enumerate(members):
            state[first + i] = {"step": torch.tensor(float(step)), "exp_avg": piece(of["exp_avg"][member]), "exp_avg_sq": piece(of["exp_avg_sq"][member])}
        param_groups.append({"name": name, "weight_decay": 0.01, "lr": 1e-4, "betas": (0.9, 0.95), "eps": 1e-8, "amsgrad": False, "initial_lr": 3e-4,
                             "params": list(range(first, first + len(members)))})
    return {"grad_scaler": {"_scale": 65536.0, "_growth_step": 3, "_hysteresis_step": 0}, "base_optim_states": {"state": state, "param_groups": param_groups}, "flat_fp32_weights": weights}


plan_mode = job.get("plan", "both")
gpus = tp_size * dp_size * pp_size
for pp in range(pp_size):
    for rank in range(tp_size * dp_size):
        tp, wp, dp = rank % tp_size, rank % wp_size, rank // tp_size
        zo = rank // wp_size % zo_size if isp else dp % zo_size
        if fsdp:
            save(f"optimizer_tp{tp}_pp{pp}_zo{dp}.pt", fsdp_states(pp, tp, dp))
            continue
        states = optimizer_states(pp, rank, tp, wp, dp, zo)
        plan = states.get("zero_devide_optim_plan")
        if plan_mode != "both":
            states.pop("zero_devide_optim_plan", None)
        if job.get("moe_names", False):
            ep, data = expert_rank(rank)
            inner = f"ewp{rank % ewp_size}" if isp else f"tp{tp}"
            save(f"optimizer_ep{ep}_{inner}_pp{pp}_zo{data}.pt", states)
        elif isp and evo:
            if rank < zo_size * wp_size:
                save(f"optimizer_wp{wp}_pp{pp}_zo{zo}.pt", states)
        elif isp:
            save(f"optimizer_tp{tp}_wp{wp}_pp{pp}_dp{dp}.pt", states)
        elif rank < zo_size * tp_size:
            save(f"optimizer_tp{tp}_pp{pp}_zo{zo}.pt", states)
        if plan is not None and plan_mode != "none":
            save(f"gpus-{gpus}_pp-{pp}_tp-{tp}_zo-{zo}.pt" if family == "internlm-0.2" else f"gpus-{gpus}_wp-{wp}_tp-{tp}_dp-{dp}_pp-{pp}_zo-{zo}.pt", plan)

# --- The rest --------------------------------------------------------------------------------------------------------
save("schedulder.pt", {"warmup_epochs": 20, "finished": True, "base_lrs": [3e-4, 3e-4], "last_epoch": 20, "_step_count": 21, "_last_lr": [1e-4, 1e-4], "_get_lr_called_within_step": False,
                       "_init_steps": 0, "_warmup_steps": 20, "after_scheduler_type": "CosineAnnealingLR",
                       "after_scheduler_dict": {"T_max": 980, "eta_min": 1e-5, "base_lrs": [3e-4, 3e-4], "last_epoch": step - 20, "_step_count": step - 19, "verbose": False, "_last_lr": [1e-4, 1e-4]}})
save("sampler.pt", {"batch_size": 4, "raw_rampup_batch_size": "", "rng_state": numpy.random.RandomState(3).get_state(), "epoch": 1, "seed": 1024, "data_world_size": dp_size,
                    "num_consumed_samples_in_epoch": 40, "batch_count": step + 2, "indices": numpy.arange(100)})
save("context.pt", {"batch_count": step + 2, "num_consumed_samples_in_epoch": 40, "num_consumed_tokens": 123456, "inf_nan_skip_batches": 3, "step_count": step, "tensorboard_folder": "runs/tb"})
flags = dict(enable_qkv_fusion=fuse_qkv, mlp_layer_fusion=fuse_mlp) if job.get("flags", False) else {}
save("model_config.pt", Config(num_layers=layers, hidden_size=hidden, dtype=dtype, nested=Config(mode="isp"), **flags))
save("config_file.pt", "model = dict(num_layers=4)\n")
save(f"{step}.step", {"step": step})
whole["step"] = step
torch.save(whole, os.path.join(out, "whole.pt"))
print(len(os.listdir(folder)))
