"""The two places that know Airflow: inside one of its tasks, and outside, over its REST API."""
