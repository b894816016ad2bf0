"""Goes on from distributed checkpoints as jobs with FSDP do: PyTorch 2.6 or newer, gloo on the CPU.

    resume_distributed.py FOLDER FORM RANKS FILE

The model of `FILE` (a .pt with `model` and `optimizer`, the same state in one file) is made of parameters of its names and shapes, sharded by `fully_shard` over RANKS processes with an AdamW, and loaded from FOLDER:
FORM `state-dict` by get_state_dict and set_state_dict, as XTuner does, FORM `torchtitan` with the weights at the root and a flat optimizer, FORM `raw` by optimizer.state_dict(), FORM `torch` by dcp_to_torch_save into one
file. Every tensor must then be that of `FILE` to the bit, and a further step must give the same weights as one process gets from `FILE`.
"""
import functools
import os
import sys
import tempfile

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as checkpoint
import torch.multiprocessing as processes
from torch.distributed.checkpoint.format_utils import dcp_to_torch_save
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict, get_optimizer_state_dict, set_model_state_dict, set_optimizer_state_dict
from torch.distributed.tensor import DTensor


class Names(torch.nn.Module):
    """Parameters under given names, in modules as their dots say."""

    def __init__(self, weights):
        super().__init__()
        for name, weight in weights.items():
            module = self
            *outer, own = name.split(".")
            for step in outer:
                if not hasattr(module, step):
                    module.add_module(step, torch.nn.Module())
                module = getattr(module, step)
            module.register_parameter(own, torch.nn.Parameter(torch.zeros_like(weight)))

    def forward(self):
        return sum((parameter * parameter).sum() for parameter in self.parameters())


def rate(factor, step):
    return factor


def whole(tensor):
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def optimizer_of(model):
    # Options that are those of the checkpoint only after it was loaded.
    return torch.optim.AdamW(model.parameters(), lr=0.5, betas=(0.5, 0.5), eps=0.5, weight_decay=0.5, foreach=False)


def expected_after_step(saved):
    model = Names(saved["model"])
    model.load_state_dict(saved["model"])
    optimizer = optimizer_of(model)
    optimizer.load_state_dict(saved["optimizer"])
    model().backward()
    optimizer.step()
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def load(form, folder, model, optimizer):
    if form == "state-dict":
        state = {"model": get_model_state_dict(model), "optimizer": get_optimizer_state_dict(model, optimizer)}
        checkpoint.load(state, checkpoint_id=folder)
        set_model_state_dict(model, state["model"])
        set_optimizer_state_dict(model, optimizer, state["optimizer"])
    elif form == "torchtitan":
        options = StateDictOptions(flatten_optimizer_state_dict=True)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, functools.partial(rate, 1.0))
        state = {**get_model_state_dict(model), "optimizer": get_optimizer_state_dict(model, optimizer, options=options), "lr_scheduler": scheduler.state_dict(), "train_state": {"step": 0, "ntokens_seen": 0}}
        checkpoint.load(state, checkpoint_id=folder)
        set_model_state_dict(model, {name: state[name] for name, _ in model.named_parameters()})
        set_optimizer_state_dict(model, optimizer, state["optimizer"], options=options)
        scheduler.load_state_dict(state["lr_scheduler"])
        assert scheduler.last_epoch == state["train_state"]["step"] > 0, (scheduler.last_epoch, state["train_state"])
    else:
        raise SystemExit(f"no form {form}")


def rank_of(rank, world, folder, form, file, meeting):
    os.environ.update(GLOO_SOCKET_IFNAME="lo")
    dist.init_process_group("gloo", init_method=f"file://{meeting}/ranks", rank=rank, world_size=world)
    from torch.distributed._composable.fsdp import fully_shard
    from torch.distributed.device_mesh import init_device_mesh
    saved = torch.load(file, weights_only=True)
    model = Names(saved["model"])
    fully_shard(model, mesh=init_device_mesh("cpu", (world,)))
    optimizer = optimizer_of(model)
    load(form, folder, model, optimizer)
    names = [name for name, _ in model.named_parameters()]
    for name, parameter in model.named_parameters():
        assert isinstance(parameter, DTensor) and torch.equal(whole(parameter.detach()), saved["model"][name]), name
    states = list(optimizer.state.values())
    for i, name in enumerate(names):
        for key, value in saved["optimizer"]["state"][i].items():
            assert torch.equal(whole(states[i][key]).to(value.dtype), value), (name, key)
    for key, value in saved["optimizer"]["param_groups"][0].items():
        if key not in ("params", "foreach", "fused"):
            assert optimizer.param_groups[0].get(key, value) == value, (key, optimizer.param_groups[0].get(key), value)
    # A step as one process makes it; sums of rounded squares differ by nothing here, because each element's gradient is its own.
    after = expected_after_step(saved)
    for parameter in model.parameters():
        parameter.grad = parameter.detach().clone() * 2
    optimizer.step()
    for name, parameter in model.named_parameters():
        got = whole(parameter.detach())
        assert torch.equal(got, after[name]), (name, (got - after[name]).abs().max())
    if rank == 0:
        print(f"{form}: {len(names)} parameters on {world} ranks are equal, before and after a step")
    dist.destroy_process_group()


def raw(folder, file):
    saved = torch.load(file, weights_only=True)
    model = Names(saved["model"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.5, foreach=False)
    model().backward()
    optimizer.step()
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    checkpoint.load(state, checkpoint_id=folder)
    optimizer.load_state_dict(state["optimizer"])
    values = list(optimizer.state.values())
    for i in range(len(values)):
        for key, value in saved["optimizer"]["state"][i].items():
            assert torch.equal(values[i][key], value), (i, key)
    print(f"raw: {len(values)} parameters are equal")


def one_file(folder, file):
    saved = torch.load(file, weights_only=True)
    with tempfile.TemporaryDirectory() as temporary:
        out = os.path.join(temporary, "out.pt")
        dcp_to_torch_save(folder, out)
        loaded = torch.load(out, weights_only=False)
    assert list(loaded["model"]) == list(saved["model"]), (list(loaded["model"]), list(saved["model"]))
    for name, weight in saved["model"].items():
        assert torch.equal(loaded["model"][name], weight) and loaded["model"][name].dtype == weight.dtype, name
    print(f"torch: {len(saved['model'])} weights are equal")


if __name__ == "__main__":
    folder, form, ranks, file = sys.argv[1:]
    if form == "raw":
        raw(folder, file)
    elif form == "torch":
        one_file(folder, file)
    else:
        with tempfile.TemporaryDirectory() as meeting:
            processes.spawn(rank_of, args=(int(ranks), folder, form, file, meeting), nprocs=int(ranks))
