"""Write docs/gallery.md, docs/gallery/*.svg and README.md's picture from results.

Run ``fedrobust compare`` and ``fedrobust simulate examples/papers/rffl/free_riders.toml
--standalone``, then ``python docs/make_gallery.py FOLDER FOLDER`` with the folders that they name.
README.md's picture is of the first one's page in Chromium, driven by Playwright.
"""

import shutil
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from fedrobust.report.content import Content
from fedrobust.report.drawings import drawings, drawn
from fedrobust.report.page import page
from fedrobust.report.writing import put

LARGEST = 150_000  # bytes of a picture
SEEN = {"width": 1160, "height": 900}  # pixels of README.md's picture; it is as high as need be
LAST = "heatmap"  # the section of the page that it ends with
CAPTIONS = {
    "heat_map_score": "What each rule is worth under each attack: the lower of accuracy and of the "
    "share of prepared inputs that the attacker did not get its way with. Bold: best under a "
    "threat; underlined: not told apart from it.",
    "heat_map_accuracy": "Accuracy alone, which a backdoor leaves as it is.",
    "heat_map_attack_success": "How often an attacker with a goal reaches it; 0 is best.",
    "curves_accuracy": "Accuracy round by round: the lines are means over seeds, the bands their "
    "extremes.",
    "curves_attack_success": "How the attacker's goal comes nearer round by round.",
    "ranks": "Mean ranks over all attacks; a bar joins rules whose ranks do not differ beyond "
    "chance.",
    "robustness": "What a rule costs while nobody attacks, against what it is worth in the worst "
    "case.",
    "fairness": "What clients get for what they give: below the dotted line a client counts for "
    "less than its examples would make it.",
    "detection": "How well a rule's suspicions tell malicious clients from honest ones, whatever "
    "the threshold: along the top left is best, the dotted line is chance.",
    "reputation": "What a rule that keeps reputations thinks of each client, round by round; a "
    "cross is a removal.",
    "reward": "How much of the aggregate each client gets for it.",
    "gain": "What each client's own model is worth, against what the client reaches alone: above "
    "the dotted line it gains by the federation.",
    "timeline": "Whom a rule left out when, client by client; honest clients that are dark were "
    "wronged.",
    "costs": "Where the time of a round goes, and what the rule alone takes; another machine "
    "measures it anew.",
    "split": "Who holds which examples, from the same seed as everything else.",
}
_INTRODUCTION = """<!-- Written by docs/make_gallery.py; change that, not this. -->

# Gallery

Every picture below is one that `fedrobust report` writes into the folder `figures/` of a report,
as SVG for screens and as PDF for papers. None was touched by hand. `docs/make_gallery.py` says how
this page is written anew.
"""
_STUDY = """## {name}

Its final models hash to `{hash}`.
"""
_PICTURE = """### {title}

![{title}](gallery/{name}.svg)

{caption} In a report it is `figures/{name}.svg`.
"""


def gallery(contents: Iterable[Content]) -> Iterator[tuple[str, bytes]]:
    """Yield the path and the text of each file below `docs/`, the page last.

    Args:
        contents: what there is to show; what one has shown no later one shows again.

    Raises:
        ValueError: if a picture is too large for a repository.
    """
    parts, seen = [_INTRODUCTION], set()
    for content in contents:
        parts.append(_STUDY.format(name=content.name, hash=content.results_hash[:12]))
        for name, drawing in drawings(content):
            if name in seen:
                continue
            seen.add(name)
            stem = name.rstrip("_0123456789")
            data = drawn(drawing, "svg")
            if len(data) > LARGEST:
                raise ValueError(
                    f"{name}.svg may have {LARGEST} bytes, not {len(data)}: report a smaller study."
                )
            title = stem.replace("_", " ").capitalize()
            parts.append(_PICTURE.format(title=title, name=name, caption=CAPTIONS[stem]))
            yield f"gallery/{name}.svg", data
    yield "gallery.md", "\n".join(parts).encode()


def picture(content: Content) -> bytes:
    """Return what a reader sees first of the page, as PNG."""
    from playwright.sync_api import sync_playwright

    place = shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=place, args=["--no-sandbox"])
        tab = browser.new_page(viewport=SEEN, color_scheme="light")
        tab.set_content(page(content))
        tab.locator(f"#{LAST} table").wait_for()
        whole = tab.locator("body").bounding_box()
        last = tab.locator(f"#{LAST} table").bounding_box()
        if whole is None or last is None:
            raise ValueError("the page shows nothing.")
        bottom = last["y"] + last["height"] + 24
        tab.set_viewport_size({"width": SEEN["width"], "height": round(bottom)})
        png = tab.screenshot()
        browser.close()
    return png


if __name__ == "__main__":
    from fedrobust.report.gathering import content_of

    told = [content_of(Path(folder)) for folder in sys.argv[1:]]
    for path, data in [*gallery(told), ("report.png", picture(told[0]))]:
        put(Path(__file__).parent / path, data)
