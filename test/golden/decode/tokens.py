"""Tokens of delta records, and their frequencies."""

from coder import FAST, contexts
from refusal import require


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
