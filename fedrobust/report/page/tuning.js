// By what hyperparameters were chosen.

function tuning() {
  if (!content.tuning.length) return null;
  const axes = Object.keys(content.tuning[0].trials[0].values);
  const rows = content.tuning.flatMap(({ label, trials }) =>
    trials.map(({ values, score, chosen }) => [
      label,
      ...axes.map((axis) => values[axis]),
      score == null ? "not finished" : long(score, "share"),
      chosen ? "chosen" : "",
    ]),
  );
  return section(
    "tuning",
    "Tuning",
    paragraph(
      "The lowest score over threats on validation data, on average over seeds. Test data had no " +
        "say.",
    ),
    plainTable({ head: ["For", ...axes, "Validation score", "Choice"], rows }, "Values tried"),
  );
}
