#!/usr/bin/env python3
"""A type of another crate is in our public signatures only if a new major of that crate may be a new major of ours."""

import json
import re
import subprocess
import sys

from rust_source import ROOT, closing, files, tokens

# `serde_json` is there for one type: the number in `spec::Literal`.
ALLOWED = {"bytes", "chrono", "futures", "http", "indexmap", "serde", "serde_json", "url"}
# An adapter is there for the crate that its feature switches on, so that crate's types are its own.
OF_ADAPTERS = {"src/adapter/objects.rs": {"object_store"}}


def signatures(found):
    """The tokens of each item that is `pub` without bounds: a function up to its body, an enum or trait as a whole;
    of a struct its head, as its public fields are items of their own."""
    for position, token in enumerate(found):
        if token != "pub" or found[position + 1] == "(":
            continue
        kinds = set(found[position + 1 : position + 3])
        angle, end = 0, position
        while end < len(found) and not (found[end] in ";{" or (angle == 0 and found[end] in ",)")):
            if found[end] in "([" and "struct" in kinds:
                break
            angle += (found[end] == "<") - (found[end] == ">")
            end = closing(found, end) + 1 if found[end] in "([" else end + 1
        if kinds & {"enum", "trait", "use"} and end < len(found) and found[end] == "{":
            end = closing(found, end)
        yield list(without_attributes(found[position:end]))


def without_attributes(found):
    """What stands in `#[...]` is for the compiler, and no type of a signature."""
    end = 0
    for position, token in enumerate(found):
        if position >= end and token == "#" and found[position + 1 : position + 2] == ["["]:
            end = closing(found, position + 1) + 1
        if position >= end:
            yield token


def imports(found, crates):
    """Which crate each imported name is of."""
    names = {}
    for position, token in enumerate(found):
        if token == "use" and found[position + 1] in crates:
            end = found.index(";", position)
            names |= {name: found[position + 1] for name in found[position + 1 : end] if name.isidentifier()}
    return names


def leaks(text, crates):
    """Crates that the public signatures of a file name and should not."""
    found = tokens(text)
    names = imports(found, crates) | {crate: crate for crate in crates}
    for signature in signatures(found):
        for position, name in enumerate(signature):
            behind_path = position > 0 and signature[position - 1] == "::"
            if name in names and not behind_path and names[name] not in ALLOWED:
                yield names[name], name


known = {"csv", "bytes"}
assert list(leaks("pub fn f(r: csv::Reader) { }", known)) == [("csv", "csv")]
assert list(leaks("use csv::Reader; pub struct S { pub r: Map<u8, Reader>, }", known)) == [("csv", "Reader")]
assert list(leaks("use csv::Reader; pub enum E { A(Reader) } ", known)) == [("csv", "Reader")]
assert list(leaks("pub enum E { #[csv(with = \"csv::Reader\")] A(csv::Writer) } ", known)) == [("csv", "csv")]
assert list(leaks("pub fn f<A, B>(a: A, b: B) -> Option<csv::Reader>;", known)) == [("csv", "csv")]
assert not list(leaks("use csv::Reader; pub struct S { r: Reader, } pub struct T(Reader);", known))
assert not list(leaks("use csv::Reader; use bytes::Bytes; pub fn f(b: Bytes) { Reader::new() } fn g(r: Reader) {}", known))

metadata = subprocess.run(
    ["cargo", "metadata", "--locked", "--no-deps", "--format-version", "1"],
    cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE,
).stdout
package = next(p for p in json.loads(metadata)["packages"] if p["name"] == "syncline")
crates = {(d["rename"] or d["name"]).replace("-", "_") for d in package["dependencies"] if d["kind"] is None}
# Arrow is our record format; macros leave no type behind.
crates = {c for c in crates if not re.match("arrow_", c) and c not in ("async_trait", "thiserror")}
wrong = [
    f"{path.relative_to(ROOT)}: `{name}` of `{crate}` is in a public signature"
    for path, _ in files()
    for crate, name in leaks(path.read_text(encoding="utf-8"), crates - OF_ADAPTERS.get(str(path.relative_to(ROOT)), set()))
]
if wrong:
    sys.exit("\n".join(wrong))
print("public items: no type of another crate but the agreed ones")
