"""Makes the CSV file that `workload verify` reads of what a peer left in its own format: export.py JOB OUT"""

import os
import sys

import duckdb

job, out = sys.argv[1:]
name = {"J1": "usage", "J2": "account"}[job]
if os.path.exists(f"{out}/dest.duckdb"):
    db, rows = duckdb.connect(f"{out}/dest.duckdb", read_only=True), name
else:
    parquet = f"{out}/{name}.parquet"
    db, rows = duckdb.connect(), f"'{parquet}/*.parquet'" if os.path.isdir(parquet) else f"'{parquet}'"
columns = "id, external_id, name, parent_id"
if job == "J1":
    money = "CAST(round({0}, 2) AS DECIMAL(14, 2)) AS {0}"
    columns = f"account_id, product, CAST(day AS DATE) AS day, event_ts, seats, {money.format('mrr')}, {money.format('arr')}, note"
db.execute(f"COPY (SELECT {columns} FROM {rows}) TO '{out}/{name}.csv' (FORMAT csv, HEADER, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%SZ')")
