"""A spec as the text of an Airflow DAG file. Knows Airflow's language, and imports nothing of it."""
