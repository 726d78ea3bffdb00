"""A report's tables as LaTeX: they are parsed, and compiled where a compiler is installed."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pylatexenc.latex2text import LatexNodes2Text, MacroTextSpec, get_default_latex_context_db
from pylatexenc.latexwalker import LatexEnvironmentNode, LatexWalker

from fedrobust.report.content import Figure
from fedrobust.report.latex import escaped, latex
from tests.report.sample import sample

HOSTILE = "".join(map(chr, range(0x20, 0x7F)))
ACCENTED = "Ünïcødé ÿ ß Łódź ± × ≤ → ∞ Γ Δ Ω α β ς φ −"  # noqa: RUF001


def labelled(content, label):
    return replace(
        content,
        name=label,
        defenses=[replace(d, label=label) for d in content.defenses],
        threats=[replace(t, label=label) for t in content.threats],
    )


def read(text):
    """What LaTeX prints, as an independent reader sees it; its own ^ and ~ are accents."""
    known = get_default_latex_context_db()
    plain = {"textasciicircum": "^", "textasciitilde": "~"}
    macros = [MacroTextSpec(name, shown) for name, shown in plain.items()]
    known.add_context_category("plain", prepend=True, macros=macros)
    return LatexNodes2Text(latex_context=known).latex_to_text(text)


def environments(text):
    nodes, _, _ = LatexWalker(text, tolerant_parsing=False).get_latex_nodes()
    found = []
    while nodes:
        node = nodes.pop()
        if node is not None:
            nodes = nodes + list(getattr(node, "nodelist", None) or [])
            argument = getattr(node, "nodeargd", None)
            nodes = nodes + list((argument and argument.argnlist) or [])
            found += [node.environmentname] if node.isNodeType(LatexEnvironmentNode) else []
    return found


@given(st.text())
@settings(deadline=None)
def test_any_label_is_printed_as_it_is(label):
    line = re.sub(r"[\x00-\x1f\x7f\s]+", " ", label)

    assert read(escaped(label)) == line.replace("−", "-")  # noqa: RUF001


@given(st.text())
def test_no_special_character_is_left_as_it_is(label):
    text = escaped(label)

    assert not re.search(r"(?<!\\)[#$%&~^_]|--|''|,,|\n", text)
    LatexWalker(text, tolerant_parsing=False).get_latex_nodes()


@pytest.mark.parametrize("label", ["plain", HOSTILE, ACCENTED])
def test_every_table_is_balanced_and_rectangular(label):
    files = latex(labelled(sample(), label))

    assert len(files) == 17
    for name, text in files.items():
        if name == "tables.tex":
            continue
        assert environments(text)[0] in ("table", "table*")
        assert "tabular" in text
        (align,) = re.findall(r"\\begin\{tabular\}\{([lr]+)\}", text)
        rows = text.partition(r"\toprule")[2].partition(r"\bottomrule")[0].split("\\\\\n")[:-1]
        assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {len(align)}


def test_all_tables_are_in_one_document():
    files = latex(sample())

    inputs = re.findall(r"\\input\{(\w+)\}", files["tables.tex"])

    assert [f"{name}.tex" for name in inputs] == list(files)[:-1]
    assert set(re.findall(r"\\usepackage(?:\[[^]]*\])?\{(\w+)\}", files["tables.tex"])) == {
        "fontenc",
        "geometry",
        "booktabs",
        "graphicx",
    }
    assert (
        r"\paragraph{The same in all cells (alpha 0.1).} Bytes a round: 3.20 MB."
        in (files["tables.tex"])
    )


def test_the_best_is_bold_and_what_cannot_be_told_from_it_underlined():
    content = sample()
    cells = list(content.cells)
    best = next(c for c in cells if (c.defense, c.threat) == (3, 0))
    cells[4] = replace(cells[4], figures=best.figures)  # of the second defense

    text, tied = (latex(one)["accuracy_1.tex"] for one in (content, replace(content, cells=cells)))

    assert r"\textbf{" in text and "Bold: the best of its column." in text
    assert r"\underline{" not in text
    assert r"\underline{" in tied and "Underlined: cannot be told from it." in tied


def test_a_label_of_each_table_is_its_own():
    labels = re.findall(r"\\label\{([^}]*)\}", "".join(latex(sample()).values()))

    assert len(set(labels)) == len(labels) == 16


def test_figures_of_a_column_align():
    content = sample()
    first = content.cells[0]
    wide = replace(first, figures={"accuracy": Figure(0.5, 0.2, 0.8, [0.4, 0.5, 0.6])})

    text = latex(replace(content, cells=[wide, *content.cells[1:]]))["accuracy_1.tex"]

    spreads = re.findall(r"\\pm\}\\,([\d.]+)\\phantom\{(0*)\}", text)
    assert ("30.0", "") in spreads and ("3.0", "0") in spreads


@pytest.mark.skipif(
    not (shutil.which("tectonic") or shutil.which("pdflatex")),
    reason="neither tectonic nor pdflatex is installed",
)
@pytest.mark.slow
def test_the_document_compiles(tmp_path):
    for name, text in latex(labelled(sample(), HOSTILE + ACCENTED)).items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    tectonic = shutil.which("tectonic")
    options = ["-draftmode", "-halt-on-error", "-interaction=nonstopmode"]
    command = [tectonic, "-o", "."] if tectonic else ["pdflatex", *options]

    answer = subprocess.run(
        [*command, "tables.tex"], check=False, cwd=tmp_path, capture_output=True
    )

    assert answer.returncode == 0, answer.stdout[-2000:].decode("utf-8", "replace")
