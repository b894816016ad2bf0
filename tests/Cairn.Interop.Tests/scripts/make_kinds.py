"""One small checkpoint of each kind that people have, with the same model in it, as the programs write them that are named. Of other programs' classes only the names are used.

Usage: make_kinds.py FOLDER
"""
import argparse, collections, enum, gzip, json, math, os, random, struct, sys
import numpy, torch
from torch import nn

os.chdir(sys.argv[1])
torch.manual_seed(3)


class Strategy(enum.Enum):
    DDP = "ddp"


def folder(path):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    return path


def save(path, value, **options):
    torch.save(value, folder(path), **options)


def text(path, value):
    with open(folder(path), "w", encoding="utf-8") as file:
        file.write(value if isinstance(value, str) else json.dumps(value))


def safetensors(path, tensors):
    header, data = {"__metadata__": {"format": "pt"}}, b""
    for name, tensor in tensors.items():
        content = tensor.detach().contiguous().float().numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [len(data), len(data) + len(content)]}
        data += content
    head = json.dumps(header).encode()
    with open(folder(path), "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head + data)


model = nn.Sequential(nn.Linear(6, 7), nn.LayerNorm(7), nn.Linear(7, 5, bias=False))
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
for _ in range(3):
    optimizer.zero_grad()
    model(torch.randn(4, 6)).square().mean().backward()
    optimizer.step()
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 10)
weights, states = model.state_dict(), optimizer.state_dict()
names = [name for name, _ in model.named_parameters()]

# Files.
save("weights.pt", weights)
save("training.pt", {"model": weights, "optimizer": states, "scheduler": scheduler.state_dict(), "step": 500})
save("older.pt", {"model": weights, "optimizer": states, "step": 500}, _use_new_zipfile_serialization=False)
save("module.pt", model)
safetensors("weights.safetensors", weights)
save("lightning.ckpt", {"state_dict": weights, "optimizer_states": [states], "lr_schedulers": [scheduler.state_dict()], "epoch": 1, "global_step": 500,
                        "pytorch-lightning_version": "2.4.0", "hyper_parameters": {"loss": nn.MSELoss(), "strategy": Strategy.DDP}})

# Hugging Face's.
config = {"architectures": ["Tiny"], "hidden_size": 7}
safetensors("hf/model.safetensors", weights)
text("hf/config.json", config)
first, second = "pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"
halves = [collections.OrderedDict((name, tensor) for name, tensor in weights.items() if name.startswith("0") == is_first) for is_first in (True, False)]
save(f"hf_bin/{first}", halves[0])
save(f"hf_bin/{second}", halves[1])
text("hf_bin/pytorch_model.bin.index.json", {"metadata": {"total_size": sum(tensor.numel() * 4 for tensor in weights.values())},
                                             "weight_map": {name: first if name in halves[0] else second for name in weights}})
text("hf_bin/config.json", config)
for step in (400, 500):
    at = f"trainer/checkpoint-{step}"
    safetensors(f"{at}/model.safetensors", weights)
    text(f"{at}/config.json", config)
    save(f"{at}/optimizer.pt", states)
    save(f"{at}/scheduler.pt", scheduler.state_dict())
    save(f"{at}/rng_state.pth", {"python": random.getstate(), "numpy": numpy.random.get_state(), "cpu": torch.get_rng_state()})
    text(f"{at}/trainer_state.json", {"global_step": step, "log_history": []})
safetensors("accelerate/model.safetensors", weights)
save("accelerate/optimizer.bin", states)
save("accelerate/scheduler.bin", scheduler.state_dict())
save("accelerate/random_states_0.pkl", {"step": 3, "torch_manual_seed": torch.get_rng_state()})
safetensors("peft/adapter_model.safetensors", weights)
text("peft/adapter_config.json", {"peft_type": "LORA", "r": 4})
safetensors("diffusers/diffusion_pytorch_model.fp16.safetensors", weights)
text("diffusers/config.json", {"_class_name": "UNet"})

