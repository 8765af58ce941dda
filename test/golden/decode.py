"""A second decoder of payloads with delta records, written from docs/FORMAT.md alone.

    python3 decode.py FOLDER...

For each folder of the conformance kit it prints a line: the path, a tab, and the fingerprint of the model
that the payload makes of the base in facts.json, or `refused: ` and why. It reads delta, dense and set
records and skips those of later versions. The checksum and the subset of msgpack are not checked.
"""

import hashlib
import json
import math
import struct
import sys
from pathlib import Path


class Refused(Exception):
    """The payload breaks a rule of the format."""


def require(condition, rule):
    if not condition:
        raise Refused(rule)


# Tensors

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
    def __init__(self, described):
        self.name, self.dtype = described["name"], described["dtype"]
        self.shape = described["shape"]
        self.code, w, per, name = DTYPES[self.dtype]
        self.kind = Kind(w, name)
        self.dims = self.shape + ([2] if per == 2 else [])
        self.words = list(self.unpack(spelt(described["bytes"])))
        self.records = 0

    def unpack(self, data):
        return struct.unpack(f"<{len(data) * 8 // self.kind.w}{LETTERS[self.kind.w]}", data)

    def bytes(self):
        return struct.pack(f"<{len(self.words)}{LETTERS[self.kind.w]}", *self.words)

    def description(self):
        name = self.name.encode()
        head = struct.pack("<I", len(name)) + name + bytes([self.code, len(self.shape)])
        return head + struct.pack(f"<{len(self.shape)}I", *self.shape)


def spelt(described):
    if isinstance(described, str):
        return bytes.fromhex(described)
    data = bytearray(described["length"])
    for offset, digits in described["runs"].items():
        run = bytes.fromhex(digits)
        data[int(offset) : int(offset) + len(run)] = run
    return bytes(data)


def fingerprint(tensors):
    def sha(data):
        return hashlib.sha256(data).digest()

    digests = b""
    for tensor in tensors:
        data = tensor.bytes()
        chunks = [data[at : at + (1 << 20)] for at in range(0, len(data), 1 << 20)]
        digests += sha(b"neural-diff tensor\n" + tensor.description() + b"".join(map(sha, chunks)))
    return sha(b"neural-diff model\n" + struct.pack("<I", len(tensors)) + digests)[:16]


# Frame

def read_msgpack(data, at):
    """One value at a position, and the position behind it."""
    first = data[at]
    at += 1
    if first < 0x80:
        return first, at
    if first < 0x90:
        return read_list(data, at, 2 * (first & 15))
    if first < 0xA0:
        return read_list(data, at, first & 15)
    if first < 0xC0:
        return data[at : at + (first & 31)], at + (first & 31)
    sizes = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xCC: 1, 0xCD: 2, 0xCE: 4, 0xD9: 1, 0xDA: 2, 0xDC: 2, 0xDE: 2}
    require(first in sizes, "a type that msgpack has and the format has not")
    size = sizes[first]
    n = int.from_bytes(data[at : at + size], "big")
    at += size
    if first in (0xCC, 0xCD, 0xCE):
        return n, at
    if first in (0xDC, 0xDE):
        return read_list(data, at, n if first == 0xDC else 2 * n)
    return data[at : at + n], at + n


def read_list(data, at, count):
    values = []
    for _ in range(count):
        value, at = read_msgpack(data, at)
        values.append(value)
    return values, at


# Coder

class Context:
    def __init__(self, limit):
        self.ones, self.zeros, self.limit = 1, 1, limit


def contexts(count, limit):
    return [Context(limit) for _ in range(count)]


SLOW, FAST = 1 << 14, 1 << 10


