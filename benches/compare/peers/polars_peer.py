"""Polars: polars_peer.py JOB DATA OUT THREADS own|csv in-memory|streaming

`own` is a Parquet file with lz4. Neither kind of file can be updated in place: the whole object is written anew."""

import os
import sys

job, data, out, threads, sink, engine = sys.argv[1:]
os.environ["POLARS_MAX_THREADS"] = threads

import polars as pl  # reads the number of threads once

os.makedirs(f"{out}/rejects")


def scan(file, *columns, **options):
    """A file in which every cell is text: what is typed can then be refused row by row."""
    return pl.scan_csv(f"{data}/{file}", schema=dict.fromkeys(columns, pl.String), **options)


def write(rows, name):
    if sink == "own":
        rows.write_parquet(f"{out}/{name}.parquet", compression="lz4")
    else:
        rows.write_csv(f"{out}/{name}.csv", datetime_format="%Y-%m-%dT%H:%M:%SZ")


accounts = scan("accounts.csv", "id", "external_id", "name", "parent_external_id")
# A join with an account that is there twice would give two rows, so the accounts are made unique, and counted.
known = accounts.group_by("external_id").agg(pl.col("id").min(), pl.len().alias("hits"))

if job == "J1":
    columns = ["external_account_id", "event_ts", "product", "seats", "mrr", "active", "note"]
    # `strict=False` gives null for what cannot be read; a strict cast would end the query.
    instant = pl.col("event_ts").str.to_datetime("%Y-%m-%dT%H:%M:%S%z", time_unit="us", time_zone="UTC", strict=False)
    typed = {
        "instant": instant.dt.replace_time_zone(None),
        "seats_": pl.col("seats").cast(pl.Int32, strict=False),
        "mrr_": pl.col("mrr").cast(pl.Decimal(12, 2), strict=False),
    }
    bad = pl.any_horizontal(pl.col(name).is_null() for name in typed)
    reason = (
        pl.when(bad).then(pl.lit("bad_value"))
        .when(pl.col("hits").is_null()).then(pl.lit("no_match"))
        .when(pl.col("hits") > 1).then(pl.lit("multi_match"))
    )
    staged = (
        # `row` is the order of the file: later rows win, and a join keeps no order.
        scan("usage.csv", *columns, row_index_name="row")
        .with_columns(**typed)
        .filter((pl.col("active") == "true") | bad)
        .join(known, left_on="external_account_id", right_on="external_id", how="left")
        .with_columns(reason.alias("_reason"))
        .select("row", *columns[:5], "note", *typed, "id", "_reason")
        .collect(engine=engine)
    )
    refused = staged.filter(pl.col("_reason").is_not_null())
    refused.select(*columns[:5], "_reason").write_csv(f"{out}/rejects/usage.csv")
    arr = pl.col("mrr_") * pl.lit(12).cast(pl.Decimal(3, 0))
    rows = (
        staged.lazy()
        .filter(pl.col("_reason").is_null())
        .sort("row")
        .select(
            pl.col("id").alias("account_id"),
            "product",
            pl.col("instant").dt.date().alias("day"),
            pl.col("instant").alias("event_ts"),
            pl.col("seats_").alias("seats"),
            pl.col("mrr_").alias("mrr"),
            arr.cast(pl.Decimal(14, 2)).alias("arr"),
            "note",
        )
        .unique(subset=["account_id", "product", "day"], keep="last")
    )
    write(rows.collect(engine=engine), "usage")
else:
    columns = ["external_id", "proposed_id", "name", "parent_external_id"]
    old = accounts.select("id", "external_id", "name").collect(engine=engine)
    known = old.lazy().group_by("external_id").agg(pl.col("id").min(), pl.len().alias("hits")).collect(engine=engine)
    latest = (
        scan("account_updates.csv", *columns, row_index_name="row")
        .unique(subset="external_id", keep="last")
        .join(known.lazy(), on="external_id", how="left")
        .with_columns(pl.col("hits").fill_null(0))
        .collect(engine=engine)
    )
    refused = latest.filter(pl.col("hits") > 1)
    refused.select(*columns, pl.lit("multi_match").alias("_reason")).write_csv(f"{out}/rejects/account.csv")
    new = latest.filter(pl.col("hits") == 0)
    # A parent is an old record or one that this run inserts, and only one record at that.
    inserted = new.select("external_id", pl.col("proposed_id").alias("id"), pl.lit(1, dtype=pl.get_index_type()).alias("hits"))
    parents = pl.concat([known, inserted]).rename({"id": "found", "hits": "found_hits"})
    written = (
        latest.filter(pl.col("hits") <= 1)
        .join(parents, left_on="parent_external_id", right_on="external_id", how="left")
        .with_columns(pl.when(pl.col("found_hits") == 1).then("found").alias("parent_id"))
    )
    updated = written.filter(pl.col("hits") == 1).select("id", pl.col("name").alias("new_name"), "parent_id")
    kept = old.join(updated, on="id", how="left").select(
        "id", "external_id", pl.coalesce("new_name", "name").alias("name"), "parent_id"
    )
    made = written.filter(pl.col("hits") == 0).select(pl.col("proposed_id").alias("id"), "external_id", "name", "parent_id")
    write(pl.concat([kept, made]), "account")
