"""`python -m tekana.embedded run`: the servers of one checkout, from making them to what a crash leaves behind."""

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tekana.embedded import folders, trouble
from tekana.embedded.trouble import Trouble
from tests.embedded.checkouts import Checkout, needs_proc, new_checkout, until

pytestmark = pytest.mark.timeout(120)

FACTS = """
import json, os, psycopg, redis
facts = {}
for name in ("DATABASE_OWNER_URL", "DATABASE_URL"):
    with psycopg.connect(os.environ[name]) as connection:
        row = connection.execute(
            "SELECT current_user::text, rolsuper, rolcreatedb, rolcreaterole, current_setting('is_superuser'),"
            " current_setting('data_checksums'), current_setting('listen_addresses'), current_setting('fsync'),"
            " pg_get_userbyid(datdba)::text, datlocale"
            " FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()").fetchone()
        facts[name] = row
valkey = redis.Redis.from_url(os.environ["REDIS_URL"])
facts["valkey"] = [valkey.ping(), valkey.config_get("bind")["bind"], valkey.config_get("appendonly")["appendonly"]]
facts["environment"] = {name: os.environ.get(name) for name in
                        ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "VAR_DIR", "TEST_DB", "HTTPS")}
print("FACTS", json.dumps(facts, default=str))
"""
WRITE = """
import os, psycopg
with psycopg.connect(os.environ["DATABASE_OWNER_URL"]) as connection:
    connection.execute("CREATE TABLE IF NOT EXISTS kept (word text)")
    connection.execute("INSERT INTO kept VALUES ('word')")
"""
COUNT = """
import os, psycopg
with psycopg.connect(os.environ["DATABASE_OWNER_URL"]) as connection:
    print("KEPT", connection.execute("SELECT count(*) FROM kept").fetchone()[0])
"""


def facts_of(output: str) -> dict[str, object]:
    return dict(json.loads(output.partition("FACTS ")[2].splitlines()[0]))


@pytest.fixture
def closed_checkout(tmp_path: Path) -> Iterator[Checkout]:
    """Below a folder that only root may enter."""
    tmp_path.chmod(0o700)
    made = new_checkout(tmp_path)
    yield made
    made.close()


def test_a_command_gets_both_roles_and_nothing_is_left_running(shared_checkout: Checkout) -> None:
    facts = facts_of(shared_checkout.python(FACTS).stdout)

    server = ["on", "127.0.0.1", "off", "tekana_owner", "C.UTF-8"]
    assert facts["DATABASE_OWNER_URL"] == ["tekana_owner", False, True, False, "off", *server]
    assert facts["DATABASE_URL"] == ["tekana_app", False, False, False, "off", *server]
    assert facts["valkey"] == [True, "127.0.0.1", "no"]
    assert facts["environment"]["HTTPS"] == "false"  # type: ignore[index]
    assert shared_checkout.processes() == []


def test_the_demos_servers_keep_what_they_have_committed(shared_checkout: Checkout) -> None:
    facts = facts_of(shared_checkout.python(FACTS, data="bench").stdout)

    assert facts["DATABASE_URL"][7] == "on"  # type: ignore[index]
    assert facts["valkey"] == [True, "127.0.0.1", "yes"]


def test_data_secrets_and_ports_stay_from_run_to_run(shared_checkout: Checkout) -> None:
    shared_checkout.python(WRITE)
    first = facts_of(shared_checkout.python(FACTS).stdout)["environment"]

    second = shared_checkout.python(FACTS + COUNT).stdout

    assert facts_of(second)["environment"] == first
    assert "KEPT 1" in second


