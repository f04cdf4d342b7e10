from __future__ import annotations

from typing import Any

import pytest

from ragctl.errors import UsageError
from ragctl.providers.local.architecture import Architecture

BERT: dict[str, Any] = {
    "model_type": "bert",
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "hidden_size": 32,
    "max_position_embeddings": 514,
}
DISTILBERT: dict[str, Any] = {"model_type": "distilbert", "n_layers": 2, "n_heads": 4, "dim": 64}


def test_the_families_and_their_defaults() -> None:
    bert = Architecture.from_config(BERT)
    assert (bert.family, bert.activation, bert.epsilon, bert.segments) == ("bert", "gelu", 1e-12, 2)
    assert (bert.labels, bert.classifies, bert.max_tokens) == (2, False, 514)
    distilbert = Architecture.from_config(DISTILBERT)
    assert (distilbert.family, distilbert.hidden, distilbert.heads) == ("distilbert", 64, 4)
    assert (distilbert.segments, distilbert.max_tokens) == (0, 512)


@pytest.mark.parametrize("kind", ["roberta", "xlm-roberta", "camembert"])
def test_robertas_positions_begin_after_the_padding_tokens(kind: str) -> None:
    made = Architecture.from_config({**BERT, "model_type": kind, "pad_token_id": 1})
    assert (made.family, made.padding, made.max_tokens) == ("roberta", 1, 512)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"model_type": "mpnet"}, "a model of type 'mpnet'"),
        ({"model_type": "modernbert"}, "a model of type 'modernbert'"),
        ({"model_type": None}, "a model of type None"),
        ({"position_embedding_type": "relative_key"}, "with 'relative_key' positions"),
        ({"position_embedding_type": "alibi"}, "with 'alibi' positions"),
        ({"hidden_act": "swish"}, "with the activation 'swish'"),
        ({"is_decoder": True}, "a decoder"),
        ({"auto_map": {"AutoModel": "theirs.Model"}}, "brings code of its own"),
        ({"hidden_size": 33}, "sizes that do not fit"),
        ({"num_hidden_layers": "many"}, "no sound"),
    ],
)
def test_what_cannot_be_run_is_refused_with_what_can(change: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match="cannot run") as caught:
        Architecture.from_config({**BERT, **change})
    assert named in caught.value.message
    assert "bert, camembert, distilbert, roberta, xlm-roberta" in (caught.value.hint or "")


def test_a_size_that_is_missing() -> None:
    with pytest.raises(UsageError, match="no sound 'hidden_size'"):
        Architecture.from_config({key: value for key, value in BERT.items() if key != "hidden_size"})
