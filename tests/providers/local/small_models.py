"""Small encoders with weights from a seed, written as sentence-transformers and transformers lay them out.

The same call writes the same bytes wherever it runs, so vectors that one environment made of a model are
right for the model that another one writes.
"""

from __future__ import annotations

import json
import string
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

HIDDEN, INNER, HEADS, LAYERS, POSITIONS = 32, 64, 4, 2, 162

WORDS = (
    "the a of and to in is that for it as was with on by at from lighthouse keeper log dull book hour wind "
    "height swell oil used ships seen read over thirty years best record weather coast query passage ferry "
    "leaves north pier quarter past six takes forty minutes how deep lake bread rises yeast sugar"
).split()

TEXTS = (
    "",
    "tea",
    "How deep is the lake?",
    "A lighthouse keeper's log is a dull book: the hour, the wind, the height of the swell, oil used.",
    "Straßenbahn, été, naïve: words with marks; 今天的会议 Привет 😀",
    "  spaces   here,\tand\nlines\n\n",
    "The Ferry LEAVES the North pier at a quarter past six. " * 2,
)

QUESTION = "How deep is the lake at the north pier?"
PASSAGES = (
    "The lake is deep.",
    "bread",
    "A lighthouse keeper's log is a dull book: the hour, the wind, the height of the swell, oil used.",
    "The ferry leaves the north pier. " * 3,
    "The ferry leaves the north pier. " * 20,  # more than any of the models reads
)

_SPECIAL = {
    "bert": ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    "roberta": ("<s>", "<pad>", "</s>", "<unk>", "<mask>"),
}


@dataclass(frozen=True)
class Small:
    """What is to be written.

    Attributes:
        kind: `bert`, `roberta`, `xlm-roberta` or `distilbert`.
        modules: of sentence-transformers, after the encoder; None: a bare encoder.
        prompts: as in `config_sentence_transformers.json`.
        labels: 1 for a cross-encoder.
        activation: of the scores, as sentence-transformers calls it.
        config: on top of `config.json`.
    """

    kind: str
    seed: int = 7
    modules: Sequence[str] | None = ("Pooling", "Normalize")
    pooling: str | Sequence[str] = "mean"
    prompts: Mapping[str, str] | None = None
    default_prompt: str | None = None
    max_seq_length: int | None = 64
    lower_case: bool = False
    labels: int | None = None
    activation: str | None = None
    old_names: bool = False
    config: Mapping[str, Any] = field(default_factory=dict)


SENTENCE_MODELS: dict[str, Small] = {
    "bert": Small("bert"),
    "bert-cls": Small("bert", 8, modules=("Pooling",), pooling="cls", config={"hidden_act": "gelu_new"}),
    "bert-bare": Small("bert", 9, modules=None, max_seq_length=None, old_names=True),
    "bert-joined": Small("bert", 10, pooling=("mean", "max"), modules=("Pooling",)),
    "bert-dense": Small("bert", 11, modules=("Pooling", "Dense", "Normalize")),
    "roberta": Small("roberta", 12, max_seq_length=128, config={"layer_norm_eps": 1e-5}),
    "roberta-max": Small("roberta", 13, pooling="max", modules=("Pooling",), max_seq_length=None),
    "xlm-roberta": Small(
        "xlm-roberta", 14, prompts={"query": "query: ", "passage": "passage: "}, max_seq_length=100
    ),
    "distilbert": Small("distilbert", 15, config={"activation": "relu"}, lower_case=True),
    "distilbert-prompts": Small("distilbert", 16, prompts={"any": "text: "}, default_prompt="any"),
}

CROSS_MODELS: dict[str, Small] = {
    "bert": Small("bert", 31, modules=None, labels=1),
    "roberta": Small(
        "roberta",
        32,
        modules=None,
        labels=1,
        activation="torch.nn.modules.linear.Identity",
        max_seq_length=150,
    ),
    "distilbert": Small("distilbert", 33, modules=None, labels=1),
    "xlm-roberta": Small("xlm-roberta", 34, modules=None, labels=1),
}


