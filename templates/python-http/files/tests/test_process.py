"""The real process: how it starts, drains and ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def status_of(port: int, path: str) -> int:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except ConnectionError:
        return 0
    finally:
        connection.close()


def wait_for_readiness(port: int, status: int) -> None:
    until = time.monotonic() + 20
    while status_of(port, "/readyz") != status:
        assert time.monotonic() < until, f"/readyz did not become {status}"
        time.sleep(0.02)


@contextmanager
def service(port: int, **settings: str) -> Iterator[subprocess.Popen[str]]:
    environ = {
        "PATH": os.environ["PATH"],
        "PORT": str(port),
        "SQUAD_ENV": "local",
        "SQUAD_SERVICE": "tested",
        "SQUAD_REVISION": "r1",
        "CHARGE_LIMIT": "1000",
        **settings,
    }
    command = [sys.executable, "-m", "app.main"]
    process = subprocess.Popen(command, cwd=SOURCE, env=environ, text=True, stdout=subprocess.PIPE)
    try:
        wait_for_readiness(port, 200)
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_slow_request_is_answered_in_full_after_term_and_the_status_is_0() -> None:
    port = free_port()
    with service(port, PROVIDER_DELAY_SECONDS="2.5", SHUTDOWN_DELAY_SECONDS="1") as process:
        slow = HTTPConnection("127.0.0.1", port, timeout=20)
        charge = json.dumps({"amount": 7, "currency": "EUR"})
        slow.request("POST", "/charges", charge, {"content-type": "application/json"})
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)  # a second one changes nothing
        # Still served during the delay, but no longer wanted.
        wait_for_readiness(port, 503)
        assert status_of(port, "/charges/demo") == 200

        answer = slow.getresponse()
        body = json.loads(answer.read())
        slow.close()
        assert answer.status == 201
        assert answer.getheader("connection") == "close"
        assert body["amount"] == 7
        assert status_of(port, "/readyz") == 0, "the listener must be closed by now"
        output, _ = process.communicate(timeout=10)
        assert process.returncode == 0
    lines = [json.loads(line) for line in output.splitlines()]
    assert [line for line in lines if line["message"] == "draining"]
    assert lines[-1]["message"] == "stopped"


def test_the_admin_port_takes_the_metrics_away_from_the_main_port() -> None:
    port, admin = free_port(), free_port()
    with service(port, ADMIN_PORT=str(admin)):
        assert status_of(port, "/metrics") == 404
        assert status_of(admin, "/metrics") == 200


def test_a_missing_variable_ends_the_start_with_one_line() -> None:
    environ = {"PATH": os.environ["PATH"], "PORT": str(free_port())}
    command = [sys.executable, "-m", "app.main"]
    ended = subprocess.run(command, cwd=SOURCE, env=environ, text=True, capture_output=True, timeout=20)
    assert ended.returncode == 1
    assert ended.stderr == "configuration: CHARGE_LIMIT is not set: it must be a whole number\n"
