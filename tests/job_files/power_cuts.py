"""What a disk may hold after a power cut, worked out from the operations before it.

As much is lost as POSIX allows. A file that was not synced is there with nothing, with a part, with zeros or with all of what
was written. In a directory that was not synced each change since then, be it a new name, another or one less, has lasted or
hasn't, whatever became of those before. Only a renaming happens whole.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

from gpt_notebook.job_files.disk import Disk


class Recording(Disk):
    """A disk that writes down what is done, with paths relative to a directory."""

    def __init__(self, base):
        self.base = base
        self.done = []

    def note(self, what, *arguments):
        self.done.append((what, *arguments))

    def inside(self, path):
        return path.relative_to(self.base).parts

    def make_directory(self, path):
        super().make_directory(path)
        self.note("make_directory", self.inside(path))

    def write(self, path, data):
        super().write(path, data)
        self.note("write", self.inside(path), data)

    def sync(self, path):
        super().sync(path)
        self.note("sync", self.inside(path))

    def rename(self, source, target):
        super().rename(source, target)
        self.note("rename", self.inside(source), self.inside(target))

    def remove(self, path):
        super().remove(path)
        self.note("remove", self.inside(path))

    def remove_directory(self, path):
        super().remove_directory(path)
        self.note("remove", self.inside(path))


@dataclass(eq=False)
class File:
    content: bytes
    lasting: bytes | None = None

    def after_cut(self, draws):
        if self.lasting is not None:
            return self.lasting
        half = self.content[: len(self.content) // 2]
        return draws.choice([b"", half, bytes(len(self.content)), self.content])


@dataclass(eq=False)
class Directory:
    entries: dict[str, File | Directory] = field(default_factory=dict)
    lasting: dict[str, File | Directory] = field(default_factory=dict)
    changes: list[dict[str, File | Directory | None]] = field(default_factory=list)
    """Since it was synced; of each the names that it is about."""

    def change(self, **entries):
        self.changes.append(entries)
        self.entries = apply(self.entries, entries)

    def after_cut(self, draws, share):
        found = dict(self.lasting)
        for change in self.changes:
            if draws.random() < share:
                found = apply(found, change)
        return found


def apply(entries, change):
    return {name: entry for name, entry in {**entries, **change}.items() if entry is not None}


class Volume:
    """A disk and what is on its way to it."""

    def __init__(self, base: Path):
        """Begin with what is in a directory, all of which has lasted."""
        self.root = read(base)

    def find(self, parts):
        found = self.root
        for part in parts:
            found = found.entries[part]
        return found

    def do(self, what, *arguments):
        """Do what was recorded; what isn't an operation changes nothing."""
        if what == "sync":
            found = self.find(arguments[0])
            if isinstance(found, File):
                found.lasting = found.content
            else:
                found.lasting, found.changes = dict(found.entries), []
        elif what in ("make_directory", "write", "remove"):
            (*parent, name) = arguments[0]
            new = {"make_directory": Directory, "write": lambda: File(arguments[1]), "remove": lambda: None}[what]()
            self.find(parent).change(**{name: new})
        elif what == "rename":
            (*parent, source), (*other, target) = arguments
            assert parent == other
            place = self.find(parent)
            place.change(**{source: None, target: place.entries[source]})

    def after_cut(self, target: Path, draws: random.Random, share: float):
        """Write down what there is when the power comes back.

        Args:
            target: Where; a directory that isn't there yet.
            draws: Decides what has lasted of that which was not synced.
            share: With which probability a change of a directory has.
        """

        def write(place, path):
            path.mkdir()
            for name, entry in place.after_cut(draws, share).items():
                if isinstance(entry, File):
                    (path / name).write_bytes(entry.after_cut(draws))
                else:
                    write(entry, path / name)

        write(self.root, target)


def read(path):
    """Return a directory with everything in it, as it has lasted."""
    entries = {}
    for each in path.iterdir():
        content = each.read_bytes() if each.is_file() else None
        entries[each.name] = read(each) if content is None else File(content, content)
    return Directory(entries, dict(entries))
