"""Records of files."""

import hashlib

from coder import SLOW, Coder, contexts
from model import DTYPES, count_bytes, count_words
from paths import check_together, read_path
from refusal import require, require_limit
from structure import Structure

MAX_FILES, MAX_PATH, MAX_BYTES, MAX_STRUCTURE = 1 << 12, 1 << 10, 1 << 40, 1 << 26
MAX_TENSORS, MAX_RANK, MAX_ELEMENTS = 1 << 16, 8, (1 << 32) - 1
NAMES = {code: dtype for dtype, (code, *_) in DTYPES.items()}


class File:
    def __init__(self, coder, numbers):
        length = 1 + coder.number(numbers)
        require_limit(length <= MAX_PATH, "a path of more than 2^10 bytes")
        self.path = read_path(read_bytes(coder, length))
        self.bytes = coder.raw(16) << 32 | coder.raw(32)
        self.sha256 = read_bytes(coder, 32)


def read_bytes(coder, count):
    return bytes(coder.raw(8) for _ in range(count))


def read_files(coder):
    numbers = contexts(32, SLOW)
    count = 1 + coder.number(numbers)
    require_limit(count <= MAX_FILES, "more than 2^12 files")
    files = [File(coder, numbers) for _ in range(count)]
    require_limit(sum(file.bytes for file in files) <= MAX_BYTES, "files of more than 2^40 bytes")
    check_together([file.path for file in files])
    return files


class Needed:
    """The base's structure, where a record needs it."""

    def __init__(self, coder):
        self.is_needed = coder.raw(1)
        if self.is_needed:
            self.length, self.digest = coder.raw(32), read_bytes(coder, 16)
            require_limit(self.length <= MAX_STRUCTURE, "a structure of the base of more than 2^26 bytes")

    def check(self, structure):
        """The structure that is needed: no bytes where it is not."""
        if not self.is_needed:
            return b""
        require(self.length == len(structure), "a structure of another length", "wrong-base")
        digest = hashlib.sha256(structure).digest()[:16]
        require(self.digest == digest, "a structure of another digest", "wrong-base")
        return structure


class FrameTensor:
    """A tensor of the new files: the gap before it, its source in the base, dtype and shape."""

    def __init__(self, gap, source, dtype, shape):
        self.gap, self.source, self.dtype, self.shape = gap, source, dtype, shape
        self.length = count_bytes(dtype, shape)


class FrameCoding:
    def __init__(self, coder, base):
        self.coder, self.base, self.expected = coder, base, 0
        self.flags = contexts(3, SLOW)
        self.gaps, self.sources, self.dtypes, self.ranks, self.sizes = (contexts(32, SLOW) for _ in range(5))

    def read(self):
        coder, source, is_same = self.coder, None, 0
        gap = coder.number(self.gaps)
        if coder.decision(self.flags[0]):
            source = self.read_source()
            is_same = coder.decision(self.flags[2])
        if is_same:
            dtype, shape = source.dtype, source.shape
        else:
            dtype, shape = self.read_type()
        require(0 < count_words(dtype, shape) <= MAX_ELEMENTS, "a tensor of no or too many elements")
        return FrameTensor(gap, source, dtype, shape)

    def read_source(self):
        is_before = self.coder.decision(self.flags[1])
        distance = self.coder.number(self.sources)
        index = self.expected + (-distance if is_before else distance)
        require(0 <= index < len(self.base), "a source that the base does not have")
        self.expected = index + 1
        return self.base[index]

    def read_type(self):
        code = self.coder.number(self.dtypes)
        require(code in NAMES, "a dtype that is not known")
        rank = self.coder.number(self.ranks)
        require_limit(rank <= MAX_RANK, "more than 8 dimensions")
        return NAMES[code], [self.coder.number(self.sizes) for _ in range(rank)]


def read_frame(coder, base, total):
    """The tensors of the frame, and the bytes that are left for structure."""
    count = coder.raw(17)
    require_limit(count <= MAX_TENSORS, "more than 2^16 tensors")
    coding, tensors, left, in_tensors = FrameCoding(coder, base), [], total, 0
    for _ in range(count):
        tensor = coding.read()
        left -= tensor.gap + tensor.length
        in_tensors += tensor.length
        require(left >= 0, "tensors and gaps of more bytes than the files")
        tensors.append(tensor)
    return tensors, total - in_tensors


class FilesRecord:
    """The files, the tensors of the frame, and the structure of the files, which is read on its own."""

    def __init__(self, data, base):
        self.coder = Coder(data)
        self.files = read_files(self.coder)
        self.needed = Needed(self.coder)
        total = sum(file.bytes for file in self.files)
        self.tensors, self.in_structure = read_frame(self.coder, base, total)
        require_limit(self.in_structure <= MAX_STRUCTURE, "a structure of more than 2^26 bytes")

    def read_structure(self, of_base):
        structure = Structure(self.coder, self.needed.check(of_base), self.in_structure).read()
        self.coder.end()
        return structure