def write_model(folder: Path, small: Small) -> Path:
    """Writes the model into `folder` and returns it."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = _write_tokenizer(folder, small)
    _write_json(folder / "config.json", _config(small, vocabulary))
    _write_weights(folder / "model.safetensors", _weights(small, vocabulary))
    if small.modules is not None:
        _write_modules(folder, small)
    if small.prompts is not None:
        prompts = {"prompts": small.prompts, "default_prompt_name": small.default_prompt}
        _write_json(folder / "config_sentence_transformers.json", prompts)
    return folder


def _write_modules(folder: Path, small: Small) -> None:
    package = "sentence_transformers.models"
    listed = [{"idx": 0, "name": "0", "path": "", "type": f"{package}.Transformer"}]
    for number, kind in enumerate(small.modules or (), start=1):
        path = f"{number}_{kind}"
        listed.append({"idx": number, "name": str(number), "path": path, "type": f"{package}.{kind}"})
        (folder / path).mkdir(exist_ok=True)
    _write_json(folder / "modules.json", listed)
    sentence = {"max_seq_length": small.max_seq_length, "do_lower_case": small.lower_case}
    _write_json(folder / "sentence_bert_config.json", sentence)
    modes = [small.pooling] if isinstance(small.pooling, str) else list(small.pooling)
    old = {"cls": "cls_token", "mean": "mean_tokens", "max": "max_tokens"}
    pooling: dict[str, Any] = {f"pooling_mode_{name}": mode in modes for mode, name in old.items()}
    if len(modes) > 1:  # as releases since the sixth write it, and in an order of its own
        pooling = {"pooling_mode": modes}
    _write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": HIDDEN, **pooling})
    if "Dense" in (small.modules or ()):
        dense = {"in_features": HIDDEN, "out_features": 12, "bias": True}
        dense["activation_function"] = "torch.nn.modules.activation.Tanh"
        _write_json(folder / "2_Dense" / "config.json", dense)
        random = np.random.default_rng(small.seed + 1000)
        weights = {"linear.weight": _normal(random, 12, HIDDEN), "linear.bias": _normal(random, 12)}
        _write_weights(folder / "2_Dense" / "model.safetensors", weights)


def _config(small: Small, vocabulary: int) -> dict[str, Any]:
    common = {"model_type": small.kind, "vocab_size": vocabulary, "max_position_embeddings": POSITIONS}
    head = "Model" if small.labels is None else "ForSequenceClassification"
    name = {"bert": "Bert", "roberta": "Roberta", "xlm-roberta": "XLMRoberta", "distilbert": "DistilBert"}
    common["architectures"] = [name[small.kind] + head]
    if small.labels is not None:
        common["id2label"] = {str(number): f"LABEL_{number}" for number in range(small.labels)}
        common["label2id"] = {f"LABEL_{number}": number for number in range(small.labels)}
    if small.activation:
        common["sentence_transformers"] = {"activation_fn": small.activation, "version": "4.0.0"}
    if small.kind == "distilbert":
        own = {"dim": HIDDEN, "hidden_dim": INNER, "n_heads": HEADS, "n_layers": LAYERS, "pad_token_id": 0}
        return {**common, **own, **small.config}
    roberta = small.kind != "bert"
    own = {
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "pad_token_id": 1 if roberta else 0,
        "type_vocab_size": 1 if roberta else 2,
    }
    return {**common, **own, **small.config}


def _normal(random: np.random.Generator, *shape: int, scale: float = 0.3) -> NDArray[np.float32]:
    return (random.standard_normal(shape) * scale).astype(np.float32)


def _weights(small: Small, vocabulary: int) -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(small.seed)
    found: dict[str, NDArray[np.float32]] = {}

    def linear(name: str, outer: int, inner: int) -> None:
        found[f"{name}.weight"] = _normal(random, outer, inner)
        found[f"{name}.bias"] = _normal(random, outer)

    def norm(name: str) -> None:
        gamma, beta = ("gamma", "beta") if small.old_names else ("weight", "bias")
        found[f"{name}.{gamma}"] = 1 + _normal(random, HIDDEN)
        found[f"{name}.{beta}"] = _normal(random, HIDDEN)

    prefix = "" if small.labels is None else f"{small.kind.removeprefix('xlm-')}."
    found[f"{prefix}embeddings.word_embeddings.weight"] = _normal(random, vocabulary, HIDDEN, scale=1)
    found[f"{prefix}embeddings.position_embeddings.weight"] = _normal(random, POSITIONS, HIDDEN)
    if small.kind != "distilbert":
        segments = 2 if small.kind == "bert" else 1
        found[f"{prefix}embeddings.token_type_embeddings.weight"] = _normal(random, segments, HIDDEN, scale=1)
    norm(f"{prefix}embeddings.LayerNorm")
    for number in range(LAYERS):
        _layer(small, f"{prefix}{_LAYER[small.kind == 'distilbert']}{number}", linear, norm)
    if small.labels is not None:
        _head(small, prefix, linear)
    return found


_LAYER = {False: "encoder.layer.", True: "transformer.layer."}


def _layer(small: Small, name: str, linear: Any, norm: Any) -> None:
    if small.kind == "distilbert":
        for which in ("q_lin", "k_lin", "v_lin", "out_lin"):
            linear(f"{name}.attention.{which}", HIDDEN, HIDDEN)
        norm(f"{name}.sa_layer_norm")
        linear(f"{name}.ffn.lin1", INNER, HIDDEN)
        linear(f"{name}.ffn.lin2", HIDDEN, INNER)
        norm(f"{name}.output_layer_norm")
        return
    for which in ("self.query", "self.key", "self.value", "output.dense"):
        linear(f"{name}.attention.{which}", HIDDEN, HIDDEN)
    norm(f"{name}.attention.output.LayerNorm")
    linear(f"{name}.intermediate.dense", INNER, HIDDEN)
    linear(f"{name}.output.dense", HIDDEN, INNER)
    norm(f"{name}.output.LayerNorm")


def _head(small: Small, prefix: str, linear: Any) -> None:
    labels = small.labels or 1
    if small.kind == "bert":
        linear(f"{prefix}pooler.dense", HIDDEN, HIDDEN)
        linear("classifier", labels, HIDDEN)
    elif small.kind == "distilbert":
        linear("pre_classifier", HIDDEN, HIDDEN)
        linear("classifier", labels, HIDDEN)
    else:
        linear("classifier.dense", HIDDEN, HIDDEN)
        linear("classifier.out_proj", labels, HIDDEN)


def _write_tokenizer(folder: Path, small: Small) -> int:
    """Writes `tokenizer.json` and its settings; returns how many tokens there are."""
    made = _TOKENIZERS[small.kind](small)
    made.save(str(folder / "tokenizer.json"))
    special = _SPECIAL["bert" if small.kind in ("bert", "distilbert") else "roberta"]
    if small.kind in ("bert", "distilbert"):
        pad, unknown, first, last, mask = special
        names = {"cls_token": first, "sep_token": last}
    else:
        first, pad, last, unknown, mask = special
        names = {"bos_token": first, "eos_token": last, "cls_token": first, "sep_token": last}
    settings: dict[str, Any] = {
        **names,
        "pad_token": pad,
        "unk_token": unknown,
        "mask_token": mask,
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": 10**30 if small.max_seq_length is None else small.max_seq_length,
    }
    inputs = ["input_ids", "token_type_ids", "attention_mask"]
    settings["model_input_names"] = inputs if small.kind == "bert" else inputs[::2]
    _write_json(folder / "tokenizer_config.json", settings)
    return int(made.get_vocab_size())


def _word_piece(small: Small) -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    letters = string.ascii_lowercase + (string.ascii_uppercase if small.lower_case else "") + string.digits
    marks = ".,:;!?'-"
    tokens = [*_SPECIAL["bert"], *letters, *(f"##{one}" for one in letters), *marks, *WORDS]
    ids = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    made = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=not small.lower_case, strip_accents=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    made.add_special_tokens(list(_SPECIAL["bert"]))
    # A limit and padding that the file asks for and that must not be heeded.
    made.enable_truncation(16)
    made.enable_padding(length=16)
    return made


def _byte_pairs(_: Small) -> Any:
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers, processors

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [
        ("Ġ", "t"),
        ("h", "e"),
        ("Ġt", "he"),
        ("i", "n"),
        ("Ġ", "a"),
        ("r", "e"),
        ("o", "n"),
        ("Ġ", "Ġ"),
    ]
    tokens = [*_SPECIAL["roberta"], *letters, *(first + second for first, second in merges)]
    ids = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    made = Tokenizer(models.BPE(ids, merges))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    made.add_special_tokens(list(_SPECIAL["roberta"][:4]))
    made.add_special_tokens([AddedToken("<mask>", lstrip=True, special=True)])
    return made


def _unigram(_: Small) -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    letters = string.ascii_letters + string.digits + ".,:;!?'-▁éß今"
    pieces = [(token, 0.0) for token in _SPECIAL["roberta"][:4]]
    pieces += [(f"▁{word}", -5.0 - number / 50) for number, word in enumerate(WORDS)]
    pieces += [(letter, -9.0 - number / 100) for number, letter in enumerate(letters)]
    made = Tokenizer(models.Unigram(pieces, unk_id=3, byte_fallback=False))
    made.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace("  ", " ")])
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    made.add_special_tokens(list(_SPECIAL["roberta"]))
    return made


_TOKENIZERS = {
    "bert": _word_piece,
    "distilbert": _word_piece,
    "roberta": _byte_pairs,
    "xlm-roberta": _unigram,
}


def _write_weights(file: Path, weights: Mapping[str, NDArray[np.float32]]) -> None:
    from safetensors.numpy import save_file

    save_file(dict(weights), str(file), metadata={"format": "pt"})


def _write_json(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content, indent=1), encoding="utf-8")


def save_bfloat16(file: Path, weights: Mapping[str, NDArray[np.float32]]) -> None:
    """The format of safetensors by hand: NumPy has no bfloat16."""
    header, data = {}, b""
    for name, value in weights.items():
        half = (value.view(np.uint32) >> 16).astype("<u2").tobytes()
        header[name] = {
            "dtype": "BF16",
            "shape": value.shape,
            "data_offsets": [len(data), len(data) + len(half)],
        }
        data += half
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + data)
