"""Makes music.db beside this file: a music shop with some genres, artists, tracks, customers and sales.

python make_shop.py
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

SCHEMA = """
CREATE TABLE genre (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE artist (id INTEGER PRIMARY KEY, name TEXT NOT NULL, country TEXT NOT NULL);
CREATE TABLE track (
    id INTEGER PRIMARY KEY, title TEXT NOT NULL, artist_id INTEGER NOT NULL REFERENCES artist (id),
    genre_id INTEGER NOT NULL REFERENCES genre (id), seconds INTEGER NOT NULL, price NUMERIC NOT NULL);
CREATE TABLE customer (id INTEGER PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL, city TEXT NOT NULL);
CREATE TABLE sale (
    id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customer (id),
    track_id INTEGER NOT NULL REFERENCES track (id), sold_on DATE NOT NULL);
CREATE VIEW spending AS
    SELECT c.name AS customer, sum(t.price) AS spent FROM sale s
    JOIN customer c ON c.id = s.customer_id JOIN track t ON t.id = s.track_id GROUP BY c.id;
"""
GENRES = ("Rock", "Jazz", "Folk", "Electronic")
ARTISTS = (("The Lanterns", "UK"), ("Ida Quartet", "DE"), ("Moss & Fern", "IE"), ("Node 9", "FR"))
TRACKS = 40
CUSTOMERS = (("Ana", "Porto"), ("Bo", "Malmö"), ("Chidi", "Lagos"), ("Dana", "Brno"), ("Eiko", "Osaka"))
SALES = 120


def fill(connection: sqlite3.Connection) -> None:
    """Rows that are the same each time."""
    connection.executescript(SCHEMA)
    connection.executemany("INSERT INTO genre (name) VALUES (?)", [(one,) for one in GENRES])
    connection.executemany("INSERT INTO artist (name, country) VALUES (?, ?)", ARTISTS)
    tracks = [
        (f"Track {n}", 1 + n % 4, 1 + (n * n) % 7 % 4, 150 + n * 37 % 200, 0.99 if n % 3 else 1.49)
        for n in range(1, TRACKS + 1)
    ]
    connection.executemany(
        "INSERT INTO track (title, artist_id, genre_id, seconds, price) VALUES (?, ?, ?, ?, ?)", tracks
    )
    customers = [(name, f"{name.lower()}@example.org", city) for name, city in CUSTOMERS]
    connection.executemany("INSERT INTO customer (name, email, city) VALUES (?, ?, ?)", customers)
    sales = [
        (1 + n * n % 5, 1 + n * 7 % TRACKS, f"2025-{1 + n % 12:02}-{1 + n % 28:02}")
        for n in range(1, SALES + 1)
    ]
    connection.executemany("INSERT INTO sale (customer_id, track_id, sold_on) VALUES (?, ?, ?)", sales)


def main() -> None:
    path = Path(__file__).resolve().with_name("music.db")
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        fill(connection)
        connection.commit()


if __name__ == "__main__":
    main()
