"""Delta records."""

import struct

from coder import FAST, Coder, contexts, read_tensors
from lines import KEPT, Lines, Offsets, unfold
from refusal import require
from tokens import list_tokens, read_frequencies

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
