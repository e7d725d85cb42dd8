"""The engines that are compared, side by side in rounds, and the tables of it."""

import json
import statistics
import subprocess
import sys
import venv
from dataclasses import dataclass
from functools import partial

from bench import HERE, JOBS, Failed, expected, machine, scale

SOURCE_ROWS = {"J1": 1, "J2": 10}  # J2 reads a tenth as many rows as J1


@dataclass(frozen=True)
class Engine:
    name: str
    script: str
    module: str  # what its program imports
    own: str  # the cheapest thing that it can leave its result in
    options: tuple = ()


ENGINES = [
    Engine("DuckDB", "duckdb_peer.py", "duckdb", "its database, by MERGE"),
    Engine("Polars", "polars_peer.py", "polars", "Parquet, lz4", ("in-memory",)),
    Engine("Polars streaming", "polars_peer.py", "polars", "Parquet, lz4", ("streaming",)),
]
MORE_ENGINES = [
    Engine("DataFusion", "datafusion_peer.py", "datafusion", "Parquet, lz4"),
    Engine("pandas", "pandas_peer.py", "pandas, pyarrow", "Parquet, lz4"),
]
SINKS = ("own", "csv")
OURS = "syncline"


def engine_called(name):
    return next(engine for engine in ENGINES + MORE_ENGINES if engine.name == name)


