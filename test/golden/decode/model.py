"""Tensors, their layout and their fingerprint."""

import hashlib
import math
import struct

from xxh64 import xxh64

# dtype: code, bits of an element (or of its words), words of an element, kind of the words
DTYPES = {
    "float32": (1, 32, 1, "float"),
    "float16": (2, 16, 1, "float"),
    "bfloat16": (3, 16, 1, "bfloat"),
    "int8": (4, 8, 1, "int"),
    "uint8": (5, 8, 1, "uint"),
    "int32": (6, 32, 1, "int"),
    "int16": (7, 16, 1, "int"),
    "uint16": (8, 16, 1, "uint"),
    "uint32": (9, 32, 1, "uint"),
    "int64": (10, 32, 2, "uint"),
    "uint64": (11, 32, 2, "uint"),
    "float64": (12, 32, 2, "uint"),
    "float8_e4m3fn": (13, 8, 1, "uint"),
    "float8_e5m2": (14, 8, 1, "uint"),
}
LETTERS = {8: "B", 16: "H", 32: "I"}


class Kind:
    """What the records see of a dtype: w bits; F bits of fraction, 0 for integers."""

    def __init__(self, w, name, F=None):
        self.w, self.name = w, name
        self.F = {"bfloat": 7, "float": 23 if w == 32 else 10}.get(name, 0) if F is None else F
        self.is_float = self.F > 0
        self.largest_class = ((1 << (w - 1 - self.F)) - 1) + self.F if self.is_float else w

    def key(self):
        return (self.w, self.name)

    def shorter(self, zeros):
        """The floats that are left without their lowest bits."""
        return Kind(self.w - zeros, self.name, self.F - zeros) if zeros else self

    def split(self, bits):
        """The sign and the magnitude of an element."""
        sign = bits >> (self.w - 1)
        if self.is_float:
            return sign, bits & ((1 << (self.w - 1)) - 1)
        if self.name == "int" and sign:
            return 1, (1 << self.w) - bits
        return 0, bits

    def level(self, magnitude):
        F = self.F
        if self.is_float and magnitude >> F:
            return 2 * ((magnitude >> F) + F) + (magnitude >> (F - 1) & 1)
        b = magnitude.bit_length()
        return 2 * b + (magnitude >> (b - 2) & 1 if b >= 2 else 0)

    def order(self, bits):
        S = 1 << (self.w - 1)
        if not self.is_float:
            return bits
        return bits + S if bits < S else 2 * S - 1 - bits

    def unorder(self, order):
        S = 1 << (self.w - 1)
        if not self.is_float:
            return order
        return order - S if order >= S else 2 * S - 1 - order


class Tensor:
    """A tensor and its words."""

    def __init__(self, name, dtype, shape, data):
        self.name, self.dtype, self.shape = name, dtype, list(shape)
        self.code, w, per, kind = DTYPES[dtype]
        self.kind = Kind(w, kind)
        self.dims = self.shape + ([2] if per == 2 else [])
        self.words = list(struct.unpack(f"<{len(data) * 8 // w}{LETTERS[w]}", data))
        self.records = 0

    def bytes(self):
        return struct.pack(f"<{len(self.words)}{LETTERS[self.kind.w]}", *self.words)

    def description(self):
        name = self.name.encode()
        head = struct.pack("<I", len(name)) + name + bytes([self.code, len(self.shape)])
        return head + struct.pack(f"<{len(self.shape)}I", *self.shape)


def count_words(dtype, shape):
    return math.prod(shape) * DTYPES[dtype][2]


def count_bytes(dtype, shape):
    return count_words(dtype, shape) * DTYPES[dtype][1] // 8


def in_canonical_order(tensors):
    return sorted(tensors, key=lambda tensor: tensor.name.encode())


def layout(tensors):
    return xxh64(b"".join(tensor.description() for tensor in tensors)) & 0xFFFFFFFF


def fingerprint(tensors):
    def sha(data):
        return hashlib.sha256(data).digest()

    digests = b""
    for tensor in tensors:
        data = tensor.bytes()
        chunks = [data[at : at + (1 << 20)] for at in range(0, len(data), 1 << 20)]
        digests += sha(b"neural-diff tensor\n" + tensor.description() + b"".join(map(sha, chunks)))
    return sha(b"neural-diff model\n" + struct.pack("<I", len(tensors)) + digests)[:16]
