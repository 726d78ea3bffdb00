"""A table of your own."""

import difflib
import logging
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from pandas.api.types import is_numeric_dtype
from pydantic import Field, PositiveInt, model_validator

from fedrobust.core.federation import Indices
from fedrobust.core.task import Data, DataSet
from fedrobust.data._held_out import held_out
from fedrobust.data._scaling import Columns, standardized
from fedrobust.errors import ConfigError, DataError

__all__ = ["CSV"]

_log = logging.getLogger(__name__)


class CSV(DataSet):
    """Read a table with a header line, and learn to predict one of its columns.

    Columns of numbers are standardised with the mean and deviation of the training part; missing
    and infinite ones become that mean, which is 0.  Columns of texts become one 0-1 column for
    each text of the training part; where the text is missing or new, all of them are 0.  The
    values of the target, numbers or texts, are the classes, in ascending order; rows without
    target or client are left out, with a warning.  Empty fields, NA, NaN, null and ? are missing.
    The same rows are held out for testing whatever the seed: a fixed share of each class, spread
    over the clients, each of which keeps a row to train on.

    Fields:
        path: of the file; a relative one starts from the working directory.
        target: the column to predict.
        client: the column that names the client of each row, if any.  It is no feature; the
            partition `by_column` gives each client its rows.
        drop: columns that are no features, such as ids.
        test_share: the share of rows to test on.
        separator: the character between two fields.
        max_categories: the most classes, and the most different texts in a column.
    """

    path: Path
    target: str
    client: str | None = None
    drop: tuple[str, ...] = ()
    test_share: float = Field(0.2, gt=0, lt=1)
    separator: str = Field(",", min_length=1, max_length=1)
    max_categories: PositiveInt = 100

    @model_validator(mode="after")
    def _needs_the_target_once(self) -> Self:
        if self.target in (self.client, *self.drop):
            raise ConfigError(f"CSV needs the column {self.target!r} as target only.")
        return self

    def load(self, seed: int) -> Data:
        table = self._labelled(self._table())
        y = self._classes(table[self.target])
        groups = None if self.client is None else _codes(table[self.client])
        tested = held_out(y, self.test_share, groups)
        x = torch.from_numpy(self._features(table, ~tested).astype(np.float32))
        labels, test = torch.from_numpy(y), torch.from_numpy(tested)
        return Data(
            x[~test],
            labels[~test],
            x[test],
            labels[test],
            num_classes=int(labels.max()) + 1,
            groups=None if groups is None else torch.from_numpy(groups[~tested]),
        )

    def _table(self) -> pd.DataFrame:
        path = self.path.expanduser()
        if not path.is_file():
            near = [p.name for p in path.parent.glob("*") if p.is_file()]
            raise DataError(
                f"CSV finds no file {str(path)!r}{_suggestion(path.name, near)}; the working "
                f"directory is {str(Path.cwd())!r}."
            )
        try:
            table = pd.read_csv(
                path, sep=self.separator, skipinitialspace=True, na_values=["?"], low_memory=False
            )
        except (OSError, EOFError, ValueError) as error:
            raise DataError(f"CSV cannot read {str(path)!r}: {str(error).strip()}.") from error
        if not isinstance(table.index, pd.RangeIndex):
            raise DataError(
                f"CSV needs a header with one name for each field; {str(path)!r} has rows with "
                f"more fields than the header's {len(table.columns)}."
            )
        self._check(list(table.columns))
        return table

    def _check(self, columns: list[str]) -> None:
        client = () if self.client is None else (self.client,)
        for name in (self.target, *client, *self.drop):
            if name not in columns:
                raise DataError(
                    f"CSV finds no column {name!r} in {str(self.path)!r}"
                    f"{_suggestion(name, columns)}. It has: {', '.join(columns)}."
                    f"{self._other_separator(columns)}"
                )
        if not set(columns) - {self.target, *client, *self.drop}:
            raise DataError(
                f"CSV needs a column to predict {self.target!r} from; {str(self.path)!r} has none "
                f"left. It has: {', '.join(columns)}.{self._other_separator(columns)}"
            )

    def _other_separator(self, columns: list[str]) -> str:
        if len(columns) > 1:
            return ""
        found = [s for s in (",", ";", "\t", "|") if s in columns[0] and s != self.separator]
        return f" Is the separator {found[0]!r}?" if found else ""

    def _labelled(self, table: pd.DataFrame) -> pd.DataFrame:
        needed = [self.target] if self.client is None else [self.target, self.client]
        labelled = table.dropna(subset=needed)
        if left_out := len(table) - len(labelled):
            _log.warning(
                "CSV leaves out %d of %d rows of %r, which have no %s.",
                left_out,
                len(table),
                str(self.path),
                " or ".join(needed),
            )
        return labelled

    def _classes(self, values: pd.Series) -> Indices:
        found = values.nunique()
        if found < 2:
            raise DataError(f"CSV needs two classes in {self.target!r} or more, not {found}.")
        if found > self.max_categories:
            raise DataError(
                f"CSV finds {found} different values in {self.target!r}, more than max_categories "
                f"= {self.max_categories}; choose a target that names classes, or raise the limit."
            )
        return _codes(values)

    def _features(self, table: pd.DataFrame, training: npt.NDArray[np.bool_]) -> Columns:
        names = table.columns.drop([self.target, *filter(None, [self.client]), *self.drop])
        blocks = []
        for name in names:
            column = table[name]
            if is_numeric_dtype(column):
                numbers = column.to_numpy(dtype=np.float64)[:, None]
                finite = np.where(np.isfinite(numbers), numbers, np.nan)
                blocks.append(standardized(finite, training))
            else:
                blocks.append(self._one_hot(column, training))
        return np.concatenate(blocks, axis=1)

    def _one_hot(self, column: pd.Series, training: npt.NDArray[np.bool_]) -> Columns:
        texts = column.astype(str).where(column.notna())
        known = sorted(texts[training].dropna().unique())
        if len(known) > self.max_categories:
            raise DataError(
                f"CSV finds {len(known)} different texts in column {column.name!r}, more than "
                f"max_categories = {self.max_categories}; put it in drop, or raise the limit."
            )
        codes = pd.Index(known).get_indexer(pd.Index(texts))  # -1 where missing or new
        columns: Columns = np.equal(codes[:, None], np.arange(len(known))).astype(np.float64)
        return columns


def _codes(values: pd.Series) -> Indices:
    codes, _ = values.factorize(sort=True)
    return codes.astype(np.int64)


def _suggestion(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known)
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
