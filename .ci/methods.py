#!/usr/bin/env python3
"""A public trait has at most six methods: what needs more is two traits, or wants a request struct."""

import sys

from rust_source import ROOT, closing, files, tokens

MOST = 6


def traits(found):
    """Each public trait with its number of methods."""
    for position, token in enumerate(found):
        if token == "trait" and found[position - 1] == "pub":
            start = found.index("{", position)
            depth = methods = 0
            for inner in found[start : closing(found, start)]:
                depth += (inner == "{") - (inner == "}")
                methods += inner == "fn" and depth == 1
            yield found[position + 1], methods


assert list(traits(tokens("pub trait A { fn a(&self) { fn b() {} } fn c(&self); } trait B { fn d(); }"))) == [("A", 2)]

seen = [
    (f"{path.relative_to(ROOT)}: `{name}`", methods)
    for path, _ in files()
    for name, methods in traits(tokens(path.read_text(encoding="utf-8")))
]
if wrong := [f"{name} has {methods} methods; at most {MOST}" for name, methods in seen if methods > MOST]:
    sys.exit("\n".join(wrong))
print(f"methods: {len(seen)} public traits, at most {max((m for _, m in seen), default=0)} methods each")
