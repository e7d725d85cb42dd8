#!/usr/bin/env python3
"""What DuckDB and Polars do by themselves with the troubles of J1's data: each line of the table in benches/README.md is run here.

To be run by the Python of the virtual environment that `compare.py` makes. Prints a line for each, and fails if one is not so."""

import datetime

import duckdb
import polars as pl

db = duckdb.connect()
db.execute("SET TimeZone = 'UTC'")
wrong = []


def holds(what, is_so):
    print(("holds:  " if is_so else "WRONG:  ") + what)
    if not is_so:
        wrong.append(what)


def fails(action):
    try:
        action()
    except Exception:
        return True
    return False


def one(query):
    return db.execute(query).fetchone()


# A key that has several matches.
usage, accounts = pl.DataFrame({"key": ["a"]}), pl.DataFrame({"key": ["a", "a"], "id": [1, 2]})
holds("DuckDB: a join gives the row once for each match",
      one("SELECT count(*) FROM (VALUES ('a')) u(k) JOIN (VALUES ('a', 1), ('a', 2)) a(k, id) USING (k)") == (2,))
holds("Polars: so does its join", usage.join(accounts, on="key", how="left").height == 2)
holds("Polars: with `validate`, the query fails", fails(lambda: usage.join(accounts, on="key", how="left", validate="m:1")))

# A key without a match.
holds("Polars and DuckDB: an inner join drops the row",
      usage.join(accounts.clear(), on="key").is_empty()
      and one("SELECT count(*) FROM (VALUES ('a')) u(k) JOIN (VALUES ('b')) a(k) USING (k)") == (0,))

# Values that are none.
holds("DuckDB: a cast fails the query", fails(lambda: db.execute("SELECT CAST(v AS INTEGER) FROM (VALUES ('12x')) t(v)").fetchall()))
holds("DuckDB: TRY_CAST gives null", one("SELECT TRY_CAST('12x' AS INTEGER)") == (None,))
holds("Polars: a cast fails the query", fails(lambda: pl.Series(["12x"]).cast(pl.Int32)))
holds("Polars: a cast that is not strict gives null", pl.Series(["12x"]).cast(pl.Int32, strict=False).to_list() == [None])

# Values that do not fit.
holds("DuckDB: 12.6 becomes the integer 13, 1e3 becomes 1000", one("SELECT TRY_CAST('12.6' AS INTEGER), TRY_CAST('1e3' AS INTEGER)") == (13, 1000))
holds("DuckDB: 1.239 becomes 1.24 in decimal(12,2)", str(one("SELECT TRY_CAST('1.239' AS DECIMAL(12, 2))")[0]) == "1.24")
holds("Polars: 12.6 and 1e3 are no integers", pl.Series(["12.6", "1e3"]).cast(pl.Int32, strict=False).to_list() == [None, None])
holds("Polars: 1.239 becomes 1.24 in decimal(12,2), strict too", str(pl.Series(["1.239"]).cast(pl.Decimal(12, 2))[0]) == "1.24")

# Times with an offset.
late = "2025-01-01T23:00:00-05:00"
holds("DuckDB: a cast to TIMESTAMP drops the offset", one(f"SELECT CAST('{late}' AS TIMESTAMP)") == (datetime.datetime(2025, 1, 1, 23),))
holds("Polars: the offset counts", pl.Series([late]).str.to_datetime("%Y-%m-%dT%H:%M:%S%z")[0].day == 2)

# Keys that repeat within the input.
db.execute("CREATE TABLE plain(k INTEGER, v INTEGER)")
merge = "MERGE INTO plain USING (VALUES (1, 2), (1, 3)) s(k, v) ON plain.k = s.k WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT"
db.execute(merge)
holds("DuckDB: MERGE inserts a new key twice", one("SELECT count(*) FROM plain") == (2,))
db.execute("CREATE TABLE keyed(k INTEGER PRIMARY KEY, v INTEGER)")
db.execute("INSERT INTO keyed SELECT * FROM (VALUES (1, 2), (1, 3)) ON CONFLICT DO UPDATE SET v = excluded.v")
holds("DuckDB: ON CONFLICT DO UPDATE keeps the first of two new rows of a key", one("SELECT v FROM keyed") == (2,))
twice = pl.DataFrame({"k": [1, 1], "v": [2, 3]})
holds("Polars: `unique` keeps any one unless told which", len(twice.unique("k")) == 1 and twice.unique("k", keep="last")["v"].to_list() == [3])

raise SystemExit(f"{len(wrong)} of these are not so" if wrong else 0)
