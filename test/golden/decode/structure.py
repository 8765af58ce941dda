"""The structure of files: bytes, matches and runs of numbers."""

from coder import FAST, Context, contexts
from refusal import require

MAX_COUNT = 4096


class Structure:
    """Reads the structure of the new files, next to that of the base."""

    def __init__(self, coder, base, length):
        self.coder = coder
        self.H, self.in_base, self.end = bytearray(base), len(base), len(base) + length
        self.source, self.next, self.difference = 0, 0, 0
        self.kinds, self.sign = contexts(6, FAST), Context(FAST)
        self.seeks, self.distances, self.repeats, self.lengths, self.counts = (
            contexts(32, FAST) for _ in range(5)
        )
        self.trees = [None] * (2 * 256 + 7)

    def read(self):
        m = 0
        while len(self.H) < self.end:
            if not self.coder.decision(self.kinds[m]):
                self.read_byte()
                m = 0
                continue
            if self.coder.decision(self.kinds[5]):
                self.read_numbers()
            else:
                self.read_match(m)
            m = 1
        return bytes(self.H[self.in_base :])

    def read_tree(self, index):
        if self.trees[index] is None:
            self.trees[index] = contexts(256, FAST)
        tree, n = self.trees[index], 1
        for _ in range(8):
            n = 2 * n + self.coder.decision(tree[n])
        return n - 256

    def read_byte(self):
        if self.source < self.in_base:
            self.difference = self.read_tree(self.difference)
            byte = (self.H[self.source] + self.difference) % 256
        else:
            byte = self.read_tree(256 + (self.H[-1] if self.H else 0))
        self.H.append(byte)
        self.advance(1)

    def advance(self, count):
        self.source += count
        self.next += count

    def read_match(self, m):
        at = len(self.H)
        if self.coder.decision(self.kinds[2 + m]):
            place, length = self.source, 1 + self.coder.number(self.repeats)
        else:
            place = self.read_place(at)
            length = 4 + self.coder.number(self.lengths)
        require(0 <= place < at, "a match that begins in no byte before")
        require(length <= self.end - at, "a match of more bytes than are left")
        for i in range(place, place + length):
            self.H.append(self.H[i])
        if place < self.in_base:
            self.next = place
        self.source = place
        self.advance(length)
        self.difference = 0

    def read_place(self, at):
        if self.in_base and self.coder.decision(self.kinds[4]):
            minus = self.coder.decision(self.sign)
            seek = self.coder.number(self.seeks)
            return self.next - seek if minus else self.next + seek
        return at - 1 - self.coder.number(self.distances)

    def read_numbers(self):
        power = self.coder.raw(2)
        require(power < 3, "numbers of 8 bytes")
        w = 1 << power
        count = 1 + self.coder.number(self.counts)
        require(count <= MAX_COUNT, "a run of more than 4,096 numbers")
        require(w * count <= self.end - len(self.H), "a run of more bytes than are left")
        number = 0
        for _ in range(count):
            difference = sum(self.read_tree(512 + w - 1 + i) << (8 * i) for i in range(w))
            number = (number + difference) % (1 << (8 * w))
            self.H += number.to_bytes(w, "little")
        self.advance(w * count)
        self.difference = 0
