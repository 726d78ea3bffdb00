"""Write docs/strategies.md, docs/attacks.md and docs/faults.md from the components themselves.

Run it after a change to a docstring or a field: ``python docs/make_catalogue.py``.
"""

import re
from collections.abc import Sequence
from importlib import import_module
from inspect import cleandoc
from pathlib import Path

from fedrobust import catalogue, registry
from fedrobust.core.adversary import Attack
from fedrobust.core.mishap import Mishap

INTRODUCTIONS = {
    "strategies": """# Strategies

A strategy in a scenario is a list of these: behaviors of honest clients, steps before and after
the rule, and at most one rule, which is `mean` if there is none. What an entry is decides where it
acts; server steps are written in the order in which they act.
""",
    "attacks": """# Attacks

An adversary has one of these, or a list, of which each sends what it makes of what the one before
it would send; the clients it controls; what it may see of others' updates; and a schedule. Several
adversaries can act in one scenario. Knowledge is `own` (each client sees its own update),
`colluding` (those of all clients the adversary controls), `omniscient` (everybody's) or `rule`
(everybody's, and what the server would make of any updates). Each threat model below names what an
attack assumes by default.
""",
    "faults": """# Faults

What goes wrong by itself. A scenario's `fault` is one of these or a list, written like a strategy;
they befall the replies of honest and hostile clients alike, in that order, after adversaries have
acted and before the server looks at what arrives. What befalls a client depends on the seed, the
round and the client, so it is the same whoever else takes part. The ledger says what happened: in
the `note` of a client's row, with the word "simulated". Adversaries do not know of faults.
""",
}
_GENERATED = (
    "<!-- Written by docs/make_catalogue.py from the docstrings; change them, not this. -->"
)


def document(kind: str, names: Sequence[str] = ()) -> str:
    """Return the page of a kind, as Markdown: of all components, or of some."""
    names = names or registry.builtin(kind)
    parts = [INTRODUCTIONS[kind]]
    for title, members in catalogue.groups(kind).items():
        lines = [f"- [`{n}`](#{n}): {_headline(kind, n)}" for n in members if n in names]
        if lines:
            heading = title.partition(": ")[2].capitalize()
            parts.append("\n".join([*([f"**{heading}**", ""] if heading else []), *lines]))
    parts += [_section(kind, name) for name in names]
    return "\n\n".join([_GENERATED, *(part.strip() for part in parts)]) + "\n"


def _headline(kind: str, name: str) -> str:
    return cleandoc(registry.find(kind, name).__doc__ or "").partition("\n")[0]


def _section(kind: str, name: str) -> str:
    shown = catalogue.page(name).split("\n\n")
    parts = [f"## {name}", f"*{_place(registry.find(kind, name), shown[0])}*"]
    for part in shown[1:]:
        if part.startswith("Fields:"):
            parts.append(_table(part))
        elif not part.startswith(("Source:", "In a scenario:")):
            parts.append(part)
    module = import_module(f"{registry.KINDS[kind]}.{name}")
    _, _, source = cleandoc(module.__doc__ or "").partition("\n\n")
    return "\n\n".join([*parts, *([f"Source: {source}"] if source else [])])


def _place(component: type, title: str) -> str:
    if issubclass(component, Attack):
        return f"{catalogue.family(component).capitalize()}."
    if issubclass(component, Mishap):
        return f'In a scenario: `fault = "{component.reference()}"`.'
    return title.partition(", ")[2].rstrip(")").capitalize() + "."


def _table(fields: str) -> str:
    """Return a table of the lines ``name: type = default``, each with its meaning below it."""
    rows = ["| field | default | meaning |", "|---|---|---|"]
    for name, rest, meaning in re.findall(r"^  (\w+)(.*)\n {6}(.*)", fields, re.MULTILINE):
        _, _, default = rest.rpartition(" = ")
        cells = (
            f"`{name}`",
            f"`{default}`" if " = " in rest else "unset",
            meaning.replace("|", r"\|"),
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


if __name__ == "__main__":
    for kind in INTRODUCTIONS:
        Path(__file__).with_name(f"{kind}.md").write_text(document(kind), encoding="utf-8")
