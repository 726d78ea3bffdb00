"""A report's tables as LaTeX, one a file, with booktabs and graphicx."""

import re

from fedrobust.report.content import Content
from fedrobust.report.table import Entry, Table, notes_of
from fedrobust.report.tables import tables

__all__ = ["escaped", "latex"]

_WIDE = 6  # columns; a table with more spans both columns of a page
_COMMANDS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "`": r"\textasciigrave{}",
    **{symbol: f"\\{symbol}" for symbol in "&%$#_{}"},
    **{symbol: rf"\ensuremath{{{symbol}}}" for symbol in "<>|"},
    **{symbol: f"{{{symbol}}}" for symbol in "[]*"},  # after the end of a row they would be options
}
_SMALL = (
    "alpha beta gamma delta varepsilon zeta eta theta iota kappa lambda mu nu xi - pi rho "
    "varsigma sigma tau upsilon varphi chi psi omega"
)
_CAPITAL = "- - Gamma Delta - - - Theta - - Lambda - - Xi - Pi - - Sigma - Upsilon Phi - Psi Omega"
_SYMBOLS = {"±": "pm", "≤": "leq", "≥": "geq", "≠": "neq", "≈": "approx", "∞": "infty"}
_SYMBOLS |= {"→": "rightarrow", "←": "leftarrow", "\u00d7": "times", "\u03f5": "epsilon"}
for _first, _names in ((0x3B1, _SMALL), (0x391, _CAPITAL)):
    _SYMBOLS |= {chr(_first + at): name for at, name in enumerate(_names.split()) if name != "-"}
_COMMANDS |= {symbol: rf"\ensuremath{{\{name}}}" for symbol, name in _SYMBOLS.items()}
_COMMANDS["−"] = r"\ensuremath{-}"  # noqa: RUF001
_LIGATURE = re.compile(r"([-',])(?=\1)")
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f\s]+")  # TeX refuses some, and an empty line ends a row


def latex(content: Content) -> dict[str, str]:
    r"""Return the text of each file: a table to be `\input`, and `tables.tex` with all of them.

    The best figure of a column is bold, those that cannot be told from it are underlined.  Labels
    with other letters than Latin and Greek ones need XeLaTeX or LuaLaTeX, and a font with them.
    """
    every = list(tables(content))
    files = {f"{table.name}.tex": _float(table) for table in every if table.rows}
    parts = (rf"\input{{{t.name}}}" if t.rows else _sentences(t) for t in every)
    return {**files, "tables.tex": _DOCUMENT % (escaped(content.name), "\n\n".join(parts))}


_DOCUMENT = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage[margin=2.5cm]{geometry}
\usepackage{booktabs}
\usepackage{graphicx}
\makeatletter %% Here tables do not float: one follows the other.
\renewenvironment{table}[1][]
  {\par\bigskip\noindent\begin{minipage}{\linewidth}\def\@captype{table}}
  {\end{minipage}\par\bigskip}
\renewenvironment{table*}[1][]{\table}{\endtable}
\makeatother
\title{%s}
\date{}
\begin{document}
\maketitle
%s
\end{document}
"""
_FLOAT = r"""%% Needs \usepackage{booktabs} and \usepackage{graphicx}.
\begin{%(kind)s}[htbp]
\centering
\setlength{\abovecaptionskip}{0pt}
\setlength{\belowcaptionskip}{1.5ex}
\caption{%(caption)s}
\label{tab:%(name)s}
\sbox0{%%
\begin{tabular}{%(align)s}
\toprule
%(header)s \\
\midrule
%(rows)s
\bottomrule
\end{tabular}}
\resizebox{\ifdim\wd0>\linewidth\linewidth\else\wd0\fi}{!}{%%
\begin{minipage}{\wd0}
\usebox0%(notes)s
\end{minipage}}
\end{%(kind)s}
"""


def _float(table: Table) -> str:
    widths = [
        max(len(entry.spread) for entry in entries) for entries in zip(*table.rows, strict=True)
    ]
    rows = (" & ".join(map(_entry, row, widths)) + r" \\" for row in table.rows)
    notes = escaped(" ".join(notes_of(table, "Underlined")))
    return _FLOAT % {
        "kind": "table*" if len(table.header) > _WIDE else "table",
        "caption": escaped(f"{table.title}. {table.caption}"),
        "name": table.name,
        "align": table.align,
        "header": " & ".join(map(escaped, table.header)),
        "rows": "\n".join(rows),
        "notes": "\\par\\vspace{1ex}\n" + rf"\footnotesize\raggedright {notes}" if notes else "",
    }


def _sentences(table: Table) -> str:
    return rf"\paragraph{{{escaped(table.title)}.}} " + escaped(
        " ".join([table.caption, *table.notes])
    )


def _entry(entry: Entry, width: int) -> str:
    """Return an entry; its spread as wide as others in its column, so that figures align."""
    text = escaped(entry.text)
    if entry.mark:
        text = rf"\{'textbf' if entry.mark == 'best' else 'underline'}{{{text}}}"
    if entry.spread:
        missing = "0" * (width - len(entry.spread))
        text += rf"\,\ensuremath{{\pm}}\,{escaped(entry.spread)}\phantom{{{missing}}}"
    return text + (rf"\rlap{{\textsuperscript{{{entry.note}}}}}" if entry.note else "")


def escaped(text: str) -> str:
    """Return text that LaTeX prints as it is."""
    line = "".join(_COMMANDS.get(letter, letter) for letter in _INVISIBLE.sub(" ", text))
    return _LIGATURE.sub(r"\1{}", line)
