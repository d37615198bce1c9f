"""psycopg's cases: the target comes as JSON on standard input, the outcomes leave as JSON."""

import hashlib
import json
import sys
import threading
import time

import psycopg
from psycopg import pq

BIG = "äx" * 3_500_000


def failure(error):
    told = {"name": type(error).__name__, "text": str(error)}
    if isinstance(error, psycopg.Error) and error.sqlstate:
        told |= {
            "sqlstate": error.sqlstate,
            "severity": error.diag.severity,
            "detail": error.diag.message_detail,
            "hint": error.diag.message_hint,
        }
    return {"failed": told}


def attempt(work):
    try:
        return work()
    except Exception as error:  # whatever it is: both arms must have the same
        return failure(error)


def connect(target, **options):
    known = {
        "host": target["host"],
        "port": target["port"],
        "user": target["user"],
        "password": target["password"],
        "dbname": target["database"],
        "connect_timeout": 20,
        "autocommit": True,
    }
    return psycopg.connect(**(known | options))


def entered(target, **options):
    with connect(target, **options) as c:
        row = c.execute("select current_user, current_database(), 1 + 1").fetchone()
        return [list(row), c.pgconn.ssl_in_use, c.info.server_version, c.info.encoding]


def types(c):
    row = c.execute(
        "select 1::int8, 1.5::numeric, 'ä€😀', '\\x00ff'::bytea, null, array[1,2], true"
    ).fetchone()
    return [str(value) for value in row]


def errors(c):
    return [attempt(lambda sql=sql: c.execute(sql)) for sql in ("select 1/0", "selekt")]


def big(c):
    text = c.execute("select md5(%s), length(%s)", (BIG, BIG)).fetchone()
    raw = c.execute("select md5(%b)", (b"\x07" * 10_000_000,)).fetchone()
    row = c.execute("select repeat('ab', 5000000)").fetchone()
    digest = hashlib.md5(row[0].encode()).hexdigest()
    return [list(text), list(raw), digest]


def prepared(c):
    found = [c.execute("select %s::int + 1", (n,), prepare=True).fetchone()[0] for n in range(3)]
    names = c.execute("select statement from pg_prepared_statements").fetchall()
    return [found, [list(name) for name in names]]


def pipelined(c):
    with c.pipeline():
        cursors = [c.execute("select %s::int", (n,)) for n in range(200)]
    return [cursor.fetchone()[0] for cursor in cursors]


def pipelined_error(c):
    def run():
        with c.pipeline():
            for n in range(10):
                c.execute("select 10 / %s::int", (n - 5,))

    return [attempt(run), c.execute("select 1").fetchone()[0]]


def copied(c):
    c.execute("create temporary table t (a int, b text)")
    with c.cursor().copy("copy t from stdin") as copy:
        for n in range(50_000):
            copy.write_row((n, f"zeile {n}"))
    with c.cursor().copy("copy t to stdout") as copy:
        back = b"".join(bytes(part) for part in copy)

    def wrong():
        with c.cursor().copy("copy t from stdin") as copy:
            copy.write(b"x\n")

    return [len(back), hashlib.md5(back).hexdigest(), attempt(wrong)]


def notified(c):
    c.execute("listen news")
    c.execute("notify news, 'höre'")
    return [[n.channel, n.payload] for n in c.notifies(timeout=5, stop_after=1)]


def noticed(c):
    told = []
    c.add_notice_handler(lambda diag: told.append([diag.severity, diag.message_primary]))
    c.execute("do $$ begin raise notice 'so %', 1; end $$")
    return told


def cancelled(c, how):
    timer = threading.Timer(0.2, getattr(c, how))
    timer.start()
    outcome = attempt(lambda: c.execute("select pg_sleep(20)"))
    timer.join()
    time.sleep(0.1)
    return [outcome, c.execute("select 1").fetchone()[0]]


def cursor(c):
    with c.transaction(), c.cursor(name="named") as rows:
        rows.itersize = 100
        return sum(row[0] for row in rows.execute("select generate_series(1, 1000)"))


def failed_transaction(c):
    def run():
        with c.transaction():
            c.execute("select 1/0")

    return [attempt(run), c.execute("select 1").fetchone()[0], c.info.transaction_status.name]


SESSION = {
    "types": types,
    "errors": errors,
    "parameters and rows of 10 MB": big,
    "prepared": prepared,
    "pipeline": pipelined,
    "pipeline with an error": pipelined_error,
    "copy": copied,
    "notify": notified,
    "a notice": noticed,
    "cancel": lambda c: cancelled(c, "cancel"),
    "cancel in the session's own way": lambda c: cancelled(c, "cancel_safe"),
    "a named cursor": cursor,
    "a transaction that failed": failed_transaction,
}


def in_session(target, work, **options):
    with connect(target, **options) as c:
        return work(c)


def run(target):
    outcomes = {}
    version = pq.version()
    ways = {"sslmode=disable": {"sslmode": "disable"}, "sslmode=require": {"sslmode": "require"}}
    if version >= 170000:
        ways["direct"] = {"sslmode": "require", "sslnegotiation": "direct"}
    if version >= 180000:
        for asked in ("3.0", "3.2", "latest"):
            ways[f"protocol {asked}"] = {"sslmode": "require", "max_protocol_version": asked}
            ways[f"protocol {asked}, plain"] = {"sslmode": "disable", "max_protocol_version": asked}
        ways["protocol at least 3.2"] = {"min_protocol_version": "3.2", "max_protocol_version": "3.2"}
    for mode in ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"):
        for binding in ("disable", "prefer", "require"):
            for certificate in ("certificate", "otherCertificate"):
                for negotiation in ("postgres", "direct") if version >= 170000 else ("postgres",):
                    options = {"sslmode": mode, "channel_binding": binding}
                    if negotiation == "direct":
                        options["sslnegotiation"] = "direct"
                    if mode.startswith("verify"):
                        options["sslrootcert"] = target[certificate]
                    elif certificate == "otherCertificate":
                        continue
                    name = f"login: {mode}, {binding}, {certificate}, {negotiation}"
                    outcomes[name] = attempt(lambda: entered(target, **options))
                    wrong = options | {"password": "wrong"}
                    outcomes[f"{name}, wrong"] = attempt(lambda: entered(target, **wrong))
    for way, options in ways.items():
        outcomes[f"{way}: login"] = attempt(lambda: entered(target, **options))
        for name, work in SESSION.items():
            outcomes[f"{way}: {name}"] = attempt(lambda: in_session(target, work, **options))
    return outcomes


print(json.dumps({"libpq": pq.version(), "outcomes": run(json.load(sys.stdin))}))
