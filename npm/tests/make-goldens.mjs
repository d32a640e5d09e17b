// Writes tests/goldens.json: what the program says of the pictures of `pictures.mjs`.
//
//     DUCHENNE=target/release/duchenne node tests/make-goldens.mjs
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pictures, png } from "./pictures.mjs";

const program = process.env.DUCHENNE ?? new URL("../../target/release/duchenne", import.meta.url).pathname;
const folder = mkdtempSync(path.join(tmpdir(), "duchenne-goldens-"));
const goldens = {};
for (const [name, { picture, arguments: given = [] }] of Object.entries(pictures())) {
  const file = path.join(folder, `${name}.png`);
  writeFileSync(file, png(picture));
  const { path: _, ...answer } = JSON.parse(execFileSync(program, ["predict", file, "--json", ...given], { encoding: "utf8" }));
  goldens[name] = answer;
}
rmSync(folder, { recursive: true });
writeFileSync(new URL("goldens.json", import.meta.url), `{\n${Object.entries(goldens)
  .map(([name, golden]) => `${JSON.stringify(name)}: ${JSON.stringify(golden)}`).join(",\n")}\n}\n`);
