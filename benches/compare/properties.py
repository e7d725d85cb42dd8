"""What the library promises of its own cost: flat memory, linear time, any shape of rows, a quick start."""

import statistics

from bench import JOBS, Failed, expected, scale


def verdict(holds):
    return "yes" if holds else "**no**"


def memory(bench, rows, rounds):
    """Peak memory with a destination that keeps no table, at so many rows and at ten times as many, over the same accounts."""
    accounts = max(rows // 10, 10)
    lines = [
        "| job | threads | usage rows | peak MB | of it lookup index MB | peak / peak at the fewer rows |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    holds = True
    for job in ("copy", "lookup"):
        for threads in (1, 2):
            first = None
            for count in (rows, rows * 10):
                data = bench.data(count, accounts)
                runs = [bench.sync(JOBS / f"{job}.json", data, threads) for _ in range(rounds)]
                peak = max(run["peak"] for run in runs)
                index = runs[0]["report"]["destinations"][0]["lookup_bytes"] / 2**20
                first = first or peak
                flat = peak <= first * 1.1
                small = job != "copy" or threads > 1 or peak < 16
                holds &= flat and small
                lines.append(f"| {job} | {threads} | {count:,} | {peak:.1f} | {index:.1f} | {peak / first:.2f} |")
    lines += ["", f"Flat within 10 %, and the copy by one thread under 16 MB: {verdict(holds)}."]
    return lines


def linear(bench, rows, rounds):
    """The time of ten times as many rows."""
    lines = ["| job | threads | s at " + scale(rows) + " | s at " + scale(rows * 10) + " | ratio |", "|---|--:|--:|--:|--:|"]
    holds = True
    for job in ("j1", "j2", "copy"):
        for threads in (1, 2):
            walls = {rows: [], rows * 10: []}
            for _ in range(rounds):
                for count, times in walls.items():
                    out = bench.out()
                    times.append(bench.sync(JOBS / f"{job}.json", bench.data(count), threads, out=out)["wall"])
                    want = expected(job.upper(), count)
                    if want and (found := bench.verify(job.upper(), out)) != want:
                        raise Failed(f"{job} at {count} rows\n  found {found}\n  want  {want}")
            few, many = walls.values()
            ratio = statistics.median(b / a for a, b in zip(few, many))
            holds &= 8 <= ratio <= 13
            lines.append(f"| {job} | {threads} | {statistics.median(few):.2f} | {statistics.median(many):.2f} | {ratio:.1f} |")
    lines += ["", f"Ten times the rows take 8 to 13 times the time: {verdict(holds)}."]
    return lines


def shapes(bench, rows, rounds):
    """Bytes a second of the copy of files of other shapes, all of about the size of the usage file."""
    a_row = {"usage": 120, "narrow": 74, "wide": 3440, "long": 1000}
    about = {"usage": "7 columns", "narrow": "5 columns", "wide": "200 columns", "long": "notes of 1 KiB"}
    lines = ["| shape | threads | file MB | MB/s: median (min-max) | to usage |", "|---|--:|--:|--:|--:|"]
    holds = True
    for threads in (1, 2):
        rates = {shape: [] for shape in a_row}
        size = {}
        for _ in range(rounds):
            for shape, times in rates.items():
                count = max(rows * a_row["usage"] // a_row[shape], 1)
                folder = bench.generated(f"shape-{shape}-{count}", "shape", shape, count, "DIR")
                size[shape] = (folder / f"{shape}.csv").stat().st_size / 1e6
                wall = bench.sync(folder / f"{shape}.json", folder, threads, codes=(0,))["wall"]
                times.append(size[shape] / wall)
        for shape, times in rates.items():
            ratio = statistics.median(b / a for a, b in zip(rates["usage"], times))
            # What is faster a byte, as long texts are, breaks no promise.
            holds &= ratio >= 0.75
            lines.append(
                f"| {shape}: {about[shape]} | {threads} | {size[shape]:.0f} "
                f"| {statistics.median(times):.0f} ({min(times):.0f}-{max(times):.0f}) | {ratio:.2f} |"
            )
    lines += ["", f"None is more than 25 % slower a byte: {verdict(holds)}."]
    return lines


def startup(bench, rounds):
    """A job of ten rows, from the start of its process to the end."""
    data = bench.data(10)
    lines = ["| job | threads | wall ms: median (max) | CPU ms: median (max) |", "|---|--:|--:|--:|"]
    holds = True
    for job in ("j1", "j2"):
        for threads in (1, 2):
            runs = [bench.sync(JOBS / f"{job}.json", data, threads) for _ in range(max(rounds * 4, 11))]
            wall, cpu = ([run[what] * 1000 for run in runs] for what in ("wall", "cpu"))
            holds &= statistics.median(wall) < 20
            lines.append(
                f"| {job} | {threads} | {statistics.median(wall):.1f} ({max(wall):.1f}) | {statistics.median(cpu):.1f} ({max(cpu):.1f}) |"
            )
    lines += ["", f"Under 20 ms: {verdict(holds)}."]
    return lines
