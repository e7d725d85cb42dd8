"""pandas: pandas_peer.py JOB DATA OUT THREADS own|csv

`own` is a Parquet file with lz4. Money is a float here, as pandas users mostly have it: its decimals are Python objects."""

import os
import sys

job, data, out, threads, sink = sys.argv[1:]
os.environ["OMP_NUM_THREADS"] = threads

import numpy as np
import pandas as pd
import pyarrow

pyarrow.set_cpu_count(int(threads))
os.makedirs(f"{out}/rejects")


def read(file):
    # The reader of pyarrow, which has threads, loses its way in line breaks within quotes.
    return pd.read_csv(f"{data}/{file}", dtype=str, keep_default_na=False)


def write(rows, name):
    if sink == "own":
        rows.to_parquet(f"{out}/{name}.parquet", index=False, compression="lz4")
    else:
        rows.to_csv(f"{out}/{name}.csv", index=False, date_format="%Y-%m-%dT%H:%M:%SZ")


accounts = read("accounts.csv")
known = accounts.groupby("external_id", sort=False).agg(id=("id", "min"), hits=("id", "size")).reset_index()

if job == "J1":
    usage = read("usage.csv")
    usage["instant"] = pd.to_datetime(usage["event_ts"], utc=True, format="ISO8601", errors="coerce").dt.tz_localize(None)
    usage["seats_"] = pd.to_numeric(usage["seats"], errors="coerce")
    usage["mrr_"] = pd.to_numeric(usage["mrr"], errors="coerce")
    usage["bad"] = usage[["instant", "seats_", "mrr_"]].isna().any(axis=1)
    usage = usage[(usage["active"] == "true") | usage["bad"]]
    usage = usage.merge(known, left_on="external_account_id", right_on="external_id", how="left")
    verdicts = [usage["bad"], usage["hits"].isna(), usage["hits"] > 1]
    usage["_reason"] = np.select(verdicts, ["bad_value", "no_match", "multi_match"], "")
    columns = ["external_account_id", "event_ts", "product", "seats", "mrr", "_reason"]
    usage.loc[usage["_reason"] != "", columns].to_csv(f"{out}/rejects/usage.csv", index=False)
    good = usage[usage["_reason"] == ""]
    rows = pd.DataFrame({
        "account_id": good["id"],
        "product": good["product"],
        "day": good["instant"].dt.normalize(),
        "event_ts": good["instant"],
        "seats": good["seats_"].astype("int32"),
        "mrr": good["mrr_"],
        "arr": (good["mrr_"] * 12).round(2),
        "note": good["note"],
    })
    rows = rows.drop_duplicates(["account_id", "product", "day"], keep="last")
    if sink == "csv":
        rows["day"] = rows["day"].dt.strftime("%Y-%m-%d")
        rows["mrr"] = rows["mrr"].map("{:.2f}".format)
        rows["arr"] = rows["arr"].map("{:.2f}".format)
    write(rows, "usage")
else:
    latest = read("account_updates.csv").drop_duplicates("external_id", keep="last")
    latest = latest.merge(known.rename(columns={"id": "old_id"}), on="external_id", how="left")
    latest["hits"] = latest["hits"].fillna(0)
    refused = latest[latest["hits"] > 1]
    refused.assign(_reason="multi_match").to_csv(f"{out}/rejects/account.csv", index=False)
    new = latest[latest["hits"] == 0]
    inserted = pd.DataFrame({"external_id": new["external_id"], "id": new["proposed_id"], "hits": 1})
    parents = pd.concat([known, inserted]).set_axis(["parent", "found", "found_hits"], axis=1)
    written = latest[latest["hits"] <= 1].merge(parents, left_on="parent_external_id", right_on="parent", how="left")
    written["parent_id"] = written["found"].where(written["found_hits"] == 1)
    updated = written.loc[written["hits"] == 1, ["old_id", "name", "parent_id"]].rename(columns={"name": "new_name"})
    kept = accounts.merge(updated, left_on="id", right_on="old_id", how="left")
    kept["name"] = kept["new_name"].where(kept["new_name"].notna(), kept["name"])
    made = written[written["hits"] == 0].rename(columns={"proposed_id": "id"})
    columns = ["id", "external_id", "name", "parent_id"]
    write(pd.concat([kept[columns], made[columns]]), "account")
