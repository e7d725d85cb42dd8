#!/usr/bin/env python3
"""Measures syncline: beside what a user would pick instead, or (with `--memory` and the like) against its own promises.

Prints markdown. Builds what it needs, and keeps data, a virtual environment and results in `$CARGO_TARGET_DIR/compare`.
Ends with 1 if a program failed, or left anything but the rows, rejects and checksums of `benches/expected.txt`.

    compare.py                        the comparison at 1,000,000 usage rows, 5 rounds
    compare.py --rows S --rounds 1    a smoke test
    compare.py --charts               redraws benches/compare/charts too
    compare.py --from FILE --charts   tables and charts of results that were saved
    compare.py --memory --linear --shapes --startup"""

import argparse
import os
import sys
from pathlib import Path

import charts
import engines
import properties
from bench import HERE, NAMES, Bench, Failed, machine


def rows(text):
    named = {name: count for count, name in NAMES.items()}
    return named[text] if text in named else int(text)


def also(text):
    name, _, path = text.partition("=")
    if not path or name == engines.OURS:
        raise argparse.ArgumentTypeError("wants NAME=PATH, with another name than ours")
    return name, Path(path).absolute()


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=rows, default=1_000_000, help="usage rows: S, M, L or a number; M by default")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--jobs", nargs="+", choices=["J1", "J2"], default=["J1", "J2"])
    parser.add_argument("--threads", nargs="+", type=int, choices=[1, 2], default=[1, 2])
    parser.add_argument("--all", action="store_true", help="DataFusion and pandas as well")
    parser.add_argument("--charts", action="store_true", help="write the charts")
    parser.add_argument("--from", dest="saved", type=Path, metavar="FILE", help="measure nothing, take saved results")
    parser.add_argument("--binary", type=Path, help="a sync_files that is built already")
    parser.add_argument("--also", type=also, action="append", default=[], metavar="NAME=PATH", help="another sync_files beside it")
    parser.add_argument("--work", type=Path, help="the folder for data and results")
    for name, help in [
        ("memory", "peak memory at --rows and at ten times as many"),
        ("linear", "time at --rows and at ten times as many"),
        ("shapes", "bytes a second of rows of other shapes"),
        ("startup", "a job of ten rows"),
    ]:
        parser.add_argument(f"--{name}", action="store_true", help=help)
    return parser.parse_args()


def main():
    wanted = arguments()
    if wanted.saved:
        on, records = engines.load(wanted.saved)
        report(on, records, wanted)
        return
    bench = Bench(wanted.work, wanted.binary)
    load = os.getloadavg()[0]
    if load > 0.5:
        engines.note(f"the machine is busy (load {load:.1f}): the figures will be worse than they should be, and uneven")
    sections = [
        ("Memory", wanted.memory, lambda: properties.memory(bench, wanted.rows, wanted.rounds)),
        ("Ten times the rows", wanted.linear, lambda: properties.linear(bench, wanted.rows, wanted.rounds)),
        ("Shapes of rows", wanted.shapes, lambda: properties.shapes(bench, wanted.rows, wanted.rounds)),
        ("Start", wanted.startup, lambda: properties.startup(bench, wanted.rounds)),
    ]
    if any(asked for _, asked, _ in sections):
        print(f"{machine()}\n")
        for title, asked, measured in sections:
            if asked:
                print(f"### {title}\n\n" + "\n".join(measured()) + "\n", flush=True)
        return
    records = engines.compare(bench, wanted.rows, wanted.rounds, wanted.jobs, wanted.threads, wanted.all, dict(wanted.also))
    saved = bench.work / f"results-{wanted.rows}.jsonl"
    engines.save(records, saved)
    engines.note(f"saved in {saved}")
    report(machine(), records, wanted)


def report(on, records, wanted):
    figures = engines.Figures(records)
    print(f"{on}\n\n{engines.tables(figures)}")
    if wanted.charts:
        charts.draw(figures, HERE / "charts")


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"compare: {failure}")
