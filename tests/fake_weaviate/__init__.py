"""A FAKE of a Weaviate server, on loopback, for what ragctl sends to one and does with the answers.

It is built on the client's own gRPC stubs, keeps objects in memory, and refuses requests that the real
server would refuse, as far as ragctl makes such. Its ranking proves nothing: vectors are compared one by
one, and words are counted. Nothing measured on it says anything about Weaviate.
"""

from fake_weaviate.server import FakeWeaviate

__all__ = ["FakeWeaviate"]