class Coder:
    def __init__(self, data):
        self.data, self.at = data, 0
        self.range, self.code = 1 << 30, 0
        for _ in range(4):
            self.code = self.code << 8 | self.byte()
        require(self.code < 1 << 30, "a first code of 2^30 and above")

    def byte(self):
        self.at += 1
        return self.data[self.at - 1] if self.at <= len(self.data) else 0

    def refill(self):
        while self.range < 1 << 22:
            self.range <<= 8
            self.code = self.code << 8 | self.byte()

    def decision(self, context):
        bound = self.range // (context.ones + context.zeros) * context.ones
        bit = self.code < bound
        if bit:
            self.range = bound
            context.ones += 2
        else:
            self.code -= bound
            self.range -= bound
            context.zeros += 2
        if context.ones + context.zeros > context.limit:
            context.ones = context.ones >> 1 | 1
            context.zeros = context.zeros >> 1 | 1
        self.refill()
        return int(bit)

    def raw(self, width):
        if width > 16:
            upper = self.raw(width - 16)
            return upper << 16 | self.raw(16)
        if width == 0:
            return 0
        step = self.range >> width
        last = (1 << width) - 1
        value = min(self.code // step, last)
        self.code -= value * step
        self.range = self.range - value * step if value == last else step
        self.refill()
        return value

    def number(self, places):
        k = 0
        while k < 32 and self.decision(places[k]):
            k += 1
        n = (1 << k | self.raw(k)) - 1
        require(n < 1 << 32, "a number of 2^32 and above")
        return n

    def magnitude(self, places, numbers):
        for i in range(1, 15):
            if not self.decision(places[i - 1]):
                return i
        return 15 + self.number(numbers)

    def end(self):
        require(self.at >= len(self.data), "bytes behind the last decision")
        require(not self.data or self.data[-1] != 0, "a last byte of 0")


def read_tensors(coder, tensors):
    places, history = contexts(12, SLOW), [0, 0, 0]
    named = []
    for tensor in tensors:
        r = min(len(tensor.dims), 2)
        has = coder.decision(places[4 * r + history[r]])
        history[r] = (2 * history[r] + has) & 3
        if has:
            named.append(tensor)
    require(named, "a record on no tensor")
    return named


# Dense and set records

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


# Delta records

SMALL, SEGMENT, SHARED = 1 << 12, 1 << 18, 1 << 16


class Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        require(self.at + count <= len(self.data), "a cut record")
        self.at += count
        return self.data[self.at - count : self.at]

    def length(self):
        n, shift = 0, 0
        while True:
            byte = self.take(1)[0]
            n |= (byte & 127) << shift
            require(n < 1 << 32, "a length of 2^32 and above")
            if byte < 128:
                require(byte != 0 or shift == 0, "a length that is not the shortest")
                return n
            shift += 7
            require(shift < 35, "a length of 2^32 and above")


class Part:
    """Elements from `start` to `end` of a tensor, in a segment."""

    def __init__(self, tensor, start, end):
        self.tensor, self.start, self.end = tensor, start, end


def cut_segments(named):
    segments = []
    for i, tensor in enumerate(named):
        n = len(tensor.words)
        if n >= SMALL:
            segments += [[Part(tensor, s, min(n, s + SEGMENT))] for s in range(0, n, SEGMENT)]
            continue
        before = named[i - 1] if i else None
        if before and len(before.words) < SMALL and before.kind.key() == tensor.kind.key():
            if sum(part.end for part in segments[-1]) + n <= SHARED:
                segments[-1].append(Part(tensor, 0, n))
                continue
        segments.append([Part(tensor, 0, n)])
    return segments


def unfold(n):
    return n // 2 if n % 2 == 0 else -(n + 1) // 2


KEPT = None


class Offsets:
    """Contexts of the offsets of rows, or of columns."""

    def __init__(self, coder, new, step):
        self.coder, self.new, self.step = coder, new, step
        self.kept, self.places, self.numbers = contexts(2, FAST), contexts(14, FAST), contexts(32, FAST)

    def read(self, count):
        offsets, last, was_kept = [], 0, 0
        for _ in range(count):
            if not self.new:
                was_kept = self.coder.decision(self.kept[was_kept])
                if was_kept:
                    offsets.append(KEPT)
                    continue
            last += unfold(self.coder.magnitude(self.places, self.numbers) - 1) * self.step
            require(abs(last) <= 1 << 12, "an offset out of range")
            offsets.append(last)
        return offsets


class Lines:
    def __init__(self, coder, tensor):
        self.split = coder.raw(3)
        require(self.split < max(1, len(tensor.dims)), "a split of a dimension too many")
        self.step = coder.raw(3) + 1
        self.row = math.prod(tensor.dims[self.split :])
        require(self.row <= 1 << 18, "too many columns")
        self.columns = None


class Token:
    def __init__(self, sign, magnitude, width):
        self.sign, self.magnitude, self.width = sign, magnitude, width


def integer_token(c, h, sign):
    """The smallest magnitude of class c with h below its highest bit; none for h of 1 in class 1."""
    if c == 1:
        return None if h else Token(sign, 1, 0)
    return Token(sign, (2 | h) << (c - 2), c - 2)


def list_tokens(kind, new, top):
    """The tokens of a segment; None for numbers that are no tokens."""
    if kind.w == 8:
        return [Token(0, t, 0) for t in range(256)]
    tokens = [None] * 256
    signs = [0] if new and kind.name == "uint" else [0, 1]
    for s in signs:
        if new:
            tokens[s] = Token(s, 0, 0)
            if kind.is_float:
                tokens[2 + s] = Token(s, 0, kind.w - 1)
        else:
            tokens[0] = Token(0, 0, 0)
        for c in range(1, (kind.largest_class if new else kind.w) + 1):
            place = c - top + 62 if new else c
            if not 1 <= place <= 62:
                continue
            for h in (0, 1):
                if new and kind.is_float and c > kind.F:
                    token = Token(s, (c - kind.F) << kind.F | h << (kind.F - 1), kind.F - 1)
                else:
                    token = integer_token(c, h, s)
                tokens[4 * place + 2 * h + s] = token
    return tokens


def read_frequencies(coder, tokens, count, last, precision):
    same, places = contexts(2, FAST), contexts(224, FAST)
    before, was_same, own, tables = None, 0, None, []
    for index in range(count):
        if index:
            was_same = coder.decision(same[was_same])
            if was_same:
                tables.append(tables[-1])
                continue
        widths, weights = [0] * 256, [0] * 256
        for t in range(last + 1):
            if tokens[t] is None:
                continue
            if own is None:
                n = widths[t - 4] if t >= 4 else 0
            else:
                n = own[t]
            m = 1
            for _ in range(4):
                m = 2 * m + coder.decision(places[16 * n + m])
            bits = m - 16
            require(bits <= 13, "a weight of more than 13 bits")
            widths[t] = bits
            if bits:
                follow = min(precision, bits - 1)
                weights[t] = (1 << follow | coder.raw(follow)) << (bits - 1 - follow)
        own = widths
        tables.append(slots_of(weights))
    return tables


def slots_of(weights):
    """For each of 4,096 slots the token, its frequency and the begin of its range."""
    total = sum(weights)
    require(total, "a context without tokens")
    frequencies = [max(1, weight * 4096 // total) if weight else 0 for weight in weights]
    largest = frequencies.index(max(frequencies))
    frequencies[largest] += 4096 - sum(frequencies)
    require(frequencies[largest] >= 1, "a largest frequency below 1")
    slots, begin = [], 0
    for t, frequency in enumerate(frequencies):
        slots += [(t, frequency, begin)] * frequency
        begin += frequency
    return slots


class Head:
    def __init__(self, data, parts, known):
        coder = Coder(data)
        tensor = parts[0].tensor
        self.zeros = coder.raw(5) if tensor.kind.is_float and tensor.kind.w == 32 else 0
        require(self.zeros <= 22, "too many zeros")
        kind = self.kind = tensor.kind.shorter(self.zeros)
        self.new, self.based = coder.raw(1), coder.raw(1)
        self.lines, self.rows = None, None
        if coder.raw(1):
            require(len(tensor.words) >= SMALL, "lines in a segment of small tensors")
            self.read_lines(coder, parts[0], known)
        shared = contexts(32, FAST)
        self.origin = unfold(coder.number(shared))
        require(abs(self.origin) <= 8750, "an origin out of range")
        top = 62
        if self.new and kind.is_float:
            top = coder.number(shared)
            require(top <= kind.largest_class, "a top above the classes of the dtype")
        precision = coder.raw(2)
        self.contexts = coder.raw(6) + 1
        last = coder.raw(8)
        self.tokens = list_tokens(kind, self.new, top)
        self.tables = read_frequencies(coder, self.tokens, self.contexts, last, precision)
        coder.end()

    def read_lines(self, coder, part, known):
        tensor = part.tensor
        if tensor in known and coder.raw(1):
            self.lines = known[tensor]
            require(not (self.new and KEPT in self.lines.columns), "new elements in kept columns")
        else:
            self.lines = Lines(coder, tensor)
            self.lines.columns = Offsets(coder, self.new, self.lines.step).read(self.lines.row)
        known[tensor] = self.lines
        row = self.lines.row
        self.first = part.start // row
        count = (part.end - 1) // row + 1 - self.first
        self.rows = Offsets(coder, self.new, self.lines.step).read(count)


class Bits:
    """Raw bits, the lowest of each byte first."""

    def __init__(self, data):
        self.value, self.left = int.from_bytes(data, "little"), 8 * len(data)
        self.at, self.data = 0, data

    def take(self, width):
        require(self.at + width <= self.left, "too few raw bits")
        first, last = self.at >> 3, (self.at + width + 7) >> 3
        value = int.from_bytes(self.data[first:last], "little") >> (self.at & 7)
        self.at += width
        return value & ((1 << width) - 1)

    def end(self):
        require(self.at > self.left - 8, "raw bytes left over")
        require(self.take(self.left - self.at) == 0, "raw bits that are not 0 at the end")


def read_segment(cursor, parts, known):
    elements = sum(part.end - part.start for part in parts)
    head_bytes, words, raw_bytes = cursor.length(), cursor.length(), cursor.length()
    require(words <= elements, "more halves than elements")
    require(raw_bytes <= 4 * elements, "more raw bytes than elements take")
    head = Head(cursor.take(head_bytes), parts, known)
    states = list(struct.unpack("<8I", cursor.take(32)))
    require(all(1 << 15 <= x < 1 << 31 for x in states), "a state out of range")
    halves = struct.unpack(f"<{words}H", cursor.take(2 * words))
    raw, taken, index = Bits(cursor.take(raw_bytes)), 0, 0
    for part in parts:
        part.tensor.words[part.start : part.end] = [w >> head.zeros for w in part.tensor.words[part.start : part.end]]
        for at in range(part.start, part.end):
            lane = index & 7
            index += 1
            context = context_of(head, part.tensor, at)
            if context is KEPT:
                continue
            x = states[lane]
            slot = x & 4095
            t, frequency, begin = head.tables[context][slot]
            x = frequency * (x >> 12) + slot - begin
            if x < 1 << 15:
                require(taken < words, "too few halves")
                x = x << 16 | halves[taken]
                taken += 1
            states[lane] = x
            change(head, part.tensor, at, t, raw)
    for part in parts:
        part.tensor.words[part.start : part.end] = [w << head.zeros for w in part.tensor.words[part.start : part.end]]
    require(taken == words, "halves left over")
    raw.end()
    require(all(x == 1 << 15 for x in states), "a final state that is not 2^15")


def context_of(head, tensor, at):
    offset = 0
    if head.lines:
        row = head.rows[at // head.lines.row - head.first]
        column = head.lines.columns[at % head.lines.row]
        if row is KEPT or column is KEPT:
            return KEPT
        offset = row + column
    level = head.kind.level(head.kind.split(tensor.words[at])[1]) if head.based else 0
    return max(0, min(head.contexts - 1, level + offset - head.origin))


def change(head, tensor, at, t, raw):
    token, kind, bits = head.tokens[t], head.kind, tensor.words[at]
    m = token.magnitude + raw.take(token.width)
    modulus = 1 << kind.w
    if not head.new:
        minus = token.sign != kind.split(bits)[0]
        tensor.words[at] = kind.unorder((kind.order(bits) + (-m if minus else m)) % modulus)
    elif kind.is_float:
        tensor.words[at] = token.sign << (kind.w - 1) | m
    else:
        tensor.words[at] = (-m if token.sign else m) % modulus


def apply_delta(data, tensors):
    cursor = Cursor(data)
    coder = Coder(cursor.take(cursor.length()))
    named = read_tensors(coder, tensors)
    coder.end()
    for tensor in named:
        require(tensor.words, "a tensor without elements")
        require(tensor.records == 0, "a record before the delta record of the tensor")
    known = {}
    for parts in cut_segments(named):
        read_segment(cursor, parts, known)
    require(cursor.at == len(data), "bytes behind the last segment")
    return named


# Payload

READERS = {3: apply_dense, 5: apply_set, 8: apply_delta}
MAX_OPEN = 4


def check_open(spans, count):
    """At any tensor no more than 4 delta records have both this one or one before, and this one or one behind."""
    for at in range(count):
        require(sum(first <= at <= last for first, last in spans) <= MAX_OPEN, "too many open delta records")


def decode(payload, described):
    require(payload[:7] == b"\xa6ndiff1", "no payload of format 1")
    (base, following, _, kinds, _), at = read_msgpack(payload, 7)
    tensors = sorted(map(Tensor, described), key=lambda tensor: tensor.name.encode())
    require(fingerprint(tensors) == base, "another base")
    spans = []
    for kind in kinds:
        record, at = read_msgpack(payload, at)
        if isinstance(record, list):
            require(len(record) >= 2 and all(record), "a record in parts of which one is empty, or in one")
            record = b"".join(record)
        if 64 <= kind < 128:
            continue
        require(kind in READERS, f"records of kind {kind} are not read here")
        named = READERS[kind](record, tensors)
        for tensor in named:
            tensor.records += 1
        if kind == 8:
            places = [tensors.index(tensor) for tensor in named]
            spans.append((places[0], places[-1]))
    require(at + 10 == len(payload), "no checksum at the end")
    check_open(spans, len(tensors))
    made = fingerprint(tensors)
    require(made == following, "another result")
    return made.hex()


def main(folders):
    for folder in map(Path, folders):
        facts = json.loads((folder / "facts.json").read_text())
        model = facts.get("base") or facts["model"]
        try:
            line = decode((folder / "payload.ndiff").read_bytes(), model["tensors"])
        except Refused as error:
            line = f"refused: {error}"
        print(folder, line, sep="\t")


main(sys.argv[1:])
