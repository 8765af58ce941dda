"""XXH64 with seed 0 (xxHash fast digest algorithm, specification 0.1.1)."""

import struct

MASK = (1 << 64) - 1
P1, P2, P3 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9
P4, P5 = 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5


def rotate(x, count):
    return (x << count | x >> (64 - count)) & MASK


def mix(lane, value):
    return rotate((lane + value * P2) & MASK, 31) * P1 & MASK


def long_part(data):
    """The state after all whole stripes of 32 bytes."""
    lanes = [(P1 + P2) & MASK, P2, 0, -P1 & MASK]
    for stripe in struct.iter_unpack("<4Q", data[: len(data) & ~31]):
        lanes = [mix(lane, value) for lane, value in zip(lanes, stripe)]
    h = sum(rotate(lane, count) for lane, count in zip(lanes, (1, 7, 12, 18))) & MASK
    for lane in lanes:
        h = ((h ^ mix(0, lane)) * P1 + P4) & MASK
    return h


def xxh64(data):
    h = long_part(data) if len(data) >= 32 else P5
    h = (h + len(data)) & MASK
    rest = data[len(data) & ~31 :]
    at = 0
    while at + 8 <= len(rest):
        h = (rotate(h ^ mix(0, int.from_bytes(rest[at : at + 8], "little")), 27) * P1 + P4) & MASK
        at += 8
    if at + 4 <= len(rest):
        h = (rotate(h ^ int.from_bytes(rest[at : at + 4], "little") * P1 & MASK, 23) * P2 + P3) & MASK
        at += 4
    for byte in rest[at:]:
        h = rotate(h ^ byte * P5 & MASK, 11) * P1 & MASK
    h = (h ^ h >> 33) * P2 & MASK
    h = (h ^ h >> 29) * P3 & MASK
    return h ^ h >> 32
