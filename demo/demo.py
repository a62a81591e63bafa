#!/usr/bin/env python3
"""The demo: a cluster on this machine with real data in it. Started by `demo/run`.

`load` fills the collections through the HTTP API, `questions` asks in AQL, `failure` kills a
primary under writes and checks that no acknowledged write is lost.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

import requests

import failure
import load
import questions

HERE = Path(__file__).resolve().parent


def arangodb(options, verb, *arguments):
    command = [str(options.programs / "arangodb"), verb, "--starter.data-dir", str(options.data_dir), *arguments]
    return subprocess.run(command, check=False).returncode


def title(text):
    print(f"\n\033[1m{text}\033[0m", flush=True)


def start(options):
    title("1. A cluster: 3 agents, 2 primaries, 2 secondaries, 2 coordinators")
    if (options.data_dir / "setup.json").exists():
        arangodb(options, "stop")
        if not options.keep:
            shutil.rmtree(options.data_dir)
    code = arangodb(options, "start", "--starter.local", f"--starter.port={options.port}")
    if code != 0:
        sys.exit(f"The cluster did not start; its messages are in {options.data_dir}/*.log")
    answer = requests.get(f"http://127.0.0.1:{options.port}/endpoints", timeout=10)
    return answer.json()["coordinators"]


def farewell(options, coordinators):
    title("5. The cluster goes on running. Talk to it:")
    first = coordinators[0]
    print(f"""
  curl -s {first}/_api/version
  curl -s {first}/_db/demo/_api/cursor -d '{{"query": "FOR a IN airports FILTER a.country == \\"IS\\" RETURN a.name"}}'

  # Python: pip install python-arango
  from arango import ArangoClient
  db = ArangoClient(hosts={coordinators!r}).db("demo")
  print(list(db.aql.execute("FOR a IN airports LIMIT 3 RETURN a")))

  // JavaScript: npm install arangojs
  import {{ Database }} from "arangojs";
  const db = new Database({{ url: "{first}", databaseName: "demo" }});
  const cursor = await db.query("FOR a IN airports LIMIT 3 RETURN a");
  console.log(await cursor.all());

  What runs where:  {options.programs}/arangodb status --starter.data-dir {options.data_dir}
  Stop it:          ./demo/run --stop
""")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=Path, required=True, help="folder with arangodb and arangod")
    parser.add_argument("--data-dir", type=Path, required=True, help="folder for the cluster")
    parser.add_argument("--port", type=int, default=8528, help="port of the scheduler; the servers use the ports after it")
    parser.add_argument("--keep", action="store_true", help="keep the data of an earlier run")
    parser.add_argument("--stop", action="store_true", help="stop the cluster")
    options = parser.parse_args()
    if options.stop:
        sys.exit(arangodb(options, "stop"))
    coordinators = start(options)
    title("2. Real data: the world's airports and the flights between US airports in 2008")
    db = load.load(coordinators, HERE / "data")
    title("3. Questions")
    questions.ask_all(db)
    title("4. What happens when a primary is killed")
    failure.show(db, f"http://127.0.0.1:{options.port}")
    farewell(options, coordinators)


if __name__ == "__main__":
    main()
