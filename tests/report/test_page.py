"""The text of a report's page: one file, closed to the network and to what labels say."""

import json
import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from importlib.resources import files

from hypothesis import given, settings
from hypothesis import strategies as st

from fedrobust.report import page as module
from fedrobust.report.content import Option
from fedrobust.report.page import page
from tests.report.sample import sample

HOSTILE = '</script><script>alert(1)</script><img src=x onerror="alert(2)"> {{data}} <!--'


class Parts(HTMLParser):
    """What a browser would take for scripts, and what it would fetch."""

    def __init__(self, text):
        super().__init__()
        self.scripts, self.policy, self.links = [], "", []
        self._open = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.links += [attributes[name] for name in ("src", "href") if name in attributes]
        self._open = tag == "script"
        if tag == "script":
            self.scripts.append((attributes.get("type"), ""))
        if attributes.get("http-equiv") == "Content-Security-Policy":
            self.policy = attributes["content"]

    def handle_data(self, data):
        if self._open:
            kind, text = self.scripts[-1]
            self.scripts[-1] = (kind, text + data)

    def handle_endtag(self, tag):
        self._open = False


def own_parts():
    folder = files("fedrobust.report").joinpath("page")
    return {path.name: path.read_text("utf-8") for path in folder.iterdir()}


def test_a_page_is_smaller_than_six_megabytes():
    assert len(page(sample()).encode()) < 6e6


def test_the_same_content_is_the_same_page():
    assert page(sample()) == page(sample())


def test_the_data_on_the_page_is_the_content():
    content = sample()

    (data,) = [t for kind, t in Parts(page(content)).scripts if kind == "application/json"]

    assert json.loads(data) == json.loads(content.json())


def test_labels_that_look_like_html_add_no_script_and_no_address():
    content = sample()
    hostile = replace(
        content,
        name=HOSTILE,
        warnings=[HOSTILE],
        threats=[Option(HOSTILE, {}), *content.threats[1:]],
        method=[(HOSTILE, HOSTILE)],
    )

    plain, attacked = Parts(page(content)), Parts(page(hostile))

    assert [kind for kind, _ in attacked.scripts] == ["application/json", "text/plain", "module"]
    assert attacked.links == plain.links
    assert attacked.policy == plain.policy


@given(st.text())
@settings(max_examples=20, deadline=None)
def test_any_name_arrives_as_it_was(name):
    content = replace(sample(seeds=1), name=name, cells=[], times=[])

    (data,) = [t for kind, t in Parts(page(content)).scripts if kind == "application/json"]

    assert json.loads(data)["name"] == name


def test_the_page_permits_its_own_scripts_and_nothing_else():
    parts = Parts(page(sample()))
    run = [text for kind, text in parts.scripts if kind != "application/json"]

    hashes = [f"'sha256-{b64encode(sha256(t.encode()).digest()).decode()}'" for t in run]

    rules = dict(rule.split(" ", 1) for rule in parts.policy.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"].split() == hashes
    assert "connect-src" not in rules


def test_a_live_page_may_ask_its_own_server_alone():
    policy = Parts(page(sample(), live=True)).policy

    assert "connect-src 'self'" in policy
    assert '<html lang="en" data-live>' in page(sample(), live=True)


def test_the_page_links_to_nothing_outside():
    assert all(link.startswith(("#", "data:")) for link in Parts(page(sample())).links)
    for name, text in own_parts().items():
        assert not re.search(r"https?:|//\w+\.\w", text), name


def test_text_of_a_study_is_never_read_as_html():
    for name, text in own_parts().items():
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write", text), name


def test_every_file_of_the_page_is_on_the_page():
    listed = {f"{name}.js" for name in module._SCRIPTS} | {f"{name}.css" for name in module._STYLES}

    assert listed | {"page.html"} == set(own_parts())


def test_no_file_of_the_page_is_two_nouns():
    assert {n: len(t.splitlines()) for n, t in own_parts().items() if t.count("\n") > 250} == {}


def test_without_scripts_the_page_names_the_report_in_plain_text():
    (words,) = re.findall(r"<noscript>(.*?)</noscript>", page(sample()))

    assert "report.md" in words
