// The quick start of arangojs: `node quick_start.mjs URL`. Prints "all good" at the end.
import { readFileSync } from "node:fs";
import { strict as assert } from "node:assert";
import { Database, aql } from "arangojs";

const system = new Database({ url: process.argv[2], databaseName: "_system", auth: { username: "root", password: "" } });
const name = "js_quick_start";
if (await system.database(name).exists()) await system.dropDatabase(name);
const db = await system.createDatabase(name);
try {
  const pokemons = await db.createCollection("my-pokemons");
  const meta = await pokemons.save({ _key: "pikachu", type: "electric", level: 12 });
  assert.equal(meta._id, "my-pokemons/pikachu");
  await pokemons.saveAll([{ type: "fire", level: 5 }, { type: "water", level: 7 }]);
  await pokemons.ensureIndex({ type: "persistent", fields: ["type"] });
  const cursor = await db.query(aql`
    FOR pokemon IN ${pokemons}
    FILTER pokemon.type == "fire"
    RETURN pokemon
  `);
  const found = await cursor.all();
  assert.equal(found.length, 1);
  assert.equal(found[0].level, 5);
  await pokemons.update("pikachu", { level: 13 });
  assert.equal((await pokemons.document("pikachu")).level, 13);
  await assert.rejects(pokemons.save({ _key: "pikachu" }), (error) => error.errorNum === 1210 && error.code === 409);
  assert.equal((await pokemons.count()).count, 3);
  const batches = await db.query("FOR n IN 1..2500 RETURN n", {}, { batchSize: 100 });
  let sum = 0;
  for await (const n of batches) sum += n;
  assert.equal(sum, (2500 * 2501) / 2);
  await pokemons.remove("pikachu");
  assert.equal(await pokemons.documentExists("pikachu"), false);
  const { version } = await db.version();
  const driver = JSON.parse(readFileSync("node_modules/arangojs/package.json", "utf8")).version;
  console.log(`arangojs ${driver} with server ${version}`);
} finally {
  await system.dropDatabase(name);
}
console.log("all good");
