// Serves the playgrounds of the panels and builds it anew at every load: `node try/serve.mjs`.
import { context } from "esbuild";
import { fileURLToPath } from "node:url";

const here = fileURLToPath(new URL(".", import.meta.url));

const building = await context({
  absWorkingDir: here,
  entryPoints: ["try.ts", "try.css", "panel.ts", "fine-tuning.ts"],
  outdir: here,
  write: false,
  bundle: true,
  format: "esm",
  target: "es2022",
  logLevel: "info",
});
await building.serve({ servedir: here, host: "127.0.0.1", port: Number(process.env.PORT ?? 8123) });
