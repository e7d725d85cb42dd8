#!/usr/bin/env python3
"""A module uses only what stands below it. Reads every `crate::` and `super::` path in src.

`layers.py` checks the crate, `layers.py --self-test` proves that the check can fail."""

import sys
import tempfile
from pathlib import Path

from rust_source import ROOT, files, tokens

# What each module of the crate may use, besides itself, from the bottom up. A new module is added here first.
VOCABULARY = {"error", "name", "secret", "record"}
CONTRACT = VOCABULARY | {"host", "spec"}
BELOW_BACKENDS = CONTRACT | {"expr", "dataset", "lookup", "destination", "authorization", "connection", "schedule"}
MAY_USE = {
    "error": set(),
    "name": {"error"},
    "secret": set(),
    "record": {"error"},
    "spec": VOCABULARY,
    "expr": VOCABULARY | {"spec"},
    "host": VOCABULARY,
    # Contracts know each other only where one is made of the other.
    "dataset": CONTRACT,
    "lookup": CONTRACT | {"dataset"},
    "destination": CONTRACT | {"lookup"},
    "authorization": CONTRACT,
    # Pure: it knows no port of the host, and no clock.
    "schedule": VOCABULARY | {"spec"},
    "connection": CONTRACT | {"authorization", "dataset", "destination", "lookup"},
    # Wrappers over the contracts.
    "policy": BELOW_BACKENDS,
    # Kinds of outside systems, and what their connections may call.
    "connector": BELOW_BACKENDS | {"policy"},
    # Backends stand side by side and see neither each other nor what drives them.
    "memory": BELOW_BACKENDS | {"connector"},
    "file": BELOW_BACKENDS,
    "adapter": BELOW_BACKENDS,
    # The engine knows contracts, not backends.
    "mapping": BELOW_BACKENDS,
    "prepare": BELOW_BACKENDS,
    "job": BELOW_BACKENDS | {"policy", "mapping", "prepare"},
    # Starts jobs when they are due, whosever they are.
    "scheduler": BELOW_BACKENDS | {"policy", "job"},
    # Puts jobs together from specs: the one place that knows engine and backends.
    "workspace": BELOW_BACKENDS | {"policy", "connector", "memory", "file", "adapter", "mapping", "prepare", "job", "scheduler"},
    # Sees all, and nothing sees it.
    "testing": BELOW_BACKENDS | {"policy", "connector", "memory", "file", "adapter", "mapping", "prepare", "job", "scheduler", "workspace"},
    # Guides: text only.
    "docs": set(),
}


def tree(found, position):
    """The paths of a use tree: `a::{b, c::d}` gives [a, b] and [a, c, d]; and the position behind it."""
    if found[position] == "{":
        paths = []
        position += 1
        while found[position] != "}":
            inner, position = tree(found, position)
            paths += inner
            if found[position] == "as":
                position += 2
            if found[position] == ",":
                position += 1
        return paths, position + 1
    head = [found[position]]
    if position + 1 < len(found) and found[position + 1] == "::" and found[position + 2] != "<":
        tails, position = tree(found, position + 2)
        return [head + tail for tail in tails], position
    return [head], position + 1


def used(found, module):
    """Every path from the crate's root that the tokens of a module name."""
    inline = []  # modules within the file, each with the brace depth that it began at
    depth = 0
    for position, token in enumerate(found):
        if token == "{":
            depth += 1
            if position > 1 and found[position - 2] == "mod":
                inline.append((found[position - 1], depth))
        elif token == "}":
            if inline and inline[-1][1] == depth:
                inline.pop()
            depth -= 1
        elif token in ("crate", "super") and found[position - 1] != "::" and found[position + 1] == "::":
            here = list(module) + [name for name, _ in inline]
            paths, end = tree(found, position)
            if len(paths[0]) == 2 and found[end : end + 1] == ["!"] and found[position - 1] == "$":
                continue  # `$crate::name!`: an exported macro stands at the root, wherever it is defined
            for path in paths:
                if path[0] == "crate":
                    yield path[1:]
                    continue
                ups = next((i for i, name in enumerate(path) if name != "super"), len(path))
                yield here[: max(len(here) - ups, 0)] + path[ups:]


