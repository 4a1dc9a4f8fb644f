"""From a question about a recorded attention to the work that answers it."""

from __future__ import annotations

import itertools
from typing import assert_never

from gpt_notebook.attention_protocol import (
    AblateRequest,
    ArrayRequest,
    DiffRequest,
    LensRequest,
    MapRequest,
    OverviewRequest,
    ScoresRequest,
    TensorRequest,
)
from gpt_notebook.model_kernel.attention.ablation import Ablation
from gpt_notebook.model_kernel.attention.arrays import Map, Overview, Tensor
from gpt_notebook.model_kernel.attention.difference import Difference
from gpt_notebook.model_kernel.attention.hidden import HiddenStates
from gpt_notebook.model_kernel.attention.lens import LogitLens
from gpt_notebook.model_kernel.attention.refusals import Refusals, interval
from gpt_notebook.model_kernel.attention.scores import Scores
from gpt_notebook.model_kernel.attention.source import MapSource
from gpt_notebook.model_kernel.scheduler import Work

Question = ArrayRequest | ScoresRequest | DiffRequest | LensRequest | AblateRequest
"""What is asked of an attention that is there."""


def work_for(request: Question, source: MapSource, other: MapSource | None = None) -> Work:
    """Return the work that answers a question.

    Args:
        request: the question.
        source: the attention that it is about.
        other: what a `DiffRequest` compares it with.

    Raises:
        InvalidRequest: a part, layer, head or position that isn't there, or attentions that can't be compared.
        ModelUnsupported: a lens or an ablation of a model that predicts no next token.
    """
    ids = source.capture.text.token_ids
    match request:
        case LensRequest():
            return LogitLens(source.model, ids, position=request.position, k=request.k)
        case AblateRequest():
            return Ablation(source.model, ids, request.heads, position=request.position, k=request.k)
        case ScoresRequest():
            _refusals(request, source).check_part()
            return Scores(source, request.part, request.kinds, request.queries, request.keys)
        case DiffRequest():
            assert other is not None  # noqa: S101 - whoever asks for a difference has two
            for each in (source, other):
                _refusals(request, each).check_part()
            return Difference(source, other, request.part)
        case MapRequest() | OverviewRequest() | TensorRequest():
            return _array(request, source)
        case _:
            assert_never(request)


def _array(request: ArrayRequest, source: MapSource) -> Work:
    part, refusals = request.part, _refusals(request, source)
    refusals.check_part()
    match request:
        case MapRequest():
            refusals.check_head(request.layer, request.head)
            return Map(
                source,
                (part, request.layer),
                request.head,
                queries=interval("queries", request.queries, source.n_queries(part)),
                keys=interval("keys", request.keys, source.n_keys(part)),
                values=request.values,
                hide_sink=request.hide_sink,
            )
        case OverviewRequest():
            layers = range(source.capture.layout.layers(part)) if request.layers is None else request.layers
            refusals.check_layers(layers)
            refusals.check_heads(itertools.product(layers, request.heads or ()))
            return Overview(
                source,
                part,
                layers,
                size=request.size,
                reduction=request.reduction,
                heads=request.heads,
                queries=interval("queries", request.queries, source.n_queries(part)),
                keys=interval("keys", request.keys, source.n_keys(part)),
                hide_sink=request.hide_sink,
            )
        case TensorRequest(head=int(head)):
            refusals.check_head(request.layer, head)
            return Tensor(source.capture, source.model, (part, request.layer), request.name, head)
        case TensorRequest():
            return HiddenStates(source.model, source.capture.text, request.layer, part=part)
        case _:
            assert_never(request)


def _refusals(request: ArrayRequest | ScoresRequest | DiffRequest, source: MapSource) -> Refusals:
    return Refusals(source.capture.layout, source.capture.model, request.part)
