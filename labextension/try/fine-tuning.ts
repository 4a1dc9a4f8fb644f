/** The fine-tuning panel with a made-up job: /fine-tuning.html?points=50000&rate=20&dark=1&width=320&state={"smoothing":0.9} or with form=1. */

import { mount } from "../src/widgets/fine_tuning.ts";
import { FakeJob } from "./fake-job.ts";

const asked = new URLSearchParams(location.search);
const number = (name: string, otherwise: number): number => Number(asked.get(name) ?? otherwise);

document.body.dataset["jpThemeLight"] = String(!asked.has("dark"));
document.body.style.background = asked.has("dark") ? "#111111" : "#ffffff";
const main = document.querySelector("main")!;
if (asked.has("width")) main.style.width = `${number("width", 0)}px`;

const job = new FakeJob({
  points: number("points", 140),
  rate: number("rate", 5),
  state: (asked.get("job") ?? "running") as "running",
  reachable: !asked.has("alone"),
  every: number("every", 0),
});
if (asked.has("empty")) job.open = async () => ({ data: null, form: null, models: [], jobs: [] });
mount(main, job, { job: asked.has("form") || asked.has("empty") ? null : "job", ...JSON.parse(asked.get("state") ?? "{}") });
Object.assign(window, { job });
