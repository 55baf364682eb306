"""Score classes of questionnaire scales: limits by equal intervals, classes of item scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pipeline.contracts.errors import InvalidArgument


@dataclass(frozen=True)
class Scale:
    """A summed rating scale.

    Parameters
    ----------
    items : int
        Number of items that are summed.
    low, high : int
        Lowest and highest score of one item (1 and 5 for a five-point scale).
    classes : int
        Number of classes the range of the sum is cut into.

    Raises
    ------
    InvalidArgument
        No item, a range that does not rise, fewer than two classes.

    Examples
    --------
    >>> Scale(items=6, low=1, high=5, classes=3).limits().tolist()
    [6.0, 14.0, 22.0, 30.0]
    """

    items: int
    low: int
    high: int
    classes: int = 3

    def __post_init__(self) -> None:
        if self.items < 1:
            raise InvalidArgument(f"items: expected at least 1, found {self.items}")
        if self.high <= self.low:
            raise InvalidArgument(f"high: expected more than low = {self.low}, found {self.high}")
        if self.classes < 2:
            raise InvalidArgument(f"classes: expected at least 2, found {self.classes}")

    def limits(self) -> NDArray[np.float64]:
        r"""Return the limits of the classes by equal intervals.

        .. math:: L_c = k a + c \frac{k (b - a)}{C}, \quad c = 0 \dots C

        for k items scored a to b and C classes.

        Returns
        -------
        (classes + 1,) array of float
            From the lowest to the highest possible sum.

        References
        ----------
        The interval rule of Indonesian survey textbooks: (highest - lowest) / number of classes;
        for example Singarimbun, M. & Effendi, S. (1989). Metode Penelitian Survai. LP3ES.

        Examples
        --------
        >>> Scale(items=5, low=1, high=5).limits().round(2).tolist()
        [5.0, 11.67, 18.33, 25.0]
        """
        return np.linspace(self.items * self.low, self.items * self.high, self.classes + 1)

    def totals(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Return each respondent's sum.

        Parameters
        ----------
        scores : (n, items) array_like
            Item scores; NaN where an item was not answered gives a missing sum.

        Raises
        ------
        InvalidArgument
            Wrong shape, or a score outside the item range (row and item are named).

        Examples
        --------
        >>> Scale(items=2, low=1, high=5).totals([[1, 5], [2, 2]]).tolist()
        [6.0, 4.0]
        """
        table = np.asarray(scores, dtype=np.float64)
        if table.ndim != 2 or table.shape[1] != self.items:
            raise InvalidArgument(
                f"scores: expected shape (n, {self.items}), found {np.shape(scores)}"
            )
        bad = np.argwhere((table < self.low) | (table > self.high))
        if len(bad):
            row, item = (int(part) for part in bad[0])
            raise InvalidArgument(
                f"scores: expected {self.low} to {self.high}, found {table[row, item]:g} in row "
                f"{row}, item {item} ({len(bad)} in all)"
            )
        return table.sum(axis=1)

    def classify(self, totals: ArrayLike) -> NDArray[np.int64]:
        """Return the class of each sum, 0 for the lowest; -1 where the sum is missing.

        A sum on a limit belongs to the class that the limit closes from above, except the lowest
        possible sum; so with limits 14 and 22 the middle class holds more than 14 up to 22.

        Raises
        ------
        InvalidArgument
            A sum outside the range of the scale.

        Examples
        --------
        >>> Scale(items=6, low=1, high=5).classify([6, 14, 14.5, 22, 23]).tolist()
        [0, 0, 1, 1, 2]
        """
        values = np.asarray(totals, dtype=np.float64)
        limits = self.limits()
        known = ~np.isnan(values)
        outside = known & ((values < limits[0]) | (values > limits[-1]))
        if outside.any():
            raise InvalidArgument(
                f"totals: expected {limits[0]:g} to {limits[-1]:g}, found {values[outside][0]:g}"
            )
        classes = np.searchsorted(limits[1:], values, side="left").astype(np.int64)
        return np.where(known, np.minimum(classes, self.classes - 1), -1)
