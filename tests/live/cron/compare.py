#!/usr/bin/env python3
"""The runs of cron expressions, by chance from a seed, against those of npm's `cron-parser` and PyPI's `croniter`.

    compare.py PROGRAM [CASES] [SEED]      PROGRAM is the example `next_runs`

Peers have rules of their own for clocks that are put forward and back. So where clocks are changed during the runs of a case, the peers must
agree with each other before anything is asked of us; elsewhere we must agree with each that takes the expression. What both refuse, or read in
another way by their own documents, is not generated: steps wider than their field, ranges that go backwards, `W`, `+`."""

import json
import os
import random
import subprocess
import sys
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

from croniter import croniter

HERE = Path(__file__).resolve().parent
RUNS = 12
ZONES = [
    "UTC", "Europe/Berlin", "Europe/London", "America/New_York", "America/Sao_Paulo", "America/St_Johns", "Asia/Tokyo", "Asia/Kolkata",
    "Asia/Kathmandu", "Australia/Lord_Howe", "Australia/Sydney", "Africa/Casablanca", "Pacific/Apia", "America/Nuuk",
]
MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
WEEKDAYS = "SUN MON TUE WED THU FRI SAT".split()


def number(dice, least, most):
    return str(dice.randint(least, most))


def field(dice, least, most):
    kind = dice.randrange(7)
    low, high = sorted(dice.sample(range(least, most + 1), 2))
    return [
        "*", f"*/{dice.randint(2, (most - least) // 2)}", f"{low}-{high}", f"{low},{high}", f"{low}-{high}/{max(1, (high - low) // 2)}",
    ][kind] if kind < 5 else number(dice, least, most)


def days(dice):
    """Day of the month, month and day of the week."""
    return dice.choice([
        lambda: f"{field(dice, 1, 31)} * *",
        lambda: f"{number(dice, 1, 28)} {field(dice, 1, 12)} *",
        lambda: f"L {dice.choice(MONTHS)},{dice.choice(MONTHS)} *",
        lambda: f"* * {field(dice, 0, 6)}",
        lambda: f"* * {dice.choice(WEEKDAYS)}",
        lambda: f"* {field(dice, 1, 12)} MON-FRI",
        lambda: f"* * {dice.randint(0, 6)}#{dice.randint(1, 5)}",
        lambda: f"* * {dice.randint(0, 6)}L",
        lambda: f"{number(dice, 1, 31)} * {dice.choice(WEEKDAYS)}",
        lambda: "29 2 *",
        lambda: "* * *",
    ])()


def case(dice):
    zone = dice.choice(ZONES)
    # Up to 2024, as newer versions of the zone database say other things of what comes.
    begin = dice.randrange(0, 1_700_000_000)
    if changes := CHANGES[zone]:
        if dice.random() < 0.5:
            begin = dice.choice(changes) - dice.randrange(100_000)
    return {"cron": f"{field(dice, 0, 59)} {field(dice, 0, 23)} {days(dice)}", "zone": zone, "from": max(0, begin), "count": RUNS}


def offset(zone, at):
    return datetime.fromtimestamp(at, timezone.utc).astimezone(zone).utcoffset()


def changes(name):
    """When the clocks of a zone were changed, to six hours."""
    zone, step = ZoneInfo(name), 6 * 3600
    return [at for at in range(0, 1_720_000_000, step) if offset(zone, at) != offset(zone, at + step)]


def of_croniter(case):
    # Its last weekday stands the other way round.
    cron = case["cron"]
    head, weekday = cron.rsplit(" ", 1)
    if weekday.endswith("L"):
        cron = f"{head} L{weekday[:-1]}"
    begin = datetime.fromtimestamp(case["from"], timezone.utc).astimezone(ZoneInfo(case["zone"]))
    try:
        runs = croniter(cron, begin)
        return [int(runs.get_next(float)) for _ in range(case["count"])]
    except (ValueError, KeyError):
        return None


def of_cron_parser(cases):
    done = subprocess.run(["node", HERE / "runs.cjs"], input=json.dumps(cases), text=True, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def of_us(program, case):
    begin = datetime.fromtimestamp(case["from"], timezone.utc).isoformat()
    command = [program, "--cron", case["cron"], "--zone", case["zone"], "--from", begin, "-n", str(case["count"])]
    done = subprocess.run(command, text=True, check=True, stdout=subprocess.PIPE)
    return [int(datetime.fromisoformat(line.replace("Z", "+00:00")).timestamp()) for line in done.stdout.split()]


def shown(runs, zone):
    return [datetime.fromtimestamp(at, timezone.utc).astimezone(ZoneInfo(zone)).isoformat() for at in runs]


CHANGES = {zone: changes(zone) for zone in ZONES}


def main():
    program = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 3_000
    dice = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    cases = [case(dice) for _ in range(count)]
    tally, wrong = Counter(), []
    for one, parser in zip(cases, of_cron_parser(cases)):
        peers = {"cron-parser": parser, "croniter": of_croniter(one)}
        peers = {name: runs for name, runs in peers.items() if runs}
        ours = of_us(program, one)
        last = max([run for runs in peers.values() for run in runs], default=one["from"])
        changed = any(one["from"] - 200_000 < at < last + 200_000 for at in CHANGES[one["zone"]])
        agree = len(peers) == 2 and peers["cron-parser"] == peers["croniter"]
        if not peers:
            tally["refused by both"] += 1
        elif changed and not agree:
            tally["clocks changed, and the peers do not agree"] += 1
        else:
            tally["compared with both" if len(peers) == 2 else "compared with one"] += 1
            tally["compared over a change of clocks"] += changed
            wrong += [(one, name, ours, runs) for name, runs in peers.items() if runs != ours]
    for one, name, ours, theirs in wrong[: int(os.environ.get("SHOW", 10))]:
        nth = next((n for n, (a, b) in enumerate(zip(ours, theirs)) if a != b), min(len(ours), len(theirs)))
        print(f"{one['cron']} {one['zone']} after {one['from']}, run {nth}:")
        print("   ours", *shown(ours[nth : nth + 2], one["zone"]), f"  {name}", *shown(theirs[nth : nth + 2], one["zone"]))
    print(", ".join(f"{what}: {number}" for what, number in sorted(tally.items())))
    if wrong:
        sys.exit(f"{len(wrong)} of {count} cases differ")


if __name__ == "__main__":
    main()
