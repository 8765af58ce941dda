"""Paths of the files that a payload makes."""

import re
import unicodedata

from refusal import require

OF_UPDATES = re.compile(r"\.(undo|lock|clearing|updates|crswap)(\.[0-9]+\.[0-9a-f]{8})?\Z|\A\..*\.tmp\Z", re.S)


def read_path(data):
    try:
        path = data.decode()
    except UnicodeDecodeError:
        require(False, "a path that is not UTF-8")
    require("\ufeff" not in path, "a path with U+FEFF")
    for part in path.split("/"):
        require(part.strip(". "), "a part of a path that is no name", "unsafe-path")
        require(not OF_UPDATES.search(fold(part)), "a name that updates use", "unsafe-path")
    require(not set(path) & set('\\\0:?*<>|"'), "a character that paths must not have", "unsafe-path")
    return path


def fold(path):
    """A path as file systems compare it that ignore case, forms of Unicode, and dots behind a name."""
    lower = unicodedata.normalize("NFKC", path).lower()
    return "/".join(part.rstrip(". ") for part in lower.split("/"))


def check_together(paths):
    folded = set(map(fold, paths))
    require(len(folded) == len(paths), "two files of one path")
    for path in folded:
        parts = path.split("/")
        for count in range(1, len(parts)):
            require("/".join(parts[:count]) not in folded, "a path through another file")
