"""The parts of a payload: magic, header, records, checksum."""

from refusal import require
from xxh64 import xxh64

FILES = 9


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


def read_record(payload, at):
    record, at = read_msgpack(payload, at)
    if isinstance(record, list):
        require(len(record) >= 2 and all(record), "a record in parts of which one is empty, or in one")
        record = b"".join(record)
    return record, at


def open_payload(payload):
    """The header and the records, each with its kind; those of later versions are left out."""
    require(payload[:7] == b"\xa6ndiff1", "no payload of format 1", "not-a-payload")
    require(payload[-10:-8] == b"\xc4\x08", "no checksum at the end")
    require(payload[-8:] == xxh64(payload[:-10]).to_bytes(8, "big"), "another checksum")
    header, at = read_msgpack(payload, 7)
    require(len(header) == 5, "a header of other than five values is not read here")
    kinds, records = header[3], []
    for index, kind in enumerate(kinds):
        record, at = read_record(payload, at)
        require(kind != FILES or index == 0, "a record of files behind another record")
        if not 64 <= kind < 128:
            records.append((kind, record))
    require(at + 10 == len(payload), "records that do not end at the checksum")
    return header, records
