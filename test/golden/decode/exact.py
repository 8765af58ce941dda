"""Exact records: differences at plain positions or in maps."""

import math

from coder import FAST, SLOW, Coder, contexts, read_tensors
from refusal import require

SLAB = 1 << 16


def log2(x):
    return x.bit_length() - 1


class Differences:
    """Coding of differences; sets of contexts by the difference before."""

    def __init__(self, coder):
        self.coder = coder
        self.signs = contexts(3, FAST)
        self.sets = [(contexts(14, FAST), contexts(32, FAST)) for _ in range(2)]
        self.was_large = 0
        self.begin_line()

    def begin_line(self):
        self.sign_before = 0

    def read(self, w):
        minus = self.coder.decision(self.signs[self.sign_before])
        m = self.coder.magnitude(*self.sets[self.was_large])
        self.sign_before, self.was_large = 1 + minus, int(m > 1)
        require(m < (1 << (w - 1)) + minus, "a difference beyond the bits of the dtype")
        return -m if minus else m


class Exact:
    """What the tensors of an exact record share."""

    def __init__(self, coder):
        self.coder = coder
        self.differences = Differences(coder)
        self.views = contexts(32, SLOW)
        self.places = contexts(4, SLOW)
        self.lines, self.elements = contexts(2, FAST), contexts(64, FAST)

    def read(self, tensor):
        """Yields position and difference of each element that changes."""
        require(tensor.words, "a tensor without elements")
        view = self.coder.number(self.views)
        if view == 0:
            yield from self.read_positions(tensor, self.coder.raw(5))
        else:
            yield from self.read_map(tensor, view)

    def read_positions(self, tensor, rice):
        self.differences.begin_line()
        unit, count, position = 1 << rice, len(tensor.words), 0
        while position < count:
            if self.coder.decision(self.places[0]):
                position += unit
                continue
            position += self.read_remainder(rice)
            require(position < count, "a position behind the last element")
            yield position, self.differences.read(tensor.kind.w)
            position += 1

    def read_remainder(self, rice):
        remainder, context = 0, 1
        for _ in range(min(2, rice)):
            bit = self.coder.decision(self.places[context])
            remainder, context = remainder << 1 | bit, 2 + bit
        rest = max(0, rice - 2)
        return remainder << rest | self.coder.raw(rest)

    def read_map(self, tensor, view):
        split = (view - 1) // 2
        require(split < max(1, len(tensor.dims)), "a split of a dimension too many")
        columns = math.prod(tensor.dims[split:])
        require(columns <= SLAB, "a row of more than 2^16 elements")
        rows = len(tensor.words) // columns
        height = min(rows, SLAB // columns)
        changes = [0] * columns
        for top in range(0, rows, height):
            here = min(height, rows - top)
            was_changed = 0
            if view % 2 == 0:
                changes = [0] * here
            for i in range(here if view % 2 else columns):
                if view % 2:
                    index, start, step, length = top + i, (top + i) * columns, 1, columns
                else:
                    index, start, step, length = i, top * columns + i, columns, here
                found = self.read_line(index, length, was_changed, changes, tensor.kind.w)
                was_changed = int(bool(found))
                yield from ((start + at * step, difference) for at, difference in found)

    def read_line(self, index, length, was_changed, changes, w):
        if length > 1 and not self.coder.decision(self.lines[was_changed]):
            return []
        self.differences.begin_line()
        found = []
        for i in range(length):
            before = changes[i]
            level = max(0, min(7, log2(i + 8) - log2(2 * len(found) + 1)))
            c = before if before < 2 else 2 if before < 8 else 3
            is_sure = length > 1 and i == length - 1 and not found
            context = self.elements[32 * (index >= 16) + 4 * level + c]
            if is_sure or self.coder.decision(context):
                changes[i] += 1
                found.append((i, self.differences.read(w)))
        return found


def apply_exact(data, tensors):
    coder = Coder(data)
    named = read_tensors(coder, tensors)
    record = Exact(coder)
    for tensor in named:
        kind, count = tensor.kind, 0
        for position, difference in record.read(tensor):
            order = (kind.order(tensor.words[position]) + difference) % (1 << kind.w)
            tensor.words[position] = kind.unorder(order)
            count += 1
        require(count, "a tensor of which no element changes")
    coder.end()
    return named
