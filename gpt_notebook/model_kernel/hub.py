"""Models of the Hugging Face hub, in huggingface_hub's own cache."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

from gpt_notebook.errors import ModelNotFound, ModelUnreachable
from gpt_notebook.model_kernel.weights import ReportBytes, Source, split
from gpt_notebook.protocol import DEFAULT_MODEL

HUB_SECONDS = 5.0
"""How long the hub may take to say what a model is; then what is in the cache has to do."""
HUB_FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")


def cached_sources() -> list[Source]:
    """Return the models in the hub's cache that can be loaded without the hub."""
    import huggingface_hub

    try:
        repositories = huggingface_hub.scan_cache_dir().repos
    except huggingface_hub.CacheNotFound:
        return []
    found = []
    for repository in sorted(repositories, key=lambda repository: repository.repo_id):
        revision = repository.refs.get("main")
        if repository.repo_type == "model" and revision is not None:
            source = Source(repository.repo_id, revision.snapshot_path, revision.commit_hash)
            if source.size and (source.directory / "config.json").exists():
                found.append(source)
    return found


def download(model: str, hub_token: str | None, report: ReportBytes) -> Source:
    """Return the source of a model on the hub, its files in the hub's own cache.

    Args:
        model: `owner/name` with an optional `@revision`.
        hub_token: the user's token for gated and private models; used here and kept nowhere.
        report: is told about the bytes of the download.

    Raises:
        ModelNotFound: the hub has no such model, or not for this user.
        ModelUnreachable: the hub could not be asked, and the cache doesn't have the model.
    """
    import huggingface_hub
    from huggingface_hub import errors as hub_errors

    repository, revision = split(model)
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", repository):
        message = (
            f"{model!r} is no model: give a directory, an id of the Hugging Face hub such as 'gpt2', or {DEFAULT_MODEL}"
        )
        raise ModelNotFound(message)
    try:
        directory = huggingface_hub.snapshot_download(
            repository,
            revision=revision,
            token=hub_token or False,
            allow_patterns=list(HUB_FILES),
            tqdm_class=_reporting_bar(report),
            local_files_only=not _hub_answers(repository, revision, hub_token),
        )
    except hub_errors.GatedRepoError:
        message = f"{repository} is gated: accept its terms on the hub, then set HF_TOKEN to a token that may read it"
        raise ModelNotFound(message) from None
    except hub_errors.RevisionNotFoundError:
        message = f"{repository} has no revision {revision!r}"
        raise ModelNotFound(message) from None
    except (hub_errors.RepositoryNotFoundError, hub_errors.HFValidationError):
        message = f"the hub has no model {repository!r} (or not without a token: set HF_TOKEN): see  %gpt models"
        raise ModelNotFound(message) from None
    except (OSError, hub_errors.EntryNotFoundError, hub_errors.HTTPError):
        message = (
            f"{model!r} is neither a local directory nor in the hub's cache, and the hub cannot be reached: "
            "check the network, or give a directory"
        )
        raise ModelUnreachable(message) from None
    path = Path(directory)
    return Source(model, path, commit=path.name)


def _hub_answers(repository: str, revision: str | None, hub_token: str | None) -> bool:
    """Return whether the hub can be asked now; `snapshot_download` would wait for its answer without end.

    Raises:
        RepositoryNotFoundError: the hub has no such model, or not for this user.
        RevisionNotFoundError: not this revision of it.
    """
    import huggingface_hub
    from huggingface_hub import errors as hub_errors

    try:
        huggingface_hub.model_info(repository, revision=revision, token=hub_token or False, timeout=HUB_SECONDS)
    except (hub_errors.RepositoryNotFoundError, hub_errors.RevisionNotFoundError):
        raise
    except (OSError, hub_errors.HTTPError):
        return False
    return True


def _reporting_bar(report: ReportBytes) -> type:
    """Return a progress bar class that tells `report` about bytes and draws nothing."""
    from tqdm.auto import tqdm

    class ReportingBar(tqdm):  # type: ignore[misc]
        def __init__(self, *arguments: Any, **options: Any) -> None:
            self._counts_bytes = options.get("unit") == "B"
            options.pop("name", None)  # The hub's own addition to tqdm's options.
            super().__init__(*arguments, **(options | {"disable": False, "file": io.StringIO()}))

        def display(self, *_: Any, **__: Any) -> None:
            """Draw nothing."""

        def update(self, n: float | None = 1) -> Any:
            updated = super().update(n)
            if self._counts_bytes:
                report(int(self.n), int(self.total or 0))
            return updated

    return ReportingBar
