"""The live page only reads, and answers nobody but this machine."""

import json
import threading
from http.client import HTTPConnection
from shutil import copytree

import pytest

from fedrobust.report.watching import server
from fedrobust.results.store import Store


@pytest.fixture
def folder(results, tmp_path):
    return copytree(results, tmp_path / "copy")


@pytest.fixture
def ask(folder):
    serving = server(folder, 0)
    thread = threading.Thread(target=serving.serve_forever)
    thread.start()

    def ask(path, method="GET", **headers):
        connection = HTTPConnection("127.0.0.1", serving.server_port)
        connection.request(method, path, headers=headers)
        reply = connection.getresponse()
        return reply, reply.read()

    yield ask
    serving.shutdown()
    thread.join()
    serving.server_close()


def test_it_listens_on_this_machine_only(folder):
    with server(folder, 0) as serving:
        assert serving.server_address[0] == "127.0.0.1"


def test_it_shows_the_page_and_its_data(ask):
    page, text = ask("/")
    _, data = ask("/data.json")

    assert (page.status, page.getheader("Content-Type")) == (200, "text/html; charset=utf-8")
    assert b"A small study" in text
    assert json.loads(data)["name"] == "A small study"


def test_data_that_did_not_change_are_not_sent_again(ask):
    tag = ask("/data.json")[0].getheader("ETag")
    again, body = ask("/data.json", **{"If-None-Match": tag})

    assert (again.status, body) == (304, b"")


def test_data_change_when_a_run_does(ask, folder):
    before = json.loads(ask("/data.json")[1])
    with Store(folder) as store:
        store.truncate(store.runs()[0].id, 2)

    after = json.loads(ask("/data.json")[1])
    assert {c["state"] for c in before["cells"]} == {"done", "undefined"}
    assert {c["state"] for c in after["cells"]} == {"done", "partly", "undefined"}


@pytest.mark.parametrize(
    "path", ["/results.sqlite", "/../results.sqlite", "/study.toml", "/data.json/x"]
)
def test_no_file_can_be_fetched(ask, path):
    assert ask(path)[0].status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_written(ask, method):
    assert ask("/", method)[0].status == 501


def test_a_name_that_points_here_is_not_enough(ask):
    assert ask("/data.json", Host="evil.example:8765")[0].status == 421
    assert ask("/data.json", Host="localhost:8765")[0].status == 200
    assert ask("/data.json", Host="127.0.0.1")[0].status == 200  # browsers leave out port 80


def test_head_tells_the_length_and_sends_nothing(ask):
    reply, body = ask("/data.json", "HEAD")

    assert int(reply.getheader("Content-Length")) > 1000
    assert body == b""
