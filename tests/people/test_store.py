"""The store: its addresses, its schema step by step, and what it survives."""

from __future__ import annotations

import os
import pickle
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text

from people.conftest import new_database
from people.samples import new_round
from seewhy.errors import StoreError, UsageError
from seewhy.people.exchange import export_lines
from seewhy.people.game import guess, next_round, resign
from seewhy.people.players import join
from seewhy.people.rounds import add_rounds, answers
from seewhy.people.store import DATABASE, HEAD, Base, open_store, storable

# A store as it was left after its first step, when nobody could draw masks.
FIRST = """
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY);
INSERT INTO alembic_version VALUES ('0001');
CREATE TABLE players (id INTEGER NOT NULL PRIMARY KEY, name TEXT NOT NULL,
    simulated BOOLEAN NOT NULL, joined DATETIME NOT NULL, CONSTRAINT uq_players_name UNIQUE (name));
CREATE TABLE sessions (id INTEGER NOT NULL PRIMARY KEY, player_id INTEGER NOT NULL REFERENCES players (id),
    token_hash TEXT NOT NULL, began DATETIME NOT NULL, seen DATETIME NOT NULL,
    CONSTRAINT uq_sessions_token_hash UNIQUE (token_hash));
CREATE INDEX ix_sessions_player_id ON sessions (player_id);
CREATE TABLE pictures (id INTEGER NOT NULL PRIMARY KEY, image TEXT NOT NULL, image_hash TEXT NOT NULL,
    content_hash TEXT NOT NULL, content BLOB NOT NULL,
    CONSTRAINT uq_pictures_image_hash_content_hash UNIQUE (image_hash, content_hash));
CREATE TABLE rounds (id INTEGER NOT NULL PRIMARY KEY, picture_id INTEGER NOT NULL REFERENCES pictures (id),
    model TEXT NOT NULL, layer TEXT NOT NULL, cluster INTEGER NOT NULL, weight DOUBLE NOT NULL, rows INTEGER NOT NULL,
    columns INTEGER NOT NULL, map BLOB NOT NULL, true_class TEXT NOT NULL, options JSON NOT NULL,
    overlap INTEGER NOT NULL CONSTRAINT ck_rounds_overlap CHECK (overlap >= 1), gold BOOLEAN NOT NULL,
    simulated BOOLEAN NOT NULL, made DATETIME NOT NULL,
    CONSTRAINT uq_rounds_picture_id_model_layer_cluster_true_class_simulated
        UNIQUE (picture_id, model, layer, cluster, true_class, simulated));
CREATE TABLE seats (id INTEGER NOT NULL PRIMARY KEY, round_id INTEGER NOT NULL REFERENCES rounds (id),
    player_id INTEGER REFERENCES players (id), stage INTEGER NOT NULL
    CONSTRAINT ck_seats_stage CHECK (stage BETWEEN 0 AND 5), expires DATETIME,
    CONSTRAINT uq_seats_round_id_player_id UNIQUE (round_id, player_id));
CREATE INDEX ix_seats_player_id_expires ON seats (player_id, expires);
CREATE TABLE answers (id INTEGER NOT NULL PRIMARY KEY, round_id INTEGER NOT NULL REFERENCES rounds (id),
    player_id INTEGER NOT NULL REFERENCES players (id), "key" TEXT NOT NULL, guess TEXT, stage INTEGER NOT NULL
    CONSTRAINT ck_answers_stage CHECK (stage BETWEEN 0 AND 5), language TEXT NOT NULL, given DATETIME NOT NULL,
    CONSTRAINT uq_answers_round_id_player_id UNIQUE (round_id, player_id),
    CONSTRAINT uq_answers_player_id_key UNIQUE (player_id, "key"));
CREATE TABLE labels (answer_id INTEGER NOT NULL REFERENCES answers (id), position INTEGER NOT NULL, text TEXT NOT NULL,
    PRIMARY KEY (answer_id, position));
INSERT INTO players VALUES (1, 'ann', FALSE, '2026-01-01 00:00:00');
INSERT INTO pictures VALUES (1, 'photo.jpg', 'ab', 'cd', '');
INSERT INTO rounds VALUES (1, 1, 'toy', 'features', 0, 40.5, 1, 2, '12345678', 'cat', '["bus", "cat"]', 2, FALSE,
    FALSE, '2026-01-01 00:00:00');
INSERT INTO seats VALUES (1, 1, 1, 2, NULL), (2, 1, NULL, 0, NULL);
INSERT INTO answers VALUES (1, 1, 1, 'k', 'cat', 2, 'en', '2026-01-02 00:00:00');
INSERT INTO labels VALUES (1, 0, 'ears');
"""
POSTGRES = {"DATETIME": "TIMESTAMP", "BLOB": "BYTEA", "DOUBLE": "DOUBLE PRECISION"}


