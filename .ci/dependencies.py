#!/usr/bin/env python3
"""The default build stays light: no runtime, HTTP client, TLS or database, and no silent growth."""

import subprocess
import sys
from fnmatch import fnmatch

from rust_source import ROOT

FORBIDDEN = """
    tokio tokio-* async-std smol hyper hyper-* reqwest rustls rustls-* native-tls openssl openssl-* ring aws-lc-*
    sqlx sqlx-* rusqlite libsqlite3-sys datafusion datafusion-* object_store
""".split()

# Distinct crates in the default graph, our own included: 83 when this was written. Raise it on purpose only: to 90 for
# wide with its two leaves (safe SIMD lanes for the scanner and the encoder) and simdutf8; to 95 for crc32fast, and for fs4 with
# rustix and its two leaves (locks between processes, which std has from Rust 1.89 on only); to 114 for secrets and OAuth: secrecy, http and
# oauth2, which brings SHA-256, base64 and its own random numbers, though none of ours are drawn from those.
MOST = 114

listed = subprocess.run(
    ["cargo", "tree", "--locked", "--package", "syncline", "--edges", "normal", "--prefix", "none", "--format", "{p}"],
    cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE,
).stdout
# `name v1.2.3 (proc-macro) (*)`
crates = sorted({tuple(line.split()[:2]) for line in listed.splitlines() if line})
wrong = [f"`{name}` must not be in the default graph" for name, _ in crates if any(fnmatch(name, f) for f in FORBIDDEN)]
if len(crates) > MOST:
    wrong.append(f"the default graph has {len(crates)} crates and may have {MOST}; see .ci/dependencies.py")
if wrong:
    sys.exit("\n".join(wrong))
print(f"dependencies: {len(crates)} crates in the default graph, at most {MOST}")
