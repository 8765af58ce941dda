"""Offsets of rows and columns in delta records."""

import math

from coder import FAST, contexts
from refusal import require


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
