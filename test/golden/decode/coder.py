"""The range coder, and the tensors that a record begins with."""

from refusal import require


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
