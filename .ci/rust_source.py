"""Rust files as tokens, without comments and texts: enough for the checks beside this file, and no parser."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

_SKIPPED = re.compile(
    r"""//[^\n]*|/\*.*?\*/|b?r(?P<hashes>\#*)".*?"(?P=hashes)|b?"(?:\\.|[^"\\])*"|b?'(?:\\.[^']*|[^'\\])'""", re.S
)
_TOKEN = re.compile(r"[A-Za-z_]\w*|::|->|=>|[^\s\w]")
_TESTS = re.compile(r"#\[cfg\(test\)\]\s*mod \w+ \{")


def tokens(text):
    """Identifiers and punctuation of the code that ships: a test module ends its file."""
    text = _SKIPPED.sub(" ", text)
    tests = _TESTS.search(text)
    return _TOKEN.findall(text[: tests.start()] if tests else text)


def files(source=ROOT / "src"):
    """Every file that ships, with its module path: `src/a/mod.rs` is ('a',), `src/lib.rs` is ()."""
    for path in sorted(source.rglob("*.rs")):
        if path.name != "tests.rs":
            parts = path.relative_to(source).with_suffix("").parts
            yield path, parts[:-1] if parts[-1] in ("mod", "lib") else parts


def closing(found, start):
    """The position of the bracket that closes the one at `start`."""
    depth = 0
    for position in range(start, len(found)):
        depth += (found[position] in "{([") - (found[position] in "})]")
        if depth == 0:
            return position
    return len(found)