def reexports(found):
    """Which module each name comes from that `lib.rs` hands out at the root."""
    names = {}
    for position, token in enumerate(found):
        if token == "use":
            for path in tree(found, position + 1)[0]:
                names[path[-1]] = path[0]
    return names


def violations(source):
    """What is wrong, a line each."""
    root = reexports(tokens((source / "lib.rs").read_text(encoding="utf-8")))
    for path, module in files(source):
        if not module:
            continue  # lib.rs names everything
        own = module[0]
        if own not in MAY_USE:
            yield f"{path}: module `{own}` has no place in the layers; see .ci/layers.py"
            continue
        for target in used(tokens(path.read_text(encoding="utf-8")), module):
            name = target[0] if target else "crate"
            name = root.get(name, name)
            if name not in MAY_USE:
                yield f"{path}: `{'::'.join(target)}` is in no module that has a place in the layers"
            elif name != own and name not in MAY_USE[own]:
                yield f"{path}: `{own}` uses `{'::'.join(target)}`, and may only use {sorted(MAY_USE[own])}"


def self_test():
    """File, code, and whether it must be refused."""
    cases = [
        ("record/batch.rs", "use crate::error::Error; use super::Field;", False),
        ("record/batch.rs", "use crate::spec::JobSpec;", True),
        ("record/batch.rs", "use super::super::host;", True),
        ("record/mod.rs", "use super::host::Clock;", True),
        ("record/batch.rs", "fn f() -> crate::Result<()> { crate::host::now() }", True),
        ("record/batch.rs", "mod inner { use super::Cursor; }", False),
        ("record/batch.rs", "/// See [`x`](crate::job::X).\n// crate::job\nconst A: &str = \"crate::job::X\";", False),
        ("record/batch.rs", "fn f<'a>(x: &'a str) {} #[cfg(test)]\nmod tests { use crate::job::X; }", False),
        ("spec/job.rs", "use crate::{Error, record::{Field, Schema}};", False),
        ("spec/job.rs", "use crate::{Error, record::Field, host::{Clock, Entropy as E}};", True),
        ("memory/mod.rs", "use crate::file::Csv;", True),
        ("memory/mod.rs", "use crate::mapping::Plan;", True),
        ("file/mod.rs", "use crate::memory::Table;", True),
        ("mapping/mod.rs", "use crate::job::SyncJob;", True),
        ("workspace/mod.rs", "use crate::{file::X, mapping::Y, memory::Z};", False),
        ("destination.rs", "use crate::dataset::Dataset;", True),
        ("connection.rs", "use crate::dataset::Dataset;", False),
        ("memory/mod.rs", "macro_rules! a { () => { $crate::b! {} } }", False),
        ("memory/mod.rs", "macro_rules! a { () => { $crate::job::b! {} } }", True),
        ("surprise.rs", "", True),
        ("job/mod.rs", "use crate::surprise::X;", True),
    ]
    for name, code, refused in cases:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder)
            (source / "lib.rs").write_text("mod error; pub use error::{Error, Result};")
            (source / name).parent.mkdir(exist_ok=True)
            (source / name).write_text(code)
            if bool(list(violations(source))) != refused:
                sys.exit(f"layers.py --self-test: {name}: `{code}` must be {'refused' if refused else 'allowed'}")
    print(f"layers: {len(cases)} cases of the self-test hold")


if __name__ == "__main__":
    if sys.argv[1:] == ["--self-test"]:
        self_test()
    else:
        found = list(violations(ROOT / "src"))
        if found:
            sys.exit("\n".join(found))
        print("layers: every path points down")
