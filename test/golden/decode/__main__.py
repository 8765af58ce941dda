"""A second decoder of payloads with delta records and of payloads that make files, from docs/FORMAT.md alone.

    python3 decode FOLDER...

For each folder of the conformance kit it prints a line: the path, a tab, and what the payload makes of the
base in facts.json. That is the fingerprint of the model; of files, JSON with the SHA-256 of each and, where
this decoder can open the main file, the fingerprint; or `refused: ` with the code and why. It reads delta,
dense, set and exact records and records of files, and skips those of later versions. It does not check that
msgpack values are of the allowed types and in their shortest form.
"""

import hashlib
import json
import sys
from pathlib import Path

from delta import apply_delta
from dense import apply_dense, apply_set
from exact import apply_exact
from files import FilesRecord
from making import Making
from model import Tensor, fingerprint, in_canonical_order, layout
from payload import FILES, open_payload
from refusal import Refused, require, require_limit

DELTA = 8
APPLIERS = {3: apply_dense, 4: apply_exact, 5: apply_set, DELTA: apply_delta}
MAX_OPEN, MAX_PASSES = 4, 16


def spelt(described):
    if isinstance(described, str):
        return bytes.fromhex(described)
    data = bytearray(described["length"])
    for offset, digits in described["runs"].items():
        run = bytes.fromhex(digits)
        data[int(offset) : int(offset) + len(run)] = run
    return bytes(data)


def read_model(described):
    tensors = (Tensor(t["name"], t["dtype"], t["shape"], spelt(t["bytes"])) for t in described["tensors"])
    return in_canonical_order(tensors)


def apply_records(records, tensors):
    spans = []
    for kind, record in records:
        require(kind in APPLIERS, f"records of kind {kind} are not read here", "unsupported-version")
        named = APPLIERS[kind](record, tensors)
        for tensor in named:
            tensor.records += 1
            require_limit(tensor.records <= MAX_PASSES, "more than 16 records of a tensor")
        if kind == DELTA:
            places = [tensors.index(tensor) for tensor in named]
            spans.append((places[0], places[-1]))
    check_open(spans, len(tensors))


def check_open(spans, count):
    """At any tensor no more than 4 delta records have both this one or one before, and this one or one behind."""
    for at in range(count):
        open_there = sum(first <= at <= last for first, last in spans)
        require_limit(open_there <= MAX_OPEN, "too many open delta records")


def decode(payload, tensors, structure):
    (base, following, of_layout, _, _), records = open_payload(payload)
    require(layout(tensors) == of_layout, "another layout", "wrong-layout")
    makes_files = records and records[0][0] == FILES
    record = FilesRecord(records[0][1], tensors) if makes_files else None
    require(fingerprint(tensors) == base, "another base", "wrong-base")
    if record:
        making = Making(record, structure)
        apply_records(records[1:], making.frame)
        return describe(*making.finish(following), following)
    apply_records(records, tensors)
    made = fingerprint(tensors)
    require(made == following, "another result", "result-mismatch")
    return made.hex()


def describe(made, is_opened, following):
    files = [{"path": path, "sha256": hashlib.sha256(data).hexdigest()} for path, data in made.items()]
    described = {"fingerprint": following.hex(), "files": files} if is_opened else {"files": files}
    return json.dumps(described, ensure_ascii=False, separators=(",", ":"))


def main(folders):
    sys.stdout.reconfigure(encoding="utf-8")
    for folder in map(Path, folders):
        facts = json.loads((folder / "facts.json").read_text("utf-8"))
        model = facts.get("base") or facts["model"]
        structure = bytes.fromhex(model.get("structure", ""))
        try:
            line = decode((folder / "payload.ndiff").read_bytes(), read_model(model), structure)
        except Refused as error:
            line = f"refused: {error}"
        print(folder, line, sep="\t")


main(sys.argv[1:])
