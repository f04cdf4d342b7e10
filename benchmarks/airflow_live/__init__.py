"""A real Airflow on loopback, and what exported DAGs do in it. Run by hand: `make airflow-live`."""