# XTuner's, without the distributed checkpoints in them.
for name in ("xtuner", "xtuner_older"):
    for step in (400, 500):
        at = f"{name}/ckpt-step-{step}"
        save(f"{at}/lr_scheduler", scheduler.state_dict())
        save(f"{at}/dataloader", {"sampler": {"epoch": 0, "step": 3}, "dataset": {}, "total_consumed_samples": 12})
        text(f"{at}/train_state.json", {"cur_step": step, "cur_epoch": 0, "total_consumed_tokens": 96, "train_time_offset": 1.5})

# Megatron-LM's.
for step in (400, 500):
    save(f"megatron/iter_{step:07}/mp_rank_00/model_optim_rng.pt", {"model": {"language_model": weights}, "optimizer": states, "iteration": step, "checkpoint_version": 3.0})
text("megatron/latest_checkpointed_iteration.txt", "500")

# The same program's with tensor-parallel ranks, pipeline stages and expert-parallel ranks, by the names of its core: the whole model, and the parts of it that each rank has.
def columns(tensor, rank, parts=1):
    return torch.cat([part.chunk(2)[rank] for part in tensor.chunk(parts)]).clone()


whole = {"embedding.word_embeddings.weight": torch.randn(10, 8), "embedding.position_embeddings.weight": torch.randn(4, 8)}
layer_sizes = {"input_layernorm.weight": [8], "self_attention.linear_qkv.weight": [24, 8], "self_attention.linear_qkv.bias": [24], "self_attention.linear_proj.weight": [8, 8], "self_attention.linear_proj.bias": [8],
               "mlp.linear_fc1.layer_norm_weight": [8], "mlp.linear_fc1.weight": [12, 8], "mlp.linear_fc1.bias": [12], "mlp.linear_fc2.weight": [8, 6], "mlp.linear_fc2.bias": [8]}
for number in range(4):
    whole.update({f"decoder.layers.{number}.{name}": torch.randn(*size) for name, size in layer_sizes.items()})
whole.update({"decoder.final_layernorm.weight": torch.randn(8), "output_layer.weight": torch.randn(10, 8)})
save("megatron_whole.pt", whole)


def megatron_piece(name, tensor, rank):
    module, leaf = name.split(".")[-2:]
    if leaf.startswith("layer_norm") or module in ("position_embeddings", "input_layernorm", "final_layernorm") or (module in ("linear_proj", "linear_fc2") and leaf == "bias"):
        return tensor
    if module in ("linear_proj", "linear_fc2"):
        return tensor.chunk(2, dim=1)[rank].clone()
    return columns(tensor, rank, 2 if module == "linear_fc1" else 1)


def megatron_stage(number, chunk, rank):
    # Two stages, each with two parts of the model that take turns: layers 0 and 2, then 1 and 3.
    own, part = chunk * 2 + number, {}
    for name, tensor in whole.items():
        if name.startswith("decoder.layers."):
            if int(name.split(".")[2]) != own:
                continue
            part[name.replace(f"layers.{own}.", "layers.0.")] = megatron_piece(name, tensor, rank)
        elif own == (0 if name.startswith("embedding") else 3):
            part[name] = megatron_piece(name, tensor, rank)
    part["decoder.layers.0.mlp.linear_fc1._extra_state"] = None
    return part


arguments = argparse.Namespace(tensor_model_parallel_size=2, pipeline_model_parallel_size=2, swiglu=True, params_dtype=torch.float32)
for step in (400, 500):
    for rank in range(2):
        for number in range(2):
            save(f"megatron_ranks/iter_{step:07}/mp_rank_{rank:02}_{number:03}/model_optim_rng.pt", {
                "args": arguments, "checkpoint_version": 3.0, "iteration": step, "model0": megatron_stage(number, 0, rank), "model1": megatron_stage(number, 1, rank),
                "optimizer": states, "rng_state": [{"torch_rng_state": torch.get_rng_state()}]})
text("megatron_ranks/latest_checkpointed_iteration.txt", "500")