def python_with_peers(bench, everything):
    """The Python of a virtual environment that has the peers in their pinned versions."""
    requirements = HERE / ("requirements-all.txt" if everything else "requirements.txt")
    folder = bench.work / ("venv-all" if everything else "venv")
    python = folder / "bin" / "python"
    wanted = "".join((HERE / name).read_text() for name in ("requirements.txt", requirements.name))
    stamp = folder / "installed"
    if not stamp.exists() or stamp.read_text() != wanted:
        venv.create(folder, clear=True, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", requirements], check=True)
        stamp.write_text(wanted)
    return python


def compare(bench, rows, rounds, jobs, threads, everything, also):
    """Runs everything in turn, round by round, and checks what each left behind. Gives a record for each run."""
    python = python_with_peers(bench, everything)
    engines = ENGINES + (MORE_ENGINES if everything else [])
    data = bench.data(rows)
    binaries = {OURS: bench.binary} | also
    records = []
    agreed = {job: expected(job, rows) for job in jobs}
    for job in jobs:
        if agreed[job] is None:
            note(f"benches/expected.txt does not know {job} at {rows} rows: the first engine's result is taken for right")

    def record(found, **facts):
        entry = facts | {key: found[key] for key in ("wall", "cpu", "peak")} | {"rows": rows}
        records.append(entry)
        line = " ".join(f"{value}" for value in facts.values() if value is not None)
        note(f"{line}: {found['wall']:.2f} s wall, {found['cpu']:.2f} s cpu, {found['peak']:.0f} MB")

    def check(job, out, what):
        verdict = bench.verify(job, out)
        agreed[job] = agreed[job] or verdict
        if verdict != agreed[job]:
            raise Failed(f"{what} left another result\n  found {verdict}\n  want  {agreed[job]}")

    def ours(name, job, count):
        out = bench.out()
        found = bench.sync(JOBS / f"{job.lower()}.json", data, count, binaries[name], out, codes=(2,))
        check(job, out, name)
        return found

    def peer(engine, sink, job, count):
        out = bench.out()
        command = [python, HERE / "peers" / engine.script, job, data, out, count, sink, *engine.options]
        found = bench.measure(command, count)
        if sink == "own":
            subprocess.run([python, HERE / "export.py", job, out], check=True)
        check(job, out, f"{engine.name} ({sink})")
        return found

    def imported(module, job, count):
        return bench.measure([python, "-c", f"import {module}"], count)

    # Who runs, into what, and how.
    modules = sorted({engine.module for engine in engines})
    turns = [(name, "csv", partial(ours, name)) for name in binaries]
    turns += [(f"import {module}", None, partial(imported, module)) for module in modules]
    turns += [(engine.name, sink, partial(peer, engine, sink)) for sink in SINKS for engine in engines]
    # A first import compiles Python's modules and reads them from disk; it is nobody's fault.
    for module in modules:
        imported(module, None, 1)
    for nth in range(rounds):
        for job in jobs:
            for count in threads:
                # Every other round goes the other way, so that nobody always runs behind the same one.
                for name, sink, run in turns if nth % 2 == 0 else reversed(turns):
                    record(run(job, count), round=nth, job=job, threads=count, engine=name, sink=sink)
    return records


def note(text):
    print(text, file=sys.stderr, flush=True)


class Figures:
    """The records of a comparison, by what they are about."""

    def __init__(self, records):
        self.rows = records[0]["rows"]
        self.records = records
        known = [engine.name for engine in ENGINES + MORE_ENGINES]
        self.peers = [name for name in known if any(entry["engine"] == name for entry in records)]
        self.binaries = list(dict.fromkeys(
            entry["engine"] for entry in records if entry["engine"] not in known and not entry["engine"].startswith("import ")
        ))
        self.jobs = list(dict.fromkeys(entry["job"] for entry in records))
        self.threads = list(dict.fromkeys(entry["threads"] for entry in records))

    def of(self, engine, sink, job, threads, what="wall"):
        """A figure for each round."""
        return {
            entry["round"]: entry[what]
            for entry in self.records
            if (entry["engine"], entry["sink"], entry["job"], entry["threads"]) == (engine, sink, job, threads)
        }

    def middle(self, *key, what="wall"):
        return statistics.median(self.of(*key, what=what).values())

    def best_peer(self, sink, job, threads):
        return min(self.peers, key=lambda name: self.middle(name, sink, job, threads))

    def ratio(self, key, to):
        """The median over the rounds of one wall time over another of the same round."""
        ours, theirs = self.of(*key), self.of(*to)
        return statistics.median(ours[nth] / theirs[nth] for nth in ours if nth in theirs)

    def imports(self, engine, job, threads):
        """The key of the time that a peer's program only imports for."""
        return (f"import {engine_called(engine).module}", None, job, threads)

    def import_share(self, engine, sink, job, threads):
        return self.ratio(self.imports(engine, job, threads), (engine, sink, job, threads))

    def ratio_less_import(self, key, to):
        """As `ratio`, had a peer imported nothing."""
        engine, _, job, threads = key
        theirs, imports, ours = self.of(*key), self.of(*self.imports(engine, job, threads)), self.of(*to)
        return statistics.median((theirs[nth] - imports[nth]) / ours[nth] for nth in ours if nth in theirs)


def tables(figures):
    """Everything as markdown."""
    rounds = len({entry["round"] for entry in figures.records})
    lines = [f"Scale {scale(figures.rows)}: {figures.rows:,} usage rows, {rounds} round{'s' if rounds > 1 else ''}.", ""]
    titles = {
        "own": "Each peer with the sink that costs it least; syncline writes CSV",
        "csv": "All of them write CSV",
    }
    for sink in SINKS:
        lines += [f"#### {titles[sink]}", ""]
        lines += [
            "| job | threads | engine | wall s: median (min-max) | CPU s | peak MB | rows/s | wall / syncline's | of it import |",
            "|---|--:|---|--:|--:|--:|--:|--:|--:|",
        ]
        for job in figures.jobs:
            for threads in figures.threads:
                lines += job_rows(figures, sink, job, threads)
        lines += [
            "",
            "| job | threads | best peer | its wall / syncline's | of it import | the same less import | least peak MB of a peer / syncline's |",
            "|---|--:|---|--:|--:|--:|--:|",
        ]
        for job in figures.jobs:
            for threads in figures.threads:
                best = figures.best_peer(sink, job, threads)
                key, to = (best, sink, job, threads), (OURS, "csv", job, threads)
                ratio, bare = figures.ratio(key, to), figures.ratio_less_import(key, to)
                share = figures.import_share(best, sink, job, threads)
                least = min(max(figures.of(name, sink, job, threads, "peak").values()) for name in figures.peers)
                ours = max(figures.of(OURS, "csv", job, threads, "peak").values())
                lines.append(
                    f"| {job} | {threads} | {best} | {ratio:.1f}x | {share:.0%} | {bare:.1f}x | {least:.0f} / {ours:.0f} = {least / ours:.1f}x |"
                )
        lines.append("")
    return "\n".join(lines)


def job_rows(figures, sink, job, threads):
    ours = (OURS, "csv", job, threads)
    engines = [(name, "csv") for name in figures.binaries] + [(name, sink) for name in figures.peers]
    engines.sort(key=lambda engine: figures.middle(*engine, job, threads))
    for name, written in engines:
        key = (name, written, job, threads)
        walls = figures.of(*key).values()
        middle = statistics.median(walls)
        rate = figures.rows / SOURCE_ROWS[job] / middle
        share = f"{figures.import_share(*key):.0%}" if name in figures.peers else ""
        bold = "**" if name == OURS else ""
        left = ""
        if name in figures.peers and sink == "own":
            left = f" ({engine_called(name).own})"
        yield (
            f"| {job} | {threads} | {bold}{name}{bold}{left} | {middle:.2f} ({min(walls):.2f}-{max(walls):.2f}) "
            f"| {figures.middle(*key, what='cpu'):.2f} | {max(figures.of(*key, what='peak').values()):.0f} "
            f"| {rate:,.0f} | {figures.ratio(key, ours):.2f} | {share} |"
        )


def save(records, path):
    lines = [json.dumps({"machine": machine()})] + [json.dumps(entry) for entry in records]
    path.write_text("\n".join(lines) + "\n")


def load(path):
    """The machine and the records of a comparison that was saved."""
    first, *rest = (json.loads(line) for line in path.read_text().splitlines())
    return first["machine"], rest
