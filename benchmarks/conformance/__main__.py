"""Compare fedrobust's rules with those of its peers, and write docs/conformance.md.

    python -m benchmarks.conformance

It needs the peers' environment, which `make conformance` makes first.
"""

from collections.abc import Sequence

from benchmarks.conformance import ours
from benchmarks.conformance.asking import ask_all, ask_with_nan, disproofs
from benchmarks.conformance.cases import CASES, PEERS
from benchmarks.conformance.page import covered, page
from benchmarks.conformance.systems import OURSELVES, Systems
from benchmarks.conformance.whys import complaints
from benchmarks.workers import ROOT, Failure


def main() -> None:
    """Ask, compare, and write the page.

    Raises:
        SystemExit: if somebody cannot be asked, we are wrong somewhere, or a text does not fit.
    """
    try:
        text = compared()
    except Failure as failure:
        raise SystemExit(f"Someone cannot be asked: {failure}; try `make conformance`.") from None
    (ROOT / "docs" / "conformance.md").write_text(text, "utf-8")


def compared() -> str:
    """Return the page.

    Raises:
        Failure: if a system is not there.
        SystemExit: if the page would be wrong.
    """
    with Systems() as systems:
        versions = [name for one in (OURSELVES, *PEERS) for name in systems.named(one, "versions")]
        wrong = covered({peer: systems.named(peer, "names") for peer in PEERS})
        outcomes = ask_all(systems, CASES)
        wrong += complaints(outcomes, OURSELVES) + disproofs(systems, CASES, outcomes)
        with_nan = {case.title: ask_with_nan(systems, case) for case in CASES}
    refuse(wrong)
    return page(outcomes, with_nan, list(dict.fromkeys(versions)), ours.stages())


def refuse(wrong: Sequence[str]) -> None:
    """Stop if anything is wrong.

    Raises:
        SystemExit: with all that is.
    """
    if wrong:
        raise SystemExit("docs/conformance.md is not written:\n- " + "\n- ".join(wrong))


if __name__ == "__main__":
    main()