# Its distributed checkpoints, without the distributed checkpoint.
for step in (400, 500):
    at = f"megatron_dist/iter_{step:07}"
    save(f"{at}/common.pt", {"args": arguments, "checkpoint_version": 3.0, "iteration": step, "optimizer": {"optimizer": {"param_groups": [{"lr": 1e-3}]}}, "opt_param_scheduler": {"max_lr": 1e-3}})
    text(f"{at}/metadata.json", {"sharded_backend": "torch_dist", "sharded_backend_version": 1, "common_backend": "torch", "common_backend_version": 1})
text("megatron_dist/latest_checkpointed_iteration.txt", "500")

# DeepSpeed's with two tensor-parallel ranks, which says by patterns how they share the parameters; a mixture of experts; and a universal checkpoint.
patterns = {"universal_checkpoint_version": 0.2, "tp_replicated_parameter_patterns": [".*norm.*", ".*linear_proj.bias", ".*linear_fc2.bias", ".*position_embeddings.*"],
            "parameter_with_row_parallelism_patterns": [r".*linear_proj\.weight", r".*linear_fc2\.weight"], "parameter_with_2_sub_params_cat_dim_0": [r".*linear_fc1\.(weight|bias)"],
            "vocabulary_parameter_patterns": [r".*word_embeddings\.weight"], "original_vocab_size": 10, "padded_vocab_size": 10}
experts = {f"moe.deepspeed_moe.experts.deepspeed_experts.{expert}.fc1.weight": torch.randn(3, 6) for expert in range(4)}
save("moe_whole.pt", {**weights, **experts})
for step in (400, 500):
    at = f"deepspeed_ranks/global_step{step}"
    for rank in range(2):
        cut = {name: megatron_piece(name, tensor, rank) for name, tensor in whole.items()}
        save(f"{at}/mp_rank_{rank:02}_model_states.pt", {
            "module": {name: tensor.half() for name, tensor in cut.items()}, "buffer_names": [], "optimizer": None, "param_shapes": [collections.OrderedDict((name, tensor.shape) for name, tensor in cut.items())],
            "mp_world_size": 2, "dp_world_size": 1, "global_steps": step, "universal_checkpoint_info": patterns})
        flat = torch.cat([tensor.flatten() for tensor in cut.values()])
        base = {"state": {0: {"step": 3, "exp_avg": flat + 1, "exp_avg_sq": flat * flat}}, "param_groups": [{"lr": 1e-3, "params": [0]}]}
        save(f"{at}/bf16_zero_pp_rank_0_mp_rank_{rank:02}_optim_states.pt", {"optimizer_state_dict": {
            "zero_stage": 1, "partition_count": [1], "single_partition_of_fp32_groups": [flat], "base_optimizer_state": base}})
    at = f"deepspeed_moe/global_step{step}"
    save(f"{at}/mp_rank_00_model_states.pt", {"module": weights, "optimizer": None, "num_experts": [4], "mp_world_size": 1, "global_steps": step})
    for expert in range(4):
        save(f"{at}/layer_0_expert_{expert}_mp_rank_00_model_states.pt", {name: tensor for name, tensor in experts.items() if f".{expert}." in name})
        save(f"{at}/expp_rank_{expert}_mp_rank_00_optim_states.pt", {"optimizer": {"state": {}}})
    at = f"universal/global_step{step}_universal"
    save(f"{at}/mp_rank_00_model_states.pt", {"module": {name: tensor.half() for name, tensor in weights.items()}, "optimizer": None, "mp_world_size": 1, "global_steps": step})
    save(f"{at}/zero/optimizer_state.pt", {"param_groups": [{"lr": 1e-3, "params": [0]}], "zero_stage": 1})
    for i, name in enumerate(names):
        save(f"{at}/zero/{name}/fp32.pt", {"param": weights[name], "cat_dim": 0})
        save(f"{at}/zero/{name}/step.pt", 3)
        for field in ("exp_avg", "exp_avg_sq"):
            save(f"{at}/zero/{name}/{field}.pt", {"param": states["state"][i][field], "cat_dim": 0})
text("deepspeed_ranks/latest", "global_step500")
text("deepspeed_moe/latest", "global_step500")
text("universal/latest_universal", "global_step500_universal")

