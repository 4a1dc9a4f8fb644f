"""`python -m gpt_notebook.model_kernel.native`: builds as a model kernel would, and says in a line what came of it."""

from gpt_notebook.model_kernel.native import library
from gpt_notebook.settings import Settings


def main() -> None:
    """Build, load, and say so."""
    library.prepare(Settings.from_environment().compiled_directory())
    way = "in torch alone, which is slower" if library.library() is None else "partly in C"
    print(f"{way}: {library.said()}")  # noqa: T201 - for whoever has started it


if __name__ == "__main__":
    main()