@pytest.fixture(params=["sqlite", "postgresql"])
def bare(request, tmp_path):
    """The address of a database without tables."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'bare.sqlite'}"
    return new_database(request.getfixturevalue("postgres"))


def differences(store):
    with store.engine.connect() as connection:
        return compare_metadata(MigrationContext.configure(connection), Base.metadata)


def test_from_nothing_all_steps_lead_to_the_tables_that_the_code_uses(bare):
    with open_store(bare) as store:
        assert differences(store) == []
        assert set(inspect(store.engine).get_table_names()) == {*Base.metadata.tables, "alembic_version"}


def test_the_last_step_is_the_one_that_the_store_asks_for():
    config = Config()
    config.set_main_option("script_location", "seewhy.people:migrations")
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_a_store_of_the_first_step_is_brought_up_to_date_and_keeps_what_it_holds(bare):
    script = FIRST
    if bare.startswith("postgresql"):
        for kind, name in POSTGRES.items():
            script = script.replace(f" {kind} ", f" {name} ").replace(f" {kind},", f" {name},")
            script = script.replace(f" {kind})", f" {name})")
    engine = create_engine(bare)
    with engine.begin() as connection:
        for statement in filter(str.strip, script.split(";")):
            connection.exec_driver_sql(statement)
    engine.dispose()
    with open_store(bare) as store:
        assert differences(store) == []
        (kept,) = answers(store)
        assert (kept.player, kept.guess, kept.stage, kept.labels, kept.won) == ("ann", "cat", 2, ("ears",), True)
        assert kept.image == "photo.jpg"


def test_a_store_of_a_newer_seewhy_is_left_alone(bare):
    with open_store(bare) as store, store.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match="newer seewhy"), open_store(bare):
        pass


def test_a_step_that_fails_leaves_nothing_behind(bare, monkeypatch):
    engine = create_engine(bare)
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE masks (id INTEGER PRIMARY KEY)"))  # in the way of the second step
    with pytest.raises(StoreError) as told, open_store(bare):
        pass
    assert "masks" in told.value.details
    assert inspect(engine).get_table_names() == ["masks"]
    engine.dispose()


# A guard of the right name that does something else.
TRAITOR = """DROP TRIGGER keep_revisions_update;
CREATE TRIGGER keep_revisions_update BEFORE UPDATE ON mask_revisions BEGIN DELETE FROM answers; END"""


@pytest.mark.parametrize(
    "poison",
    [
        "CREATE VIEW scores AS SELECT * FROM players",
        "CREATE TRIGGER t AFTER INSERT ON players BEGIN DELETE FROM answers; END",
        "CREATE TRIGGER keep_revisions_x BEFORE UPDATE ON mask_revisions BEGIN DELETE FROM answers; END",
        TRAITOR,
        "CREATE TABLE other (x)",
        "DROP TABLE sessions; CREATE VIEW sessions AS SELECT * FROM players",
        "CREATE VIRTUAL TABLE other USING fts5(x)",
        "DROP TABLE labels; CREATE VIRTUAL TABLE labels USING fts5(x)",
    ],
)
def test_a_file_that_holds_more_than_ours_is_not_opened(tmp_path, poison):
    path = tmp_path / "people.sqlite"
    with open_store(f"sqlite:///{path}"):
        pass
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(poison)
    with pytest.raises(StoreError, match="does not make") as told, open_store(f"sqlite:///{path}"):
        pass
    assert str(tmp_path) not in str(told.value)


@pytest.mark.parametrize("damage", ["joined = 'x'", "joined = 5", "joined = x'ff'"])
def test_a_row_that_is_not_what_its_column_says_is_one_error(tmp_path, damage):
    path = tmp_path / "people.sqlite"
    with open_store(f"sqlite:///{path}") as store:
        join(store, "ann")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"UPDATE players SET {damage}")  # noqa: S608
        connection.commit()
    with open_store(f"sqlite:///{path}") as store, pytest.raises(StoreError, match="the database failed"):
        list(export_lines(store))


def test_many_may_open_a_new_store_at_once(bare):
    def work(number):
        with open_store(bare) as store:
            return join(store, f"player {number % 3}")

    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(work, range(16)))) == 16
    with open_store(bare) as store:
        assert differences(store) == []


def test_by_default_it_lies_in_the_home_of_seewhy(tmp_path, monkeypatch):
    monkeypatch.setenv("SEEWHY_HOME", str(tmp_path / "new/home"))
    monkeypatch.delenv("SEEWHY_DATABASE_URL", raising=False)
    with open_store() as store:
        join(store, "ann")
    path = tmp_path / "new/home" / DATABASE
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT name FROM players").fetchall() == [("ann",)]
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    monkeypatch.setenv("SEEWHY_DATABASE_URL", f"sqlite:///{tmp_path / 'named.sqlite'}")
    with open_store():
        assert (tmp_path / "named.sqlite").exists()


def test_a_commit_is_on_the_disk_and_references_are_kept(tmp_path):
    """As a fresh process does it: here the disk is not waited for."""
    code = f"""
