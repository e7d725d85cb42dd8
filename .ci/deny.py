#!/usr/bin/env python3
"""Checks every crate of the lock file, all features and platforms, against the licences, bans and sources in
`deny.toml`. cargo-deny reads the same file; this needs nothing but Python, and does not look at advisories."""

import json
import re
import subprocess
import sys
import tomllib
from collections import Counter

from rust_source import ROOT

rules = tomllib.loads((ROOT / ".ci" / "deny.toml").read_text(encoding="utf-8"))
allowed_licences = set(rules["licenses"]["allow"])
banned = {entry["crate"] for entry in rules["bans"]["deny"]}
only_default_registry = rules["sources"] == {"unknown-registry": "deny", "unknown-git": "deny"}
assert only_default_registry, "this script knows no other sources than the default registry"


def licence_fits(expression):
    """Whether an SPDX expression, e.g. `(MIT OR Apache-2.0) AND Zlib`, can be met by the allowed licences."""
    words = re.findall(r"[()]|[^\s()]+(?: WITH \S+)?", expression.replace("/", " OR "))
    as_python = {"OR": "or", "AND": "and", "(": "(", ")": ")"}
    # Only these four words and the names of the two constants are ever evaluated.
    return eval(" ".join(as_python.get(word, str(word in allowed_licences)) for word in words))


assert licence_fits("MIT") and licence_fits("GPL-3.0/MIT") and licence_fits("(MIT OR GPL-3.0) AND Zlib")
assert not licence_fits("GPL-3.0") and not licence_fits("MIT AND GPL-3.0")
assert not licence_fits("Apache-2.0 WITH LLVM-exception")

metadata = subprocess.run(
    ["cargo", "metadata", "--locked", "--all-features", "--format-version", "1"],
    cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE,
).stdout
packages = json.loads(metadata)["packages"]
wrong = []
for package in packages:
    name = f"{package['name']} {package['version']}"
    if not package["license"] or not licence_fits(package["license"]):
        wrong.append(f"{name}: licence `{package['license']}` is not among the allowed")
    if package["name"] in banned:
        wrong.append(f"{name} is banned")
    if package["source"] and not package["source"].startswith("registry+"):
        wrong.append(f"{name}: comes from {package['source']}")
    # A dependency of the default registry names none.
    wrong += [f"{name}: takes `{d['name']}` from {d['registry']}" for d in package["dependencies"] if d["registry"]]
    if not package["source"]:
        wrong += [
            f"{name}: any version of `{d['name']}` would do; name one"
            for d in package["dependencies"] if d["req"] == "*" and not d.get("path")
        ]
if wrong:
    sys.exit("\n".join(wrong))
twice = sorted(name for name, count in Counter(p["name"] for p in packages).items() if count > 1)
print(f"deny: {len(packages)} crates; in several versions: {', '.join(twice) or 'none'}")