# DeepSpeed's: what is trained, flattened and cut over two ranks; in stage 3 each parameter by itself.
shapes = [collections.OrderedDict((name, weights[name].shape) for name in names)]
fields = {"weights": [weights[name] for name in names]}
fields.update({field: [states["state"][i][field] for i in range(len(names))] for field in ("exp_avg", "exp_avg_sq")})
options = {**{key: value for key, value in states["param_groups"][0].items() if key != "params"}, "params": [0]}


def piece(tensors, rank, stage):
    if stage == 3:
        halves = []
        for tensor in tensors:
            flat, count = tensor.flatten(), math.ceil(tensor.numel() / 2)
            halves.append(torch.nn.functional.pad(flat, (0, 2 * count - flat.numel()))[rank * count:(rank + 1) * count])
        return torch.cat(halves)
    flat = torch.cat([tensor.flatten() for tensor in tensors])
    whole = math.ceil(flat.numel() / 4) * 4
    return torch.nn.functional.pad(flat, (0, whole - flat.numel()))[rank * whole // 2:(rank + 1) * whole // 2].clone()


for stage in (2, 3):
    for step in (400, 500):
        at = f"zero{stage}/global_step{step}"
        for rank in range(2):
            base = {"state": {0: {"step": 3, **{field: piece(fields[field], rank, stage) for field in ("exp_avg", "exp_avg_sq")}}}, "param_groups": [options]}
            cut = piece(fields["weights"], rank, stage)
            save(f"{at}/zero_pp_rank_{rank}_mp_rank_00_optim_states.pt", {"optimizer_state_dict": {
                "zero_stage": stage, "partition_count": 2 if stage == 3 else [2],
                **({"fp32_flat_groups": [cut], "optimizer_state_dict": base} if stage == 3 else {"single_partition_of_fp32_groups": [cut], "base_optimizer_state": base})}})
            if stage == 3 or rank == 0:
                module = weights if stage == 2 else {name: torch.empty(0) for name in weights}
                save(f"{at}/{f'zero_pp_rank_{rank}_' if stage == 3 else ''}mp_rank_00_model_states.pt", {
                    "module": module, "buffer_names": [], "optimizer": None, "param_shapes": shapes, "frozen_param_shapes": None, "shared_params": {}, "global_steps": step})
    text(f"zero{stage}/latest", "global_step500")

# Distributed checkpoints, where this PyTorch writes them for a single process.
try:
    import torch.distributed.checkpoint as distributed
    write = distributed.save
except (ImportError, AttributeError):
    write = None
if write:
    for step in (400, 500):
        write({"model": weights, "optimizer": states}, checkpoint_id=folder(f"dcp/step-{step}/x")[:-2])
        write({**whole, **{f"optimizer.state.exp_avg.{name}": tensor for name, tensor in whole.items()}}, checkpoint_id=folder(f"megatron_dist/iter_{step:07}/x")[:-2])
        by_name = {"state": {name: states["state"][i] for i, name in enumerate(names)}, "param_groups": [{**states["param_groups"][0], "params": names}]}
        write({"model": weights, "optimizer": by_name}, checkpoint_id=folder(f"xtuner/ckpt-step-{step}/weights/x")[:-2])
        write(weights, checkpoint_id=folder(f"xtuner_older/ckpt-step-{step}/model/x")[:-2])
        write(by_name, checkpoint_id=folder(f"xtuner_older/ckpt-step-{step}/optimizer/x")[:-2])
        flat = {f"state.{name}.{field}": states["state"][i][field] for i, name in enumerate(names) for field in ("exp_avg", "exp_avg_sq", "step")}
        flat.update({f"param_groups.{name}.lr": 1e-3 for name in names})
        write({**weights, "optimizer": flat, "train_state": {"step": torch.tensor(step)}, "lr_scheduler": {"last_epoch": step}}, checkpoint_id=folder(f"titan/step-{step}/x")[:-2])

# A program of TorchScript, without Python's own code.
torch.jit.save(torch.jit.script(model), folder("script.pt"))

with open("training.pt", "rb") as file, gzip.open("training.pt.gz", "wb") as packed:
    packed.write(file.read())
