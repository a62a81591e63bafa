"""A few questions in AQL: a filter by index, an aggregation, a join, a traversal."""

import time

QUESTIONS = [
    (
        "Which airports of Bolivia and Peru lie above 3500 m? (filter by the index on country and elevation)",
        """
        FOR a IN airports
          FILTER a.country IN ["BO", "PE"] AND a.elevationFt > 11500
          SORT a.elevationFt DESC
          LIMIT 5
          RETURN CONCAT(a._key, "  ", a.name, ", ", FLOOR(a.elevationFt * 0.3048), " m")
        """,
    ),
    (
        "How many airports with scheduled flights has each continent, and how high is the highest? (aggregation over all shards)",
        """
        FOR a IN airports
          FILTER a.scheduled
          COLLECT continent = a.continent AGGREGATE number = COUNT(a), highest = MAX(a.elevationFt)
          SORT number DESC
          RETURN CONCAT(continent, "  ", number, " airports, up to ", FLOOR(highest * 0.3048), " m")
        """,
    ),
    (
        "Between which cities did most planes fly? (join of the flights with both their airports)",
        """
        FOR f IN flights
          SORT f.flights DESC
          LIMIT 5
          FOR origin IN airports
            FILTER origin._id == f._from
            FOR target IN airports
              FILTER target._id == f._to
              RETURN CONCAT(f.flights, "  ", origin.city, " - ", target.city, " (", f.km, " km)")
        """,
    ),
    (
        "How do I get from Bangor, Maine to Hilo, Hawaii with at most two stops and the fewest kilometres? (traversal)",
        """
        FOR v, e, p IN 1..3 OUTBOUND "airports/BGR" flights
          FILTER v._key == "ITO"
          LET km = SUM(p.edges[*].km)
          SORT km
          LIMIT 3
          RETURN CONCAT(CONCAT_SEPARATOR(" - ", p.vertices[*]._key), "  ", FLOOR(km), " km")
        """,
    ),
]


def ask_all(db):
    """Asks every question and prints its answer and the time it took."""
    for question, query in QUESTIONS:
        print(f"\n  {question}")
        start = time.monotonic()
        answers = list(db.aql.execute(query))
        took_ms = (time.monotonic() - start) * 1000
        if not answers:
            raise SystemExit(f"no answer to: {question}\n{query}")
        for answer in answers:
            print(f"      {answer}")
        print(f"      ({took_ms:.0f} ms)")
