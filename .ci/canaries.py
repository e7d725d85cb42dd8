#!/usr/bin/env python3
"""Every public type that can hold a secret is in `tests/authorization/secret_types.txt`, and the test beside it shows each of them with
a secret in it, in every way in which it can be shown.

    .ci/canaries.py            fails if the list is not what the source says
    .ci/canaries.py --renew    writes it

A type can hold a secret if one of its fields can: a `Secret`, what goes over the network, a port or contract behind which the host keeps
keys or tokens, or another type that can. So nobody can add a type or a field and forget the test."""

import sys

from rust_source import ROOT, closing, files, tokens

LIST = ROOT / "tests" / "authorization" / "secret_types.txt"
# What holds secrets by itself: texts, what is sent and answered, and what the host's keys and tokens are behind.
HOLDS = {
    "Secret", "SecretString", "HeaderMap", "HeaderValue",
    "Cipher", "Signer", "Transport", "Authorization",
}
# What holds texts and addresses that may have come from anywhere: errors, a transcript of calls, a URL with a state in its query.
ALSO = {("src/error.rs", "Error"), ("src/memory/transcript.rs", "Exchange"), ("src/authorization/oauth/mod.rs", "Consent")}

HEAD = """\
# Public types that can hold a secret, and the feature that they are behind. `.ci/canaries.py --renew` writes this list;
# `secrets.rs` shows each of them.
"""


def named(body, kind):
    """The identifiers in a body that stand for types: neither attributes nor the names of fields and variants."""
    words, position = set(), 1
    depth = 1
    while position < len(body):
        token = body[position]
        behind = body[position + 1] if position + 1 < len(body) else "}"
        if token == "#":
            position = closing(body, position + 1) + 1
            continue
        depth += (token in "{([") - (token in "})]")
        variant = kind == "enum" and depth == 1
        if token.isidentifier() and behind != ":" and not variant:
            words.add(token)
        position += 1
    return words


def types(found):
    """Each struct and enum: its name, whether it is public, and the identifiers of its fields."""
    for position, token in enumerate(found):
        if token not in ("struct", "enum") or not found[position + 1].isidentifier():
            continue
        name, start = found[position + 1], position + 2
        while start < len(found) and found[start] not in "{(;":
            start += 1
        body = found[start : closing(found, start)] if start < len(found) and found[start] != ";" else []
        yield name, found[position - 1], named(body, token)


def holders(sources):
    """The public types that can hold a secret; `sources` are names of files with their tokens."""
    fields, public, seen_elsewhere = {}, set(), {}
    for file, found in sources.items():
        for name, before, words in types(found):
            fields[file, name] = words
            if before == "pub":
                public.add((file, name))
            # `pub(super)` and the like can be named in other files.
            if before in ("pub", ")"):
                seen_elsewhere.setdefault(name, set()).add((file, name))

    def can(key, word):
        file = key[0]
        targets = {(file, word)} if (file, word) in fields else seen_elsewhere.get(word, set())
        return word in HOLDS or bool(targets & holding)

    holding = {key for key in fields if key[1] in HOLDS or key in ALSO}
    while more := {key for key in fields.keys() - holding if any(can(key, word) for word in fields[key])}:
        holding |= more
    return holding & public


_SHOWN = {
    "a.rs": tokens("pub struct Secret(X); pub struct A { key: Secret, } struct B(Vec<Secret>); pub enum C { D(B), E } pub struct F { n: u8 }"),
    "b.rs": tokens("pub struct G { inner: Inner } struct Inner { a: Arc<A> } pub struct H { c: B }"),
    "c.rs": tokens("pub struct I { inner: Inner } struct Inner { n: u8 } pub struct J; pub struct K(Box<dyn Cipher>); #[x(Secret)] pub enum L { #[y(Secret)] Secret, M { Secret: u8 } }"),
}
assert holders(_SHOWN) == {("a.rs", "Secret"), ("a.rs", "A"), ("a.rs", "C"), ("b.rs", "G"), ("c.rs", "K")}


def feature(file):
    """The feature that a file is behind, where that shows from its place."""
    if file.startswith("src/testing/"):
        return "testing"
    return file.split("/")[2].removesuffix(".rs") if file.startswith("src/adapter/") else ""


sources = {str(path.relative_to(ROOT)): tokens(path.read_text(encoding="utf-8")) for path, _ in files()}
assert not (gone := ALSO - {(file, name) for file, text in sources.items() for name, _, _ in types(text)}), gone
found = sorted(f"{name} {feature(file)}".strip() for file, name in holders(sources))
text = HEAD + "\n".join(found) + "\n"
if sys.argv[1:] == ["--renew"]:
    LIST.write_text(text, encoding="utf-8")
elif text != (LIST.read_text(encoding="utf-8") if LIST.exists() else ""):
    sys.exit(f"{LIST.relative_to(ROOT)} is not what the source says; `.ci/canaries.py --renew`, and let `secrets.rs` show what is new")
print(f"canaries: {len(found)} public types can hold a secret")
