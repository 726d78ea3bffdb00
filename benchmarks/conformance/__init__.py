"""Whether fedrobust and its peers give the same answers, and who is right where they do not."""
