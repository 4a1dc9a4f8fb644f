"""How well a model tells labels apart: counts of which it took for which, and the measures that follow from them.

The measures are scikit-learn's, defined as there: where a label was never chosen or never occurs, so that a share would be
0 of 0, it is 0; a macro average is the plain mean over the labels that occur or were chosen. Knows nothing of models.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpt_notebook.display.reports import Report, Table
from gpt_notebook.errors import InvalidRequest
from gpt_notebook.suggestions import did_you_mean
from gpt_notebook.visible_text import shortened

if TYPE_CHECKING:
    import numpy as np
    from plotly.graph_objects import Figure

MOST_LABELS = 20
"""More different completions are taken for texts, unless somebody says that they are labels."""
LONGEST_LABEL = 60
"""Characters of a completion that may be a label."""
MOST_SHOWN = 12
"""Labels of a confusion matrix that is shown as a table; a figure has room for more."""
FEWEST_LABELS = 2
"""Of one there is nothing to choose."""
NAMED = 5
"""Labels that a message names."""


@dataclass(frozen=True, kw_only=True)
class LabelScore:
    """How well one label is told."""

    label: str
    precision: float
    """Of the rows for which it was chosen, the share that have it."""
    recall: float
    """Of the rows that have it, the share for which it was chosen."""
    f1: float
    """The harmonic mean of the two."""
    support: int
    """How many rows have it."""


@dataclass(frozen=True, kw_only=True, repr=False, eq=False)
class Classification:
    """Which label a model chose for each row, beside the one that the row has."""

    labels: tuple[str, ...]
    expected: tuple[str, ...]
    """The label of each row that could be judged."""
    predicted: tuple[str, ...]
    """The label that was chosen for it."""

    @property
    def matrix(self) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
        """The confusion matrix: how many rows have a label and got another, shape (true label, predicted label)."""
        import numpy as np

        place = {label: index for index, label in enumerate(self.labels)}
        counts = np.zeros((len(self.labels), len(self.labels)), np.int64)
        for expected, predicted in zip(self.expected, self.predicted, strict=True):
            counts[place[expected], place[predicted]] += 1
        return counts

    @property
    def accuracy(self) -> float:
        """The share of the rows that got their own label; NaN of no rows."""
        right = sum(map(str.__eq__, self.expected, self.predicted))
        return right / len(self.expected) if self.expected else float("nan")

    @property
    def by_label(self) -> tuple[LabelScore, ...]:
        """The measures of each label."""
        matrix = self.matrix
        return tuple(
            _score(label, hit=int(matrix[i, i]), chosen=int(matrix[:, i].sum()), there=int(matrix[i].sum()))
            for i, label in enumerate(self.labels)
        )

    @property
    def macro(self) -> LabelScore:
        """The plain means over the labels that occur or were chosen; its support is that of all."""
        met = {*self.expected, *self.predicted}
        scores = [each for each in self.by_label if each.label in met]
        count = len(scores) or 1
        return LabelScore(
            label="macro",
            precision=sum(each.precision for each in scores) / count,
            recall=sum(each.recall for each in scores) / count,
            f1=sum(each.f1 for each in scores) / count,
            support=len(self.expected),
        )

    def dataframe(self) -> Any:
        """Return the confusion matrix as a DataFrame, true labels down and predicted ones across.

        Raises:
            InvalidRequest: pandas is not installed.
        """
        try:
            import pandas as pd
        except ModuleNotFoundError as error:
            message = "a DataFrame needs pandas, which is not installed: use matrix, which is the same as an array"
            raise InvalidRequest(message) from error
        names = list(self.labels)
        return pd.DataFrame(self.matrix, index=pd.Index(names, name="true"), columns=pd.Index(names, name="predicted"))

    def plot(self) -> Figure:
        """Return the confusion matrix as a Plotly figure.

        Raises:
            InvalidRequest: Plotly is not installed.
        """
        from gpt_notebook.figures.confusion_figure import confusion_figure

        return confusion_figure(self.matrix, self._names, title=self._title)

    def tables(self) -> tuple[Table, ...]:
        """Return the measures of each label, and the confusion matrix where it is small enough to be read."""
        rows = [
            (
                name,
                *(f"{value:.3f}" for value in (each.precision, each.recall, each.f1)),
                str(each.support),
            )
            for name, each in zip(self._names, self.by_label, strict=True)
        ]
        macro = self.macro
        means = (f"{macro.precision:.3f}", f"{macro.recall:.3f}", f"{macro.f1:.3f}")
        rows.append(("all (macro average)", *means, str(macro.support)))
        columns = ("label", "precision", "recall", "F1", "rows")
        found = [Table(columns, rows, self._title, frozenset({1, 2, 3, 4}))]
        if len(self.labels) <= MOST_SHOWN:
            counts = [(name, *map(str, line)) for name, line in zip(self._names, self.matrix, strict=True)]
            across = ("true \\ predicted", *self._names)
            numeric = frozenset(range(1, len(self.labels) + 1))
            found.append(Table(across, counts, "confusion matrix", numeric))
        return tuple(found)

    @property
    def _names(self) -> list[str]:
        """The labels as they are shown; as they are in the data, where they would look alike."""
        names = [named(label) for label in self.labels]
        return names if len(set(names)) == len(names) else [repr(label) for label in self.labels]

    @property
    def _title(self) -> str:
        return f"{len(self.labels)} labels, accuracy {self.accuracy:.3f} over {len(self.expected):,} rows"

    def __repr__(self) -> str:
        return f"<Classification {self._title}, macro F1 {self.macro.f1:.3f}>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """Return what a notebook shows; IPython calls this and does the filtering that the arguments ask for."""
        del include, exclude
        report = Report(self.tables())
        return {"text/plain": report.text(), "text/html": report.html()}


def labels_in(completions: Sequence[str]) -> tuple[str, ...] | None:
    """Return the labels that completions are, sorted; None where they are texts.

    Labels are few, short, of one line, and on average each occurs twice.
    """
    found = Counter(completions)
    few = FEWEST_LABELS <= len(found) <= min(MOST_LABELS, len(completions) // 2)
    short = all(len(each) <= LONGEST_LABEL and len(each.splitlines()) == 1 for each in found)
    return tuple(sorted(found)) if few and short else None


def checked(labels: Sequence[str], completions: Sequence[str]) -> tuple[str, ...]:
    """Return labels that somebody has named, in that order.

    Raises:
        InvalidRequest: there are fewer than two, one is there twice or empty, or a row has none of them; names it.
    """
    given = tuple(labels)
    if len(given) < FEWEST_LABELS or "" in given:
        message = f"labels must be at least two texts, not {list(given)!r:.80}"
        raise InvalidRequest(message, param="labels")
    if twice := [label for label, count in Counter(given).items() if count > 1]:
        message = f"labels has {twice[0]!r:.80} twice: name it once"
        raise InvalidRequest(message, param="labels")
    for row, completion in enumerate(completions):
        if completion not in given:
            message = f"row {row} has the completion {shortened(completion)!r}, which is no label: {_meant(completion, given)}"
            raise InvalidRequest(message, param="labels")
    return given


def warnings_of(labels: Sequence[str], completions: Sequence[str]) -> list[str]:
    """Return what should be said of labels: those that occur once tell nothing of how well they are told."""
    counts = Counter(completions)
    once = [label for label in labels if counts[label] == 1]
    never = [label for label in labels if not counts[label]]
    found = ((once, "once: its measures say little"), (never, "never"))
    return [f"{_listed(which)} occurs {how}" for which, how in found if which]


def named(label: str) -> str:
    """Return a label as it is shown: short, on one line, without the space that joins it to a prompt."""
    text = shortened(label.removeprefix(" "))
    return text if text.strip() == text and text and "\n" not in text else repr(text)


def _listed(labels: Sequence[str]) -> str:
    """Return labels as what a sentence is about, each of them."""
    shown = ", ".join(map(named, labels[:NAMED]))
    more = f" and {len(labels) - NAMED} more" if len(labels) > NAMED else ""
    return f"{'each of the labels' if len(labels) > 1 else 'the label'} {shown}{more}"


def _meant(completion: str, labels: Sequence[str]) -> str:
    """Return which label was probably meant; most often it is the space before it, a part of it, that was forgotten."""
    if near := next((label for label in labels if label.strip() == completion.strip()), None):
        return f"did you mean {completion!r}, as the data have it, instead of {near!r}?"
    shown = ", ".join(map(repr, labels[:NAMED])) + (" …" if len(labels) > NAMED else "")
    return f"there are {shown}{did_you_mean(completion, labels)}"


def _score(label: str, *, hit: int, chosen: int, there: int) -> LabelScore:
    return LabelScore(
        label=label,
        precision=hit / chosen if chosen else 0.0,
        recall=hit / there if there else 0.0,
        f1=2 * hit / (chosen + there) if chosen + there else 0.0,
        support=there,
    )
