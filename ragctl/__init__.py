"""ragctl: retrieval-augmented generation from the command line and in Airflow, from one YAML spec."""

__version__ = "0.1.0"