def test_passwords_are_random_wanted_and_readable_by_us_alone(shared_checkout: Checkout) -> None:
    script = """
import json, os, psycopg, redis
from urllib.parse import urlsplit
database, valkey = urlsplit(os.environ["DATABASE_URL"]), urlsplit(os.environ["REDIS_URL"])
for user in ("postgres", "tekana_owner", "tekana_app"):
    try:
        psycopg.connect(f"postgres://{user}:wrong@127.0.0.1:{database.port}/tekana")
    except psycopg.OperationalError as error:
        assert "password authentication failed" in str(error), error
    else:
        raise AssertionError("any password opens the database")
try:
    redis.Redis(port=valkey.port).ping()
except redis.AuthenticationError:
    print("REFUSED")
"""
    script += """
password = json.load(open("var/test/secrets.json"))["postgres"]
with psycopg.connect(f"postgres://postgres:{password}@127.0.0.1:{database.port}/tekana") as connection:
    assert connection.execute("SHOW unix_socket_directories").fetchone() == ("",)
"""
    assert "REFUSED" in shared_checkout.python(script).stdout

    secrets = shared_checkout.var / "test" / "secrets.json"
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o600
    values = json.loads(secrets.read_text()).values()
    assert len(set(values)) == len(values) and all(len(value) > 30 for value in values)
    log = shared_checkout.var / "test" / "logs"
    assert not any(value in file.read_text() for file in log.iterdir() for value in values)


def test_the_log_of_the_database_keeps_no_row_that_failed(shared_checkout: Checkout) -> None:
    """What comes with an error, its DETAIL and the statement, has names, numbers and hashes of passwords in it."""
    script = """
import os, psycopg
with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
    connection.execute("CREATE TEMP TABLE people (phone text UNIQUE, hash text CONSTRAINT hashed CHECK (hash > ''))")
    connection.execute("INSERT INTO people VALUES ('+250788123456', 'argon2')")
    for row in (("+250788123456", "argon2id-sesame"), ("+250788999999", "")):
        try:
            connection.execute("INSERT INTO people VALUES ('%s', '%s')" % row)
        except psycopg.IntegrityError:
            pass
"""
    shared_checkout.python(script)

    log = shared_checkout.var / "test" / "logs" / "postgres.log"
    said = log.read_text()
    assert "people_phone_key" in said and "hashed" in said  # what failed is told
    assert not [word for word in ("250788", "sesame", "INSERT") if word in said]
    assert {stat.S_IMODE(one.stat().st_mode) for one in log.parent.iterdir()} == {0o600}


def test_the_exit_code_is_the_commands(shared_checkout: Checkout) -> None:
    assert shared_checkout("run", "--", "sh", "-c", "exit 7").returncode == 7
    assert shared_checkout("run", "--", "sh", "-c", "kill -9 $$").returncode == 137

    missing = shared_checkout("run", "--", "no-such-command")

    assert missing.returncode == 1 and "no-such-command: No such file" in missing.stdout


