#!/usr/bin/env python3
"""Writes the hostile folders of `folders/`: what other programs' ranks leave, made to harm. Needs Python only; run it in this folder after a change. The table in README.md says what must happen."""
import os
import shutil

from make_torch import archive, entries, number, tensor, text

FLOATS = bytes(16)


def mapping(**pairs):
    return b"}(" + b"".join(text(key) + value for key, value in pairs.items()) + b"u"


def named(pairs):
    return b"}(" + b"".join(text(key) + value for key, value in pairs) + b"u"


def listing(*values):
    return b"](" + b"".join(values) + b"e"


def saved(value):
    return archive(*entries(b"\x80\x02" + value + b".", storages={"0": FLOATS}))


FOLDERS = {}


def put(folder, file, data):
    FOLDERS.setdefault(folder, {})[file] = data


def megatron(folder, rank, model, **others):
    put(folder, f"iter_0000001/{rank}/model_optim_rng.pt", saved(mapping(model=model, **others)))


LAYER = "layers.{}.self_attention.linear_qkv.weight"
for rank in ("mp_rank_00", "mp_rank_01"):
    # Eight references to one map under a long key.
    inner = named([("w", tensor())]) + b"q\x07"
    megatron("long_names", rank, named([("a" * 20_000 + str(i), inner if i == 0 else b"h\x07") for i in range(8)]))
    megatron("size_lie", rank, named([("word_embeddings.weight", tensor(size=(2, 2), stride=(2, 1)))]), args=named([("tensor_model_parallel_size", number(2**40))]))
    size = (2, 2) if rank == "mp_rank_00" else (4, 1)
    megatron("shapes_differ", rank, named([("word_embeddings.weight", tensor(size=size, stride=(size[1], 1)))]))
    megatron("iterations", rank, named([("norm.weight", tensor())]), iteration=number(100 if rank == "mp_rank_00" else 200))
    megatron("names_differ", rank, named([(rank, tensor())]))
megatron("far_rank", "mp_rank_00", named([("w", tensor())]))
megatron("far_rank", "mp_rank_999999_999999_999999", named([("w", tensor())]))
for stage in (0, 1):
    megatron("layer_gap", f"mp_rank_00_00{stage}", named([(LAYER.format(0 if stage == 0 else 999_999_999), tensor())]))


def deepspeed(folder, *patterns):
    for rank in (0, 1):
        put(folder, f"global_step1/mp_rank_0{rank}_model_states.pt", saved(mapping(module=named([("w", tensor())]), universal_checkpoint_info=named([("tp_replicated_parameter_patterns", listing(*map(text, patterns)))]))))


deepspeed("many_patterns", *["a"] * 5000)
deepspeed("broken_pattern", "(" * 200)
deepspeed("long_pattern", "(a+)+" * 5000)
deepspeed("growing_pattern", "(((a{1,99}){1,99}){1,99}){1,99}")
put("expert_twice", "global_step1/mp_rank_00_model_states.pt", saved(mapping(module=named([("w", tensor())]))))
put("expert_twice", "global_step1/layer_0_expert_0_mp_rank_00_model_states.pt", saved(named([("w", tensor())])))
put("far_expert", "global_step1/mp_rank_00_model_states.pt", saved(mapping(module=named([("w", tensor())]))))
put("far_expert", "global_step1/layer_0_expert_999999_mp_rank_00_model_states.pt", saved(named([("v", tensor())])))
put("universal_no_tensor", "global_step1/zero/w/fp32.pt", saved(mapping(param=b"}")))
put("universal_evil", "global_step1/zero/w/fp32.pt", b"PK")
put("xtuner_deep", "ckpt-step-5/train_state.json", b'{"a":' * 20_000)
put("xtuner_tensor", "ckpt-step-5/train_state.json", b'{"cur_step": {"$tensor": "x"}}')
for folder in ("xtuner_deep", "xtuner_tensor"):
    put(folder, "ckpt-step-5/model/.metadata", b"\x80\x02}.")

if __name__ == "__main__":
    shutil.rmtree("folders", ignore_errors=True)
    for folder, files in FOLDERS.items():
        for file, data in files.items():
            path = os.path.join("folders", folder, file)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as out:
                out.write(data)
