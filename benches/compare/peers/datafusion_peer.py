"""Apache DataFusion: datafusion_peer.py JOB DATA OUT THREADS own|csv

`own` is Parquet with lz4."""

import os
import sys

from datafusion import SessionConfig, SessionContext

job, data, out, threads, sink = sys.argv[1:]
os.makedirs(f"{out}/rejects")
config = SessionConfig().with_target_partitions(int(threads)).set("datafusion.execution.parquet.compression", "lz4_raw")
context = SessionContext(config)


def read(name, file, *columns):
    texts = ", ".join(f"{column} VARCHAR" for column in columns)
    # Without `newlines_in_values` a line break within quotes ends the record.
    context.sql(f"""CREATE EXTERNAL TABLE {name}({texts}) STORED AS CSV LOCATION '{data}/{file}'
                    OPTIONS ('has_header' 'true', 'newlines_in_values' 'true')""")


def keep(name, query):
    """Computes a query once; without this each use would compute it again."""
    context.register_view(name, context.sql(query).cache())


def refuse(name, query):
    context.sql(f"COPY ({query}) TO '{out}/rejects/{name}.csv' STORED AS CSV OPTIONS ('format.has_header' 'true')").collect()


def write(name, query):
    if sink == "own":
        context.sql(f"COPY ({query}) TO '{out}/{name}.parquet/' STORED AS PARQUET").collect()
    else:
        options = "'format.has_header' 'true', 'format.timestamp_format' '%Y-%m-%dT%H:%M:%SZ'"
        context.sql(f"COPY ({query}) TO '{out}/{name}.csv' STORED AS CSV OPTIONS ({options})").collect()


read("accounts", "accounts.csv", "id", "external_id", "name", "parent_external_id")
known = "SELECT external_id, min(id) AS id, count(*) AS hits FROM accounts GROUP BY external_id"

if job == "J1":
    read("usage", "usage.csv", "external_account_id", "event_ts", "product", "seats", "mrr", "active", "note")
    # A timestamp that cannot be read ends the query here; the workload has none.
    bad = "seats_ IS NULL OR mrr_ IS NULL OR instant IS NULL"
    keep("staged", f"""
        SELECT row, external_account_id, event_ts, product, seats, mrr, note, instant, seats_, mrr_, id,
            CASE WHEN {bad} THEN 'bad_value' WHEN hits IS NULL THEN 'no_match' WHEN hits > 1 THEN 'multi_match' END AS reason
        FROM (SELECT row_number() OVER () AS row, *, to_timestamp_micros(event_ts) AS instant,
                  TRY_CAST(seats AS INT) AS seats_, TRY_CAST(mrr AS DECIMAL(12, 2)) AS mrr_ FROM usage)
        LEFT JOIN ({known}) AS known ON external_id = external_account_id
        WHERE active = 'true' OR {bad}""")
    refuse("usage", """SELECT external_account_id, event_ts, product, seats, mrr, reason AS _reason
                       FROM staged WHERE reason IS NOT NULL""")
    write("usage", """
        SELECT id AS account_id, product, CAST(instant AS DATE) AS day, instant AS event_ts, seats_ AS seats, mrr_ AS mrr,
            CAST(mrr_ * 12 AS DECIMAL(14, 2)) AS arr, note
        FROM (SELECT *, row_number() OVER (PARTITION BY id, product, CAST(instant AS DATE) ORDER BY row DESC) AS nth
              FROM staged WHERE reason IS NULL)
        WHERE nth = 1""")
else:
    read("updates", "account_updates.csv", "external_id", "proposed_id", "name", "parent_external_id")
    keep("known", known)
    keep("latest", """
        SELECT rows.external_id, proposed_id, name, parent_external_id, known.id AS old_id, coalesce(hits, 0) AS hits
        FROM (SELECT *, row_number() OVER (PARTITION BY external_id ORDER BY row DESC) AS nth
              FROM (SELECT row_number() OVER () AS row, * FROM updates)) AS rows
        LEFT JOIN known ON known.external_id = rows.external_id WHERE nth = 1""")
    refuse("account", """SELECT external_id, proposed_id, name, parent_external_id, 'multi_match' AS _reason
                         FROM latest WHERE hits > 1""")
    keep("written", """
        SELECT latest.*, CASE WHEN parents.hits = 1 THEN parents.id END AS parent_id
        FROM latest LEFT JOIN (SELECT external_id, id, hits FROM known
                               UNION ALL SELECT external_id, proposed_id, 1 FROM latest WHERE hits = 0) AS parents
        ON parents.external_id = latest.parent_external_id WHERE latest.hits <= 1""")
    write("account", """
        SELECT accounts.id, accounts.external_id, coalesce(updated.name, accounts.name) AS name, updated.parent_id
        FROM accounts LEFT JOIN (SELECT * FROM written WHERE hits = 1) AS updated ON updated.old_id = accounts.id
        UNION ALL SELECT proposed_id, external_id, name, parent_id FROM written WHERE hits = 0""")
