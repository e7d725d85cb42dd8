"""DuckDB: duckdb_peer.py JOB DATA OUT THREADS own|csv

`own` is a database file, written with MERGE into a table without a key; an index on the key would cost it more than half as
much again. `csv` keeps nothing: a database in memory, and the result is copied out."""

import os
import sys

import duckdb

job, data, out, threads, sink = sys.argv[1:]
os.makedirs(f"{out}/rejects")
db = duckdb.connect(f"{out}/dest.duckdb" if sink == "own" else ":memory:")
db.execute(f"SET threads = {threads}")
# Otherwise the day of an instant depends on where the machine stands.
db.execute("SET TimeZone = 'UTC'")

COPY = "(FORMAT csv, HEADER, TIMESTAMPFORMAT '%Y-%m-%dT%H:%M:%SZ')"


def read(file, *columns):
    """A scan of a file in which every cell is text: what is typed can then be refused row by row."""
    typed = ", ".join(f"'{column}': 'VARCHAR'" for column in columns)
    return f"""read_csv('{data}/{file}', header = true, delim = ',', quote = '"', escape = '"',
                        auto_detect = false, columns = {{{typed}}})"""


accounts = read("accounts.csv", "id", "external_id", "name", "parent_external_id")

if job == "J1":
    usage = read("usage.csv", "external_account_id", "event_ts", "product", "seats", "mrr", "active", "note")
    # A join with an account that is there twice would give two rows, so the accounts are made unique, and counted.
    db.execute(f"CREATE TEMP TABLE account AS SELECT external_id, min(id) AS id, count(*) AS hits FROM {accounts} GROUP BY ALL")
    # `row` is the order of the file: later rows win, and no table remembers an order.
    # TRY_CAST gives null for what it cannot read; a cast would end the query. By way of TIMESTAMPTZ, because a cast to
    # TIMESTAMP drops the offset and says nothing.
    bad = "instant IS NULL OR seats_ IS NULL OR mrr_ IS NULL OR active_ IS NULL"
    db.execute(f"""
        CREATE TEMP TABLE staged AS
        SELECT row, product, note, instant, seats_, mrr_, id,
            CASE WHEN {bad} THEN 'bad_value' WHEN hits IS NULL THEN 'no_match' WHEN hits > 1 THEN 'multi_match' END AS reason,
            CASE WHEN {bad} OR hits IS NULL OR hits > 1
                THEN {{'account': external_account_id, 'event_ts': event_ts, 'seats': seats, 'mrr': mrr}} END AS raw
        FROM (
            SELECT row_number() OVER () AS row, *, TRY_CAST(event_ts AS TIMESTAMPTZ)::TIMESTAMP AS instant,
                TRY_CAST(seats AS INTEGER) AS seats_, TRY_CAST(mrr AS DECIMAL(12, 2)) AS mrr_, TRY_CAST(active AS BOOLEAN) AS active_
            FROM {usage})
        LEFT JOIN account ON external_id = external_account_id
        WHERE active_ OR {bad}""")
    db.execute(f"""
        COPY (SELECT raw.account AS external_account_id, raw.event_ts, product, raw.seats, raw.mrr, reason AS _reason
              FROM staged WHERE reason IS NOT NULL) TO '{out}/rejects/usage.csv' {COPY}""")
    # MERGE would insert a key twice that is in its source twice.
    last = "SELECT max(row) AS row FROM staged WHERE reason IS NULL GROUP BY id, product, instant::DATE"
    rows = f"""SELECT id AS account_id, product, instant::DATE AS day, instant AS event_ts, seats_ AS seats, mrr_ AS mrr,
                   CAST(mrr_ * 12 AS DECIMAL(14, 2)) AS arr, note
               FROM staged SEMI JOIN ({last}) USING (row)"""
    if sink == "own":
        db.execute("""CREATE TABLE usage(account_id VARCHAR, product VARCHAR, day DATE, event_ts TIMESTAMP, seats INTEGER,
                                         mrr DECIMAL(12, 2), arr DECIMAL(14, 2), note VARCHAR)""")
        db.execute(f"""
            MERGE INTO usage AS old USING ({rows}) AS new
            ON old.account_id = new.account_id AND old.product = new.product AND old.day = new.day
            WHEN MATCHED THEN UPDATE SET event_ts = new.event_ts, seats = new.seats, mrr = new.mrr, arr = new.arr, note = new.note
            WHEN NOT MATCHED THEN INSERT""")
    else:
        db.execute(f"COPY ({rows}) TO '{out}/usage.csv' {COPY}")
else:
    updates = read("account_updates.csv", "external_id", "proposed_id", "name", "parent_external_id")
    db.execute(f"CREATE TABLE account AS SELECT id, external_id, name, CAST(NULL AS VARCHAR) AS parent_id FROM {accounts}")
    db.execute("CREATE TEMP TABLE known AS SELECT external_id, min(id) AS id, count(*) AS hits FROM account GROUP BY ALL")
    db.execute(f"""
        CREATE TEMP TABLE latest AS
        SELECT rows.*, known.id AS old_id, coalesce(hits, 0) AS hits
        FROM (SELECT * FROM (SELECT row_number() OVER () AS row, * FROM {updates})
              QUALIFY row_number() OVER (PARTITION BY external_id ORDER BY row DESC) = 1) AS rows
        LEFT JOIN known USING (external_id)""")
    db.execute(f"""
        COPY (SELECT external_id, proposed_id, name, parent_external_id, 'multi_match' AS _reason FROM latest WHERE hits > 1)
        TO '{out}/rejects/account.csv' {COPY}""")
    # A parent is an old record or one that this run inserts, and only one record at that.
    db.execute("""
        CREATE TEMP TABLE written AS
        WITH parents AS (SELECT * FROM known UNION ALL SELECT external_id, proposed_id, 1 FROM latest WHERE hits = 0)
        SELECT latest.*, CASE WHEN parents.hits = 1 THEN parents.id END AS parent_id
        FROM latest LEFT JOIN parents ON parents.external_id = latest.parent_external_id WHERE latest.hits <= 1""")
    db.execute("""
        MERGE INTO account USING written ON account.id = written.old_id
        WHEN MATCHED THEN UPDATE SET name = written.name, parent_id = written.parent_id
        WHEN NOT MATCHED THEN INSERT VALUES (written.proposed_id, written.external_id, written.name, written.parent_id)""")
    if sink == "csv":
        db.execute(f"COPY account TO '{out}/account.csv' {COPY}")
db.close()
