"""Makes the vectors and scores that small models are compared with, by sentence-transformers in float32.

    python tests/providers/local/make_reference.py

Run it in an environment that has sentence-transformers (and torch); ragctl itself needs neither. It writes
`golden/small_models.json` beside this script.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from small_models import CROSS_MODELS, PASSAGES, QUESTION, SENTENCE_MODELS, TEXTS, write_model

FILE = Path(__file__).resolve().parent / "golden" / "small_models.json"


def prompts(model: Any) -> dict[str, str]:
    """The prompt of questions and that of passages, as `docs/local-embedder.md` says."""
    named = {name: text for name, text in model.prompts.items() if text}
    default = named.get(model.default_prompt_name, "")
    query = named.get("query", default)
    return {"query": query, "passage": named.get("document", named.get("passage", default))}


def vectors_of(folder: Path) -> dict[str, Any]:
    """Vectors of `TEXTS` as questions and as passages, of unit length."""
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu")
    return {
        kind: model.encode(list(TEXTS), prompt=prompt, batch_size=1, normalize_embeddings=True).tolist()
        for kind, prompt in prompts(model).items()
    }


def scores_of(folder: Path) -> list[float]:
    """Scores of `PASSAGES` for `QUESTION`."""
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(str(folder), device="cpu")
    return [float(score) for score in model.predict([(QUESTION, one) for one in PASSAGES], batch_size=1)]


def main() -> None:
    import sentence_transformers
    import torch
    import transformers

    with tempfile.TemporaryDirectory() as base:
        vectors = {
            name: vectors_of(write_model(Path(base) / f"sentence-{name}", small))
            for name, small in SENTENCE_MODELS.items()
        }
        scores = {
            name: scores_of(write_model(Path(base) / f"cross-{name}", small))
            for name, small in CROSS_MODELS.items()
        }
    rounded = {
        name: {kind: [[round(x, 6) for x in row] for row in rows] for kind, rows in of_model.items()}
        for name, of_model in vectors.items()
    }
    known = {
        "made_with": f"sentence-transformers {sentence_transformers.__version__}, "
        f"transformers {transformers.__version__}, torch {torch.__version__}, float32",
        "vectors": rounded,
        "scores": {name: [round(x, 7) for x in row] for name, row in scores.items()},
    }
    FILE.write_text(json.dumps(known) + "\n", encoding="utf-8")
    print(FILE.name, FILE.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
