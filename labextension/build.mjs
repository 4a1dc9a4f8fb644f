// Builds each panel into one self-contained module and one style sheet, which the wheel carries; `--watch` builds again at
// every change. A panel is a module of `src/widgets` with a twin of its name in Python.
import { context } from "esbuild";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));
const twins = join(here, "../gpt_notebook/widgets");
const panels = readdirSync(join(here, "src/widgets"))
  .filter((name) => name.endsWith(".ts") && existsSync(join(twins, name.replace(/\.ts$/, ".py"))))
  .map((name) => `src/widgets/${name}`);

const building = await context({
  absWorkingDir: here,
  entryPoints: panels,
  outdir: join(twins, "static"),
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  logLevel: "info",
});

if (process.argv.includes("--watch")) {
  await building.watch();
} else {
  await building.rebuild();
  await building.dispose();
}