def test_two_runs_at_once_share_the_servers_but_not_their_databases(shared_checkout: Checkout, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    waiting = f"import os, time\nwhile not os.path.exists({str(gate)!r}): time.sleep(0.05)\n"
    first = shared_checkout.start("run", "--", shared_checkout.interpreter, "-c", waiting + FACTS)
    assert until(lambda: (shared_checkout.var / "test/pids/valkey.pid").exists())

    second = shared_checkout.python(FACTS).stdout
    still_there = shared_checkout.processes()
    gate.touch()
    first_output = first.communicate(timeout=30)[0]

    assert "Starting" not in second
    assert any("postgres" in line for line in still_there)  # the second did not take them away from the first
    one, two = facts_of(first_output)["environment"], facts_of(second)["environment"]
    assert one["DATABASE_URL"] == two["DATABASE_URL"]  # type: ignore[index]
    for name in ("TEST_DB", "REDIS_URL", "VAR_DIR"):
        assert one[name] != two[name], name  # type: ignore[index]
    assert shared_checkout.processes() == []


def test_a_port_that_somebody_took_meanwhile_is_replaced(shared_checkout: Checkout) -> None:
    before = facts_of(shared_checkout.python(FACTS).stdout)["environment"]
    ports = json.loads((shared_checkout.var / "test/ports.json").read_text())
    with socket.create_server(("127.0.0.1", ports["postgres"])), socket.create_server(("127.0.0.1", ports["valkey"])):
        after = facts_of(shared_checkout.python(FACTS).stdout)["environment"]

    assert before["DATABASE_URL"] != after["DATABASE_URL"]  # type: ignore[index]
    assert before["REDIS_URL"] != after["REDIS_URL"]  # type: ignore[index]


def test_a_terminated_run_ends_its_command_and_its_servers(checkout: Checkout) -> None:
    seconds = str(10_000 + os.getpid())  # nobody else's sleep
    run = checkout.start("run", "--", "sleep", seconds)
    assert until(lambda: f"sleep {seconds}" in commands())

    run.send_signal(signal.SIGTERM)

    assert run.wait(30) == 128 + signal.SIGTERM
    assert checkout.processes() == []


def commands() -> list[str]:
    return subprocess.run(
        ["ps", "-axww", "-o", "args="], capture_output=True, text=True, check=True
    ).stdout.splitlines()


def test_what_a_killed_run_left_is_used_by_the_next_and_ended(checkout: Checkout) -> None:
    checkout.python(WRITE)
    run = checkout.start("run", "--", "sleep", "5")
    assert until(lambda: (checkout.var / "test/pids/valkey.pid").exists())
    run.kill()
    run.wait()
    assert checkout.processes() != []

    assert "KEPT 1" in checkout.python(COUNT).stdout

    assert checkout.processes() == []


def test_stop_ends_what_a_killed_run_left_and_no_stranger(checkout: Checkout) -> None:
    run = checkout.start("run", "--", "sleep", "5")
    assert until(lambda: (checkout.var / "test/pids/valkey.pid").exists())
    run.kill()
    run.wait()
    note = checkout.var / "test/pids/valkey.pid"
    valkey = json.loads(note.read_text())
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        # The pid was given to another program after a restart of the machine: same number, other birth.
        note.write_text(json.dumps(valkey | {"pid": stranger.pid}))

        stopped = checkout("stop")

        assert stopped.returncode == 0 and "Stopped: postgres." in stopped.stdout
        assert stranger.poll() is None
        os.kill(valkey["pid"], signal.SIGKILL)
    finally:
        stranger.kill()
        stranger.wait()
    assert "Nothing of Tekana is running" in checkout("stop").stdout


def test_a_copy_of_a_checkout_leaves_the_original_alone(closed_checkout: Checkout, tmp_path: Path) -> None:
    run = closed_checkout.start("run", "--", "sleep", "100")
    assert until(lambda: (closed_checkout.var / "test/pids/valkey.pid").exists())
    copy = Checkout(tmp_path / "copy")
    shutil.copytree(closed_checkout.path, copy.path, symlinks=True)

    stopped, refused = copy("stop"), copy("run", "--", "true")

    assert "Nothing of Tekana is running" in stopped.stdout
    if os.geteuid() == 0:
        assert refused.returncode == 1 and "whose checkout has the data" in refused.stdout
    assert run.poll() is None and len(closed_checkout.processes()) > 2
    run.send_signal(signal.SIGTERM)
    run.wait(30)


def test_data_survives_the_sudden_death_of_the_server(checkout: Checkout) -> None:
    script = WRITE + "connection.close(); os.kill(int(os.environ['POSTMASTER']), 9)"
    checkout.python("pass", data="bench")
    run = checkout.start("run", "--data", "bench", "--", "sleep", "3")
    assert until(lambda: (checkout.var / "bench/pids/valkey.pid").exists())
    checkout.python(script, data="bench", POSTMASTER=str(checkout.pid("postgres", "bench")))
    run.wait(30)

    assert "KEPT 1" in checkout.python(COUNT, data="bench").stdout


@needs_proc
def test_a_postmaster_pid_that_now_is_someone_elses_is_no_obstacle(shared_checkout: Checkout) -> None:
    checkout = shared_checkout
    checkout.python("pass")
    stranger = subprocess.Popen(["sleep", "60"], **same_account(checkout))
    try:
        (checkout.data() / "postmaster.pid").write_text(
            f"{stranger.pid}\n{checkout.data()}\n0\n1\n\n127.0.0.1\n0\nready\n"
        )

        checkout.python(FACTS)

        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def same_account(checkout: Checkout) -> dict[str, int]:
    """PostgreSQL only minds a pid that it may signal."""
    return {"user": checkout.data().stat().st_uid} if os.geteuid() == 0 else {}


def test_an_interrupted_initdb_is_never_used(checkout: Checkout) -> None:
    checkout.python("pass")
    data = checkout.data()
    shutil.rmtree(data)
    (checkout.var / "test/roles.json").unlink()
    part = data.with_name("postgres.part")
    part.mkdir()
    (part / "PG_VERSION").write_text("18")

    checkout.python(WRITE)

    assert data.exists() and not part.exists()


def test_data_of_another_version_is_explained(shared_checkout: Checkout) -> None:
    shared_checkout.python("pass")
    version = shared_checkout.data() / "PG_VERSION"
    version.write_text("17\n")

    refused = shared_checkout("run", "--", "true")

    version.write_text("18\n")
    assert refused.returncode == 1
    assert "was made by PostgreSQL 17" in refused.stdout and "make reset" in refused.stdout
    assert "Traceback" not in refused.stdout and shared_checkout.processes() == []


def test_lost_passwords_are_explained(shared_checkout: Checkout) -> None:
    shared_checkout.python("pass")
    secrets = shared_checkout.var / "test/secrets.json"
    hidden = secrets.rename(secrets.with_suffix(".hidden"))

    refused = shared_checkout("run", "--", "true")

    hidden.rename(secrets)
    assert refused.returncode == 1 and "secrets.json is gone" in refused.stdout


def test_too_little_disk_space_is_said_before_a_database_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=100_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

    with pytest.raises(Trouble, match="100 MB free, 500 MB needed"):
        folders.check_space(tmp_path / "not" / "there")


def test_a_disk_that_fills_up_is_named_as_the_reason(tmp_path: Path) -> None:
    log = tmp_path / "postgres.log"
    log.write_text('PANIC:  could not write to file "pg_wal/xlogtemp.1": No space left on device\n')

    assert "disk is full" in trouble.why(log)


def test_a_folder_of_another_user_is_left_alone(checkout: Checkout) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    checkout.var.mkdir()
    os.chown(checkout.var, 65534, 65534)

    refused = checkout("run", "--", "true")
    os.chown(checkout.var, 0, 0)

    assert refused.returncode == 1 and "belongs to nobody, and you are root" in refused.stdout


def test_as_root_servers_run_as_somebody_else_and_no_folder_is_opened_for_them(closed_checkout: Checkout) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root has to")
    checkout = closed_checkout
    parents = {path: path.stat().st_mode for path in checkout.path.parents}
    run = checkout.start("run", "--", "sleep", "100")
    assert until(lambda: (checkout.var / "test/pids/valkey.pid").exists())
    owners = [Path(f"/proc/{checkout.pid(name)}").stat().st_uid for name in ("postgres", "valkey")]
    refuge = checkout.refuge()
    run.send_signal(signal.SIGTERM)
    run.wait(30)

    assert 0 not in owners
    assert {path: path.stat().st_mode for path in checkout.path.parents} == parents
    assert refuge is not None and refuge.is_dir()
    assert stat.S_IMODE((refuge / "test" / "postgres").stat().st_mode) == 0o700

    assert checkout("reset").returncode == 0

    assert not refuge.exists() and not checkout.var.exists()


def test_a_strict_umask_hides_nothing_from_the_servers(checkout: Checkout) -> None:
    before = os.umask(0o077)
    try:
        checkout.python(FACTS)
    finally:
        os.umask(before)


def test_reset_does_not_pull_the_floor_from_under_a_run(checkout: Checkout) -> None:
    run = checkout.start("run", "--", "sleep", "100")
    assert until(lambda: (checkout.var / "test/pids/valkey.pid").exists())

    refused = checkout("reset")

    assert refused.returncode == 1 and "still runs on var/test" in refused.stdout
    assert checkout.var.exists()
    run.send_signal(signal.SIGTERM)
    run.wait(30)
