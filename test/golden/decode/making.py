"""Makes files of a base and a payload with a record of files."""

import hashlib
import json

from model import Tensor, fingerprint, in_canonical_order
from refusal import require

FROM_SAFETENSORS = {
    "F32": "float32", "F16": "float16", "BF16": "bfloat16", "F64": "float64",
    "I8": "int8", "I16": "int16", "I32": "int32", "I64": "int64",
    "U8": "uint8", "U16": "uint16", "U32": "uint32", "U64": "uint64", "BOOL": "uint8",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2",
}  # fmt: skip


class Making:
    """The files of a record, and their frame, to which the other records are applied."""

    def __init__(self, record, of_base):
        self.files, self.described = record.files, record.tensors
        self.structure = record.read_structure(of_base)
        self.frame = [make_tensor(i, tensor) for i, tensor in enumerate(self.described)]

    def finish(self, following):
        """The files by path; their digests and the fingerprint must be the stated ones."""
        joined, made, at = self.join(), {}, 0
        for file in self.files:
            data = joined[at : at + file.bytes]
            at += file.bytes
            require(hashlib.sha256(data).digest() == file.sha256, "a file of another SHA-256", "result-mismatch")
            made[file.path] = data
        model = open_model(*next(iter(made.items())))
        require(model is None or fingerprint(model) == following, "another fingerprint", "result-mismatch")
        return made, model is not None

    def join(self):
        pieces, at = [], 0
        for described, tensor in zip(self.described, self.frame):
            pieces += [self.structure[at : at + described.gap], tensor.bytes()]
            at += described.gap
        return b"".join(pieces) + self.structure[at:]


def make_tensor(index, described):
    source = described.source.bytes() if described.source else b""
    data = source[: described.length].ljust(described.length, b"\0")
    return Tensor(f"{index:05}", described.dtype, described.shape, data)


def open_model(path, data):
    """The tensors of a main file; None for formats that are not read here."""
    as_bytes = [Tensor("bytes", "uint8", [len(data)], data)]
    if path.endswith(".safetensors"):
        return open_safetensors(data) or as_bytes
    return as_bytes if path.endswith(".bin") else None


def open_safetensors(data):
    begin = 8 + int.from_bytes(data[:8], "little")
    entries = json.loads(data[8:begin])
    entries.pop("__metadata__", None)
    tensors = []
    for name, entry in entries.items():
        start, end = entry["data_offsets"]
        dtype = FROM_SAFETENSORS[entry["dtype"]]
        tensors.append(Tensor(name, dtype, entry["shape"], data[begin + start : begin + end]))
    return in_canonical_order(tensors)
