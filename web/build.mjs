// Bundles src/ into dist/app.js and dist/app.css; with --test, the tests into dist/test/.
import { build } from "esbuild";

const common = { bundle: true, target: "es2022", charset: "utf8", logLevel: "warning", legalComments: "inline" };

if (process.argv.includes("--test")) {
  await build({ ...common, entryPoints: ["src/test/pure.test.ts"], outdir: "dist/test", platform: "node", format: "esm" });
} else {
  await build({
    ...common,
    entryPoints: { app: "src/main.ts" },
    outdir: "dist",
    format: "iife",
    minify: true,
  });
}
