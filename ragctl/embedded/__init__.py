"""The embedded PostgreSQL server with pgvector: a private server that lives beside the spec.

`server` has the one class that others use, `EmbeddedServer`. Nothing heavy is imported here;
psycopg and filelock are imported by the calls that need them.
"""
