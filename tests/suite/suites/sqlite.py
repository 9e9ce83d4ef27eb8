"""Databases in the current directory: every function `case_...` is a case.

Prints `NAME ok` or `NAME FAILED` and, indented, what went wrong.
"""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import traceback

ROWS = 2000


def connect(name, journal="delete", synchronous="full"):
    database = sqlite3.connect(name, timeout=60, isolation_level=None)
    mode = database.execute(f"pragma journal_mode={journal}").fetchone()[0]
    assert mode == journal, f"journal mode is {mode}, not {journal}"
    database.execute(f"pragma synchronous={synchronous}")
    return database


def fill(database, rows=ROWS, commits=10):
    database.execute("create table if not exists t (id integer primary key, k int, text text)")
    database.execute("create index if not exists by_k on t (k)")
    for part in range(commits):
        database.execute("begin immediate")
        database.executemany(
            "insert into t (k, text) values (?, ?)",
            ((n * 7919 % 10007, f"row {n} " * 10) for n in range(rows // commits)),
        )
        database.execute("commit")


def check(database, rows=ROWS):
    assert database.execute("pragma integrity_check").fetchall() == [("ok",)]
    count = database.execute("select count(*) from t").fetchone()[0]
    assert count == rows, f"{count} rows, not {rows}"
    by_index = database.execute("select count(*) from t indexed by by_k where k >= 0").fetchone()
    assert by_index[0] == rows


def check_again(name, rows=ROWS):
    with sqlite3.connect(name) as database:
        check(database, rows)
    database.close()


def journal_mode(journal, synchronous="full"):
    name = f"{journal}-{synchronous}.db"
    database = connect(name, journal, synchronous)
    fill(database)
    check(database)
    database.execute("delete from t where k % 3 = 0")
    database.execute("update t set text = 'changed' where k % 3 = 1")
    left = database.execute("select count(*) from t").fetchone()[0]
    check(database, left)
    database.close()
    check_again(name, left)
    leftover = [other for other in os.listdir() if other.startswith(name + "-")]
    assert leftover in ([], [name + "-journal"]), leftover


def case_journal_delete():
    journal_mode("delete")


def case_journal_truncate():
    journal_mode("truncate")


def case_journal_persist():
    journal_mode("persist")


def case_journal_memory():
    journal_mode("memory", "normal")


def case_journal_off():
    journal_mode("off", "off")


def case_journal_wal():
    journal_mode("wal")


def case_journal_wal_synchronous_normal():
    journal_mode("wal", "normal")


def several(journal, processes=2, commits=40):
    name = f"several-{journal}.db"
    database = connect(name, journal)
    fill(database, rows=10)
    database.close()
    children = [
        subprocess.Popen([sys.executable, __file__, "writer", name, journal, str(commits)])
        for _ in range(processes)
    ]
    reader = sqlite3.connect(name, timeout=60)
    last = 0
    while any(child.poll() is None for child in children):
        count = reader.execute("select count(*) from t").fetchone()[0]
        assert count >= last and count % 10 == 0, f"{last} rows, then {count}"
        last = count
    reader.close()
    assert [child.wait() for child in children] == [0] * processes
    check_again(name, 10 + processes * commits * 10)


def writer(name, journal, commits):
    database = connect(name, journal, "normal")
    for _ in range(int(commits)):
        fill(database, rows=10, commits=1)
    database.close()


def case_two_processes_journal_delete():
    several("delete")


def case_two_processes_journal_wal():
    several("wal")


def killed(journal):
    """A process is killed in a transaction: the next one finds what was committed."""
    name = f"killed-{journal}.db"
    database = connect(name, journal)
    fill(database)
    database.close()
    command = [sys.executable, __file__, "victim", name, journal]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"in a transaction\n"
        child.send_signal(signal.SIGKILL)
    check_again(name)


def victim(name, journal):
    database = connect(name, journal)
    database.execute("pragma cache_size=10")
    database.execute("begin immediate")
    database.execute("update t set text = text || 'never committed'")
    database.execute("delete from t where id % 2 = 0")
    print("in a transaction", flush=True)
    signal.pause()


def case_killed_journal_delete():
    killed("delete")


def case_killed_journal_wal():
    killed("wal")


def case_vacuum():
    database = connect("vacuum.db")
    fill(database)
    database.execute("delete from t where id % 10 != 0")
    before = os.path.getsize("vacuum.db")
    database.execute("vacuum")
    assert os.path.getsize("vacuum.db") < before
    check(database, ROWS // 10)
    database.execute("vacuum into 'vacuumed.db'")
    database.close()
    check_again("vacuumed.db", ROWS // 10)


def case_large_values():
    database = connect("large.db")
    database.execute("create table b (id integer primary key, bytes blob)")
    values = [random.Random(n).randbytes(3_000_000) for n in range(6)]
    database.executemany("insert into b (bytes) values (?)", ((value,) for value in values))
    with database.blobopen("b", "bytes", 3) as blob:
        blob.seek(1_000_000)
        blob.write(b"changed")
    values[2] = values[2][:1_000_000] + b"changed" + values[2][1_000_007:]
    database.close()
    database = sqlite3.connect("large.db")
    assert [row[0] for row in database.execute("select bytes from b order by id")] == values
    assert database.execute("pragma integrity_check").fetchall() == [("ok",)]
    database.close()


def case_mapped_reads():
    database = connect("mapped.db")
    database.execute("pragma mmap_size=100000000")
    fill(database)
    check(database)
    database.execute("update t set text = 'mapped'")
    database.close()
    check_again("mapped.db")


def case_exclusive_locking():
    database = connect("exclusive.db")
    database.execute("pragma locking_mode=exclusive")
    fill(database)
    other = sqlite3.connect("exclusive.db", timeout=0)
    try:
        other.execute("select * from t").fetchone()
        raise AssertionError("another connection reads a locked database")
    except sqlite3.OperationalError as error:
        assert "locked" in str(error), error
    other.close()
    database.close()
    check_again("exclusive.db")


def case_rollback_and_savepoints():
    database = connect("rollback.db")
    fill(database)
    database.execute("begin")
    database.execute("delete from t")
    database.execute("rollback")
    database.execute("begin")
    database.execute("savepoint s")
    database.execute("delete from t")
    database.execute("rollback to s")
    database.execute("insert into t (k, text) values (1, 'kept')")
    database.execute("commit")
    check(database, ROWS + 1)
    database.close()


def case_attached_databases():
    """A transaction over two files has a super-journal."""
    database = connect("attached-1.db")
    fill(database)
    database.execute("attach 'attached-2.db' as second")
    database.execute("begin")
    database.execute("create table second.t as select * from t")
    database.execute("delete from main.t where id % 2 = 0")
    database.execute("commit")
    assert database.execute("select count(*) from second.t").fetchone()[0] == ROWS
    check(database, ROWS // 2)
    database.close()


def case_backup_and_the_shell():
    database = connect("source.db")
    fill(database)
    with sqlite3.connect("backup.db") as target:
        database.backup(target, pages=50)
    target.close()
    database.close()
    check_again("backup.db")
    dump = subprocess.run(["sqlite3", "backup.db", ".dump"], check=True, capture_output=True)
    subprocess.run(["sqlite3", "restored.db"], check=True, input=dump.stdout)
    check_again("restored.db")


def main():
    if len(sys.argv) > 1:
        globals()[sys.argv[1]](*sys.argv[2:])
        return
    passed = failed = 0
    for name, case in list(globals().items()):
        if not name.startswith("case_"):
            continue
        try:
            case()
            passed += 1
            print(name.removeprefix("case_"), "ok", flush=True)
        except Exception:
            failed += 1
            print(name.removeprefix("case_"), "FAILED", flush=True)
            for line in traceback.format_exc().strip().splitlines()[-8:]:
                print("\t" + line, flush=True)
    print(f"Summary: {passed} passed, {failed} failed")


main()
