"""Small encoders of families that the local provider does not read, with random weights.

transformers and sentence-transformers make and save them, so what is loaded is what those libraries write.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from providers.local.small_models import WORDS

HIDDEN, INNER, HEADS, LAYERS, POSITIONS = 32, 64, 4, 2, 162

_SMALL: dict[str, Any] = {
    "hidden_size": HIDDEN,
    "intermediate_size": INNER,
    "num_attention_heads": HEADS,
    "num_hidden_layers": LAYERS,
    "max_position_embeddings": POSITIONS,
}


def _tokenizer(first: str, last: str, pad: str, joint: str, *, max_tokens: int) -> Any:
    """Words and letters; `joint` stands between the texts of a pair."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    tokens = [first, pad, last, "<unk>", *letters, *(f"##{one}" for one in letters), *".,:;!?'-", *WORDS]
    ids = {token: number for number, token in enumerate(dict.fromkeys(token for token in tokens if token))}
    made = Tokenizer(models.WordPiece(ids, unk_token="<unk>"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = [(token, ids[token]) for token in dict.fromkeys((first, last)) if token]
    single = " ".join(part for part in (first, "$A", last) if part)
    pair = " ".join(part for part in (first, "$A", joint, "$B", last) if part)
    made.post_processor = processors.TemplateProcessing(single=single, pair=pair, special_tokens=special)
    names = {"cls_token": first, "sep_token": last} if first else {"eos_token": last}
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        pad_token=pad,
        unk_token="<unk>",
        model_max_length=max_tokens,
        model_input_names=["input_ids", "attention_mask"],
        **names,
    )


def _mpnet(head: str) -> Any:
    import transformers

    config = transformers.MPNetConfig(vocab_size=200, pad_token_id=1, num_labels=1, **_SMALL)
    return getattr(transformers, f"MPNet{head}")(config)


def _modernbert(head: str) -> Any:
    import transformers

    config = transformers.ModernBertConfig(
        vocab_size=200,
        pad_token_id=1,
        num_labels=1,
        cls_token_id=0,
        sep_token_id=2,
        bos_token_id=0,
        eos_token_id=2,
        local_attention=16,
        **_SMALL,
    )
    return getattr(transformers, f"ModernBert{head}")(config)


def _t5(_: str) -> Any:
    import transformers

    return transformers.T5EncoderModel(
        transformers.T5Config(
            vocab_size=200, d_model=HIDDEN, d_kv=8, d_ff=INNER, num_heads=HEADS, num_layers=LAYERS
        )
    )


def _qwen3(head: str) -> Any:
    import transformers

    config = transformers.Qwen3Config(
        vocab_size=200,
        head_dim=8,
        num_key_value_heads=2,
        pad_token_id=0,
        eos_token_id=1,
        num_labels=1,
        **_SMALL,
    )
    return getattr(transformers, f"Qwen3{head}")(config)


_FAMILIES: dict[str, tuple[Callable[[str], Any], tuple[str, str, str, str]]] = {
    "mpnet": (_mpnet, ("<s>", "</s>", "<pad>", "</s> </s>")),
    "modernbert": (_modernbert, ("<s>", "</s>", "<pad>", "</s>")),
    "t5": (_t5, ("", "</s>", "<pad>", "</s>")),
    "qwen3": (_qwen3, ("", "</s>", "<pad>", "</s>")),
}

SENTENCE_FAMILIES = tuple(_FAMILIES)
CROSS_FAMILIES = ("mpnet", "modernbert", "qwen3")
"""The last finds the token that it makes the score of by the id of the padding token."""


def write_sentence_model(
    folder: Path,
    family: str,
    *,
    seed: int = 3,
    pooling: str | tuple[str, ...] | None = None,
    dense: bool = False,
    prompts: dict[str, str] | None = None,
    include_prompt: bool = True,
    truncate_dim: int | None = None,
    max_tokens: int = 64,
    shard: str = "1GB",
) -> Path:
    """A model in the layout of sentence-transformers; returns the folder."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense, Normalize, Pooling, Transformer

    bare = write_bare(folder.parent / f"{folder.name}-bare", family, "Model", seed=seed, shard=shard)
    transformer = Transformer(str(bare), max_seq_length=max_tokens)
    kind = pooling or ("lasttoken" if family == "qwen3" else "mean")
    pooled = Pooling(HIDDEN, kind, include_prompt=include_prompt)
    modules: list[Any] = [transformer, pooled]
    if dense:
        modules.append(Dense(pooled.get_embedding_dimension(), 12))
    modules.append(Normalize())
    made = SentenceTransformer(modules=modules, prompts=prompts, truncate_dim=truncate_dim, device="cpu")
    made.save(str(folder), create_model_card=False)
    if shard != "1GB":
        (folder / "model.safetensors").unlink()
        for file in bare.glob("model*safetensors*"):
            (folder / file.name).write_bytes(file.read_bytes())
    return folder


def write_bare(
    folder: Path, family: str, head: str, *, seed: int = 3, shard: str = "1GB", max_tokens: int = POSITIONS
) -> Path:
    """A model in the layout of transformers; `head`: `Model` or `ForSequenceClassification`."""
    make, special = _FAMILIES[family]
    torch.manual_seed(seed)
    made = make(head)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "norm" not in name.lower():
                parameter.normal_(0, 0.3)
    made.save_pretrained(folder, max_shard_size=shard)
    _tokenizer(*special, max_tokens=max_tokens).save_pretrained(folder)
    return folder
