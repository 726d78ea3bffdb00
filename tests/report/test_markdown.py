"""A report as Markdown."""

import re
from dataclasses import replace

import pytest

from fedrobust.report.content import Change
from fedrobust.report.markdown import markdown
from fedrobust.report.trials import Trial, Tuning
from tests.report.sample import sample


def test_it_holds_headlines_warnings_tables_method_and_hash():
    text = markdown(sample())

    assert "- Under ALIE, centered clipping is best: 81.3 %.\n" in text
    assert "> with 2 seed(s) nobody can tell a difference from chance.\n" in text
    assert "### Accuracy in % (alpha 10)\n" in text
    assert "**Data.** Fashion-MNIST, 12,000 images.\n" in text
    assert f"`{'ab' * 32}`" in text


def test_all_but_the_last_section_is_the_same_after_a_rerun():
    content = sample()
    slower = [{phase: 2 * value for phase, value in t.items()} for t in content.times]

    before, after = markdown(content), markdown(replace(content, times=slower))

    assert before != after
    assert before.partition("\n## Cost\n")[0] == after.partition("\n## Cost\n")[0]
    assert before.count("\n## Cost\n") == 1


def test_every_row_of_a_table_has_as_many_cells_as_its_header():
    content = replace(sample(), defenses=[replace(d, label="a|b\n|") for d in sample().defenses])

    blocks = [b for b in markdown(content).strip().split("\n\n") if b.startswith("|")]

    assert len(blocks) == 16
    for block in blocks:
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.split("\n")}) == 1


@pytest.mark.parametrize(
    ("label", "shown"),
    [
        ("<script>", "&lt;script&gt;"),
        ("a_b*c", r"a\_b\*c"),
        ("[x](y)", r"\[x\](y)"),
        ("`$~\\", r"\`\$\~\\"),
        ("&amp;", "&amp;amp;"),
    ],
)
def test_no_mark_up_of_a_label_takes_effect(label, shown):
    content = sample()
    named = replace(content, defenses=[replace(d, label=label) for d in content.defenses])

    assert f"\n| {shown} | " in markdown(named)


@pytest.mark.parametrize(
    ("text", "shown"), [("# 1", r"\# 1"), ("- x", r"\- x"), ("3. x", r"3\. x")]
)
def test_a_paragraph_stays_one(text, shown):
    assert f"\n> {shown}\n" in markdown(replace(sample(), warnings=[text]))


def test_marks_and_notes_are_items_of_a_list():
    text = markdown(sample())

    assert "\n- Bold: the best of its column.\n- Italic: cannot be told from it.\n" in text
    assert "\n- a: krum needs 2 f + 3 clients, not 10.\n- ±: how far" in text


def test_what_is_the_same_everywhere_is_a_sentence():
    assert "### The same in all cells (alpha 10)\n\nBytes a round: 3.20 MB.\n" in markdown(sample())


def test_it_says_what_a_choice_rests_on():
    trials = [Trial({"training.lr": "0.1"}, 0.5, chosen=True)]

    text = markdown(replace(sample(), tuning=[Tuning("mean", {"strategy": "mean"}, trials)]))

    assert "| Chosen for | lr 0.1 |\n| :--- | ---: |\n| mean | **50.0** |\n\n- Bold: ch" in text
    assert "### Tuning" not in markdown(sample())


def test_it_says_what_changed():
    change = Change(0, 1, 0, "accuracy", 0.5, 0.7, 0.15, 0.25, True)
    content = sample()

    assert "What changed since before" in markdown(
        replace(content, changes=[change], against="before")
    )
    assert "by no more: 0." in markdown(replace(content, changes=[], against="before"))


def test_one_setting_is_not_named():
    content = sample()
    one = replace(
        content,
        settings=content.settings[:1],
        cells=content.cells[:16],
        times=content.times[:16],
        rankings=content.rankings[:1],
    )

    assert "\n### Accuracy in %\n" in markdown(one)
    assert "\n## Results\n" in markdown(one)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Type `fedrobust verify <x>`.", "Type `fedrobust verify <x>`."),
        ("a ` b < c", r"a \` b &lt; c"),
        ("`a_b` c_d", r"`a_b` c\_d"),
    ],
)
def test_code_in_the_method_stays_code(text, shown):
    assert f"**Data.** {shown}\n" in markdown(replace(sample(), method=[("Data", text)]))
