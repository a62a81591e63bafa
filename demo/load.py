"""Fills the database `demo` through the HTTP API, with python-arango as any client would."""

import csv
import math
import sys
import time

from arango import ArangoClient

BATCH = 500


def load(coordinators, folder):
    """Creates the database and its collections, loads both files, returns the database."""
    client = ArangoClient(hosts=coordinators)
    system = client.db("_system")
    if system.has_database("demo"):
        system.delete_database("demo")
    system.create_database("demo")
    db = client.db("demo")
    db.create_collection("airports", shard_count=3, replication_factor=2)
    db.create_collection("flights", edge=True, shard_count=3, replication_factor=2)
    db.collection("airports").add_index({"type": "persistent", "fields": ["country", "elevationFt"]})

    airports = {row["code"]: airport(row) for row in rows(folder / "airports.csv")}
    insert(db.collection("airports"), list(airports.values()))
    insert(db.collection("flights"), [flight(row, airports) for row in rows(folder / "flights.csv")])
    return db


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def airport(row):
    return {
        "_key": row["code"], "name": row["name"], "city": row["city"], "country": row["country"], "countryName": row["countryName"],
        "continent": row["continent"], "size": row["size"], "scheduled": row["scheduled"] == "yes",
        "location": [float(row["lon"]), float(row["lat"])], "elevationFt": int(row["elevationFt"]) if row["elevationFt"] else None,
    }


def flight(row, airports):
    origin, destination = row["origin"], row["destination"]
    km = great_circle_km(airports[origin]["location"], airports[destination]["location"])
    return {"_key": f"{origin}-{destination}", "_from": f"airports/{origin}", "_to": f"airports/{destination}", "flights": int(row["flights"]), "km": round(km, 1)}


def great_circle_km(a, b):
    (lon1, lat1), (lon2, lat2) = ([math.radians(degrees) for degrees in place] for place in (a, b))
    haversine = math.sin((lat2 - lat1) / 2) ** 2 + math.cos(lat1) * math.cos(lat2) * math.sin((lon2 - lon1) / 2) ** 2
    return 2 * 6371.0 * math.asin(math.sqrt(haversine))


def insert(collection, documents):
    """Inserts in batches and shows how far it is; a document that fails ends the program."""
    start = time.monotonic()
    for begin in range(0, len(documents), BATCH):
        results = collection.insert_many(documents[begin:begin + BATCH], overwrite=True)
        failed = [result for result in results if isinstance(result, Exception)]
        if failed:
            sys.exit(f"\n{collection.name}: {failed[0]}")
        bar(collection.name, min(begin + BATCH, len(documents)), len(documents), start)
    print()
    count = collection.count()
    if count != len(documents):
        sys.exit(f"{collection.name} has {count} documents instead of {len(documents)}")


def bar(name, done, total, start):
    filled = 40 * done // total
    rate = done / max(time.monotonic() - start, 1e-6)
    end = "" if sys.stdout.isatty() else "\n" if done == total else None
    if end is not None:
        print(f"\r  {name:<9} [{'#' * filled}{'.' * (40 - filled)}] {done:>6}/{total} documents, {rate:,.0f}/s ", end=end, flush=True)
