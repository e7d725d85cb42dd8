#!/usr/bin/env python3
"""Every public item is documented, as rustdoc counts them, and every type that the glossary names shows itself in use."""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rust_source import ROOT, files

# rustdoc counts only on a nightly toolchain, or for one who says that it is one. cargo must not hear of that: build
# scripts would, and everything would be compiled anew.
AS_NIGHTLY = '#!/bin/sh\nRUSTC_BOOTSTRAP=1 exec rustdoc "$@"\n'


def coverage():
    """For each file: how many items there are, how many have documentation, and how many examples."""
    with tempfile.TemporaryDirectory() as folder:
        wrapper = Path(folder, "rustdoc")
        wrapper.write_text(AS_NIGHTLY, encoding="utf-8")
        wrapper.chmod(0o755)
        answer = subprocess.run(
            ["cargo", "rustdoc", "--locked", "--quiet", "--lib", "--all-features", "--"]
            + ["-Zunstable-options", "--show-coverage", "--output-format=json"],
            cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE, env=os.environ | {"RUSTDOC": str(wrapper)},
        ).stdout
    return json.loads(answer)


def named(guide):
    """The types that a guide links to."""
    return sorted({name for name in re.findall(r"\(crate(?:::\w+)*::([A-Z]\w*)\)", guide)})


def documentation(text, name):
    """The lines of documentation in front of a type's definition; `None` if it is not defined here."""
    found = re.search(rf"^((?:///.*\n|#\[.*\n|\)\]\n|    .*\n)*)pub (?:struct|enum|trait) {name}\b", text, re.M)
    return found and [line for line in found[1].splitlines() if line.startswith("///")]


def without_example(names, texts):
    """Those of the types whose documentation has no code that is run."""
    for name in names:
        found = [lines for text in texts if (lines := documentation(text, name)) is not None]
        # Fences open and close in turn; code that is run has no word behind its fence.
        fences = [[line for line in lines if line.startswith("/// ```")] for lines in found]
        if not any("/// ```" in of_one[::2] for of_one in fences):
            yield name


assert named("[`A`](crate::a::A) and [`b`](crate::b)") == ["A"]
_SHOWN = (
    "/// A.\n///\n/// ```\n/// f();\n/// ```\n#[derive(Debug)]\npub struct A;\n"
    "/// B.\n/// ```text\n/// b\n/// ```\n#[x(\n    y,\n)]\npub enum B {}\n"
)
assert list(without_example(["A", "B", "C"], [_SHOWN])) == ["B", "C"]

counts = coverage().values()
total, documented, examples = (sum(count[key] for count in counts) for key in ("total", "with_docs", "with_examples"))
words = named((ROOT / "src/docs/glossary.md").read_text(encoding="utf-8"))
texts = [path.read_text(encoding="utf-8") for path, _ in files()]
print(f"public items documented: {documented} of {total} ({documented / total:.0%}), {examples} of them with examples")
if documented != total or not total:
    sys.exit("a public item has no documentation; `cargo clippy --all-features` names it")
if missing := list(without_example(words, texts)):
    sys.exit(f"types of the glossary without an example in their documentation: {', '.join(missing)}")
print(f"types of the glossary: {len(words)}, each with an example that is compiled")
