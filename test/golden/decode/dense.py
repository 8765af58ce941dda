"""Dense and set records."""

import math
import struct

from coder import FAST, SLOW, Context, Coder, contexts, read_tensors
from refusal import require


def read_scale(coder, before, numbers, lower, kind):
    d = coder.number(numbers)
    e = before + (d // 2 if d % 2 == 0 else -(d + 1) // 2)
    bits = coder.raw(3) << 4
    if coder.decision(lower):
        low = coder.raw(4)
        require(low, "four bits of 0 in a scale")
        bits |= low
    require(0 <= e <= 254, "a scale that is no number")
    scale = struct.unpack("<f", struct.pack("<I", e << 23 | bits << 16))[0]
    require(0 < scale <= 2.0**96, "a scale out of range")
    require(kind.is_float or (scale < 2**24 and scale == int(scale)), "a fraction for integers")
    return e, scale


def to_float32(value):
    try:
        return struct.unpack("<f", struct.pack("<f", value))[0]
    except OverflowError:
        return math.copysign(math.inf, value)


def add(kind, bits, value):
    """Adds a value to float32 and integers, other floats are not needed here."""
    if kind.is_float:
        require(kind.w == 32, "only float32 is read here")
        total = to_float32(struct.unpack("<f", struct.pack("<I", bits))[0] + value)
        return 0x7FC00000 if total != total else struct.unpack("<I", struct.pack("<f", total))[0]
    low, high = (-(1 << (kind.w - 1)), 1 << (kind.w - 1)) if kind.name == "int" else (0, 1 << kind.w)
    old = bits - (1 << kind.w) if bits >= high else bits
    return max(low, min(high - 1, old + int(value))) % (1 << kind.w)


def apply_dense(data, tensors):
    coder = Coder(data)
    named = read_tensors(coder, tensors)
    numbers, lower, before = contexts(32, SLOW), Context(SLOW), 127
    changed, sign, places, further = contexts(2, SLOW), Context(SLOW), contexts(14, SLOW), contexts(32, SLOW)
    last = 0
    for tensor in named:
        before, scale = read_scale(coder, before, numbers, lower, tensor.kind)
        for i, bits in enumerate(tensor.words):
            level = 0
            if coder.decision(changed[int(last != 0)]):
                minus = coder.decision(sign)
                level = coder.magnitude(places, further)
                require(level <= 127, "a dense level above 127")
                level = -level if minus else level
                tensor.words[i] = add(tensor.kind, bits, level * scale)
            last = level
    coder.end()
    return named


def apply_set(data, tensors):
    coder = Coder(data)
    named = read_tensors(coder, tensors)
    narrow, wide = contexts(256, FAST), contexts(512, FAST)
    for tensor in named:
        w = tensor.kind.w
        upper = min(9, w)
        for i in range(len(tensor.words)):
            c = 1
            for _ in range(upper):
                c = 2 * c + coder.decision((narrow if w == 8 else wide)[c])
            tensor.words[i] = (c - (1 << upper)) << (w - upper) | coder.raw(w - upper)
    coder.end()
    return named
