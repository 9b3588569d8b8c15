"""Corrupt a small JSON file in many ways, the same ones for the same seed."""

import copy
import json
import random

ABSURD = [
    None, True, -1, 0, 2.5, 10**30, 1e300, "", "text", "\u202e", [], {}, [None], {"a": 1},
    [1] * 50_000, "x" * 100_000, [2**24 - 1] * 60, [[1, 2]], {"x": "y"},
]  # fmt: skip
RAW = [b"NaN", b"1e999", b"9" * 5000, b"[" * 100_000 + b"]" * 100_000, b'"\xff"', b'"\\ud800"', b""]


def corruptions(content, n, seed=0):
    """n corrupted versions of some JSON: bits, bytes and lengths of the text, values and keys."""
    rng = random.Random(seed)
    for i in range(n):
        yield (_bytes if i % 3 == 0 else _values)(content, rng)


def corrupted_bytes(content, n, seed=0):
    """n corrupted versions of any text: bits, bytes and lengths."""
    rng = random.Random(seed)
    for _ in range(n):
        yield _bytes(content, rng)


def _bytes(content, rng):
    at = rng.randrange(len(content))
    match rng.randrange(4):
        case 0:
            flipped = content[at] ^ (1 << rng.randrange(8))
            return content[:at] + bytes([flipped]) + content[at + 1 :]
        case 1:
            return content[:at]
        case 2:
            return content[:at] + rng.randbytes(4) + content[at:]
        case _:
            return content[:at] + content[max(0, at - 20) :]


def _values(content, rng):
    document = copy.deepcopy(json.loads(content))
    parent, key = rng.choice(list(_places(document)))
    if isinstance(parent, dict) and rng.random() < 0.25:
        if rng.random() < 0.5:
            del parent[key]
        else:
            parent["unknown"] = rng.choice(ABSURD)
        return json.dumps(document).encode()
    if rng.random() < 0.3:
        parent[key] = "HERE"
        return json.dumps(document).encode().replace(b'"HERE"', rng.choice(RAW), 1)
    parent[key] = rng.choice(ABSURD)
    return json.dumps(document).encode()


def _places(node):
    keys = node.keys() if isinstance(node, dict) else range(len(node))
    for key in keys:
        yield node, key
        if isinstance(node[key], dict | list) and node[key]:
            yield from _places(node[key])
