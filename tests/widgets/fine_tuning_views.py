"""A view of a fine-tuning panel for tests: it keeps what it is told of a job as the browser's half does."""

from __future__ import annotations

import numpy as np
from panel_views import View

from gpt_notebook.fine_tuning.curve import COLUMNS


class Known:
    """What a view knows of a job, from the parts that came."""

    def __init__(self):
        self.rows = np.zeros((0, len(COLUMNS)), np.float32)
        self.marks = {}
        self.probes = {}
        self.number = 0
        self.news = None

    def take(self, news, rows):
        """Take one part."""
        self.news = news
        fresh = np.frombuffer(rows, "<f4").reshape(-1, len(COLUMNS))
        self.rows = np.concatenate([self.rows[: news["row"]], fresh])
        back = news["rewound_to"]
        if back is not None:
            self.marks = {number: mark for number, mark in self.marks.items() if mark["step"] < back}
            self.probes = {key: text for key, text in self.probes.items() if key[0] < back}
        self.marks |= {mark["number"]: mark for mark in news["marks"]}
        self.probes |= {(each["step"], each["index"]): each["text"] for each in news["probes"]}
        self.number = news["number"]
        return self

    @property
    def info(self):
        return self.news["info"]

    @property
    def steps(self):
        return self.rows[:, 0].tolist()

    def of_kind(self, kind):
        return [mark for _, mark in sorted(self.marks.items()) if mark["kind"] == kind]


class FineTuningView(View):
    """Asks a panel, and follows its job."""

    def follow(self, job, known=None):
        """Begin to follow a job, behind what is known of it."""
        known = known or Known()
        return self.ask("follow", job=job, rows=len(known.rows), number=known.number)

    def until(self, id_, is_enough, known=None):
        """Return what is known once it is enough; the parts that have come are taken once."""
        known = known or Known()
        taken = getattr(known, "taken", 0)
        with self.comm.changed:

            def enough():
                nonlocal taken
                parts = [each for each in self.messages(id_) if each[0]["kind"] == "part"]
                for message, (buffer,) in parts[taken:]:
                    known.take(message["result"], buffer)
                taken = len(parts)
                return known.news is not None and is_enough(known)

            assert self.comm.changed.wait_for(enough, 10), f"not enough: {known.news}"
        known.taken = taken
        return known