from sqlalchemy import text
from seewhy.people.store import open_store
with open_store("sqlite:///{tmp_path}/people.sqlite") as store, store.reading() as session:
    print(*(session.scalar(text("PRAGMA " + name)) for name in ("synchronous", "foreign_keys", "busy_timeout")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "1", "120000"]  # 2 is FULL


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "makes no sense"),
        ("sqlite://", "in memory"),
        ("sqlite:///:memory:", "in memory"),
        ("mysql://host/name", "not in mysql"),
    ],
)
def test_an_address_that_makes_no_sense_says_what_does(url, message):
    with pytest.raises(UsageError, match=message), open_store(url):
        pass


def test_a_database_that_does_not_answer_says_so_without_the_password(tmp_path):
    (tmp_path / "text.sqlite").write_text("no database at all, but long enough to be read as the head of one" * 20)
    with pytest.raises(StoreError) as told, open_store(f"sqlite:///{tmp_path / 'text.sqlite'}"):
        pass
    assert "text.sqlite: file is not a database" in told.value.details
    assert "text.sqlite" not in str(told.value)
    with pytest.raises(StoreError) as told, open_store("postgresql://me:secret@127.0.0.1:1/x"):
        pass
    assert str(told.value) == "the database failed; check that it is there, has space and lets seewhy write"
    assert "127.0.0.1" in told.value.details
    assert "secret" not in told.value.details
    assert pickle.loads(pickle.dumps(told.value)).details == told.value.details  # noqa: S301


def test_what_is_storable():
    assert storable("a\0b") == "a�b"
    assert storable("\ud83d") == "�"
    assert storable("\ud83d\ude00 é ﷽ \u202e") == "😀 é ﷽ \u202e"


def test_after_an_error_nothing_of_the_transaction_stays(store):
    def work(session):
        session.execute(text("INSERT INTO players (name, simulated, joined) VALUES ('x', FALSE, '2026-01-01')"))
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.transact(work)
    with store.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM players")) == 0


def test_a_reader_sees_one_state_while_others_write(store):
    with store.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM players")) == 0
        with ThreadPoolExecutor(1) as pool:
            pool.submit(join, store, "ann").result()
        assert session.scalar(text("SELECT count(*) FROM players")) == 0
    with store.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM players")) == 1


def test_times_are_kept_to_the_microsecond(store, clock):
    clock.now = datetime(2026, 5, 6, 7, 8, 9, 123456)  # noqa: DTZ001
    add_rounds(store, [new_round()])
    join(store, "ann")
    view = next_round(store, "ann")
    assert (view.expires - clock.now).total_seconds() == 900


def saver(url: str) -> None:
    """Plays for ever, and says of each answer that it is kept once it is."""
    with open_store(url) as store:
        player = join(store, f"player {os.getpid()}")
        while view := next_round(store, player):
            key = f"round {view.round}"
            if view.round % 3:
                guess(store, player, view.round, view.options[0], ["ears" * 300], key=key)
            else:
                resign(store, player, view.round, key=key)
            print(player, view.round, flush=True)


def killed_saves(url: str, times: int) -> list[tuple[str, int]]:
    """Kill the process that saves at another moment each time; what it said was kept."""
    code = f"import sys; sys.path = {[str(Path(__file__).parents[1]), *sys.path]!r}\n"
    code += f"from people.test_store import saver; saver({url!r})"
    said: list[tuple[str, int]] = []
    for attempt in range(times):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        assert process.stdout
        said += [spoken(process.stdout.readline()) for _ in range(3 + attempt)]
        process.kill()  # in the middle of whatever comes next
        said += map(spoken, process.stdout.read().splitlines(keepends=True))
        process.wait()
    return [each for each in said if each]


def spoken(line: str) -> tuple[str, int] | None:
    player, _, number = line.rpartition(" ")
    return (player, int(number)) if line.endswith("\n") else None


@pytest.mark.heavy
def test_what_was_acknowledged_outlives_twenty_killed_writers(store, url):
    add_rounds(store, [new_round(number, cluster, overlap=20) for number in range(4) for cluster in range(40)])
    said = killed_saves(url, 20)
    kept = answers(store)
    assert len(said) > 200
    assert set(said) <= {(each.player, each.round) for each in kept}
    assert len(kept) == len({(each.player, each.round) for each in kept}) <= len(said) + 20
    assert all(each.labels == (() if each.guess is None else ("ears" * 300,)) for each in kept)
    if url.startswith("sqlite"):
        with store.reading() as session:
            assert session.scalar(text("PRAGMA integrity_check")) == "ok"
            assert session.execute(text("PRAGMA foreign_key_check")).all() == []


def test_a_killed_writer_loses_nothing_that_was_acknowledged(store, url):
    add_rounds(store, [new_round(number) for number in range(40)])
    said = killed_saves(url, 1)
    assert set(said) <= {(each.player, each.round) for each in answers(store)}
