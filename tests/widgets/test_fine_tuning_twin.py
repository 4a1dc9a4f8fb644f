"""The static twin of a fine-tuning panel and its saved page: curves, probes and settings, without a script."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from fake_jobs import INFO
from fine_tuning_views import Known

from gpt_notebook.errors import InvalidRequest, JobNotFound
from gpt_notebook.fine_tuning import records as job_records
from gpt_notebook.job_events import Probed, StateChanged
from gpt_notebook.job_files.directory import JobSpec, directory_of
from gpt_notebook.job_protocol import JobOptions, JobRequest
from gpt_notebook.session import session
from gpt_notebook.widgets.fine_tuning import FineTuningPanel

EVIL = "</pre><script>alert(1)</script>\x1b[31m"


@pytest.fixture
def panel(fake_jobs, built):
    fake_jobs.info = dataclasses.replace(INFO, options=JobOptions(max_steps=4, probes=("Once",)), best_step=2)
    fake_jobs.add(StateChanged, state="running")
    fake_jobs.prepared()
    fake_jobs.add(Probed, step=0, index=0, prompt="Once", text=" upon")
    for step in (1, 2, 3):
        fake_jobs.step(step, loss=4.0 - step)
    fake_jobs.validated(2, 1.5)
    fake_jobs.add(Probed, step=3, index=0, prompt="Once", text=EVIL)
    fake_jobs.add(StateChanged, state="paused", step=3)
    panel = FineTuningPanel("pip")
    yield panel
    panel.close()


def test_it_has_the_curves_as_a_picture(panel):
    (svg,) = re.findall("<svg.*?</svg>", panel.twin(), re.DOTALL)
    words = [each.text for each in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314 - our own
    assert {"training", "validation", "best", "paused", "step"} <= set(words)


def test_it_has_the_probes_and_the_settings(panel):
    twin = panel.twin()
    for word in ("step 0", "step 3", " upon", "max steps", "run its cell"):
        assert word in twin


def test_what_a_model_says_is_no_markup(panel):
    twin = panel.twin()
    assert "<script" not in twin
    assert "\x1b" not in twin
    assert "&lt;script&gt;" in twin


def test_of_many_rounds_of_probes_some_are_shown(panel, fake_jobs):
    for step in range(4, 40):
        fake_jobs.step(step)
        fake_jobs.add(Probed, step=step, index=0, prompt="Once", text=f" round {step}")
    found = re.findall(r">step (\d+)</td>", panel.twin())
    assert (found[0], found[-1], len(found)) == ("0", "39", 4)


def test_a_panel_without_a_job_shows_its_form_and_an_example(settings, built):
    twin = FineTuningPanel(["a fox"], name="pip", epochs=2).twin()
    assert "pip" in twin
    assert "epochs" in twin
    assert "gpt.FineTuningPanel(&quot;stories.jsonl&quot;" in twin


def test_the_twin_of_a_deleted_job_says_so(panel, fake_jobs, monkeypatch):
    panel.twin()
    panel._answers.watch().gone = "the job pip is there no more"
    assert "is there no more" in panel.twin()


def saved(panel, tmp_path):
    html = panel.save(tmp_path / "run.html").read_text("utf-8")
    text = re.search(r'<script type="application/json" id="gpt-saved">(.*?)</script', html, re.DOTALL)[1]
    return html, json.loads(text)


def curves(found):
    return [each for each in found["answers"] if each["method"] == "curve"]


def gone(job):
    message = f"there is no job {job}"
    raise JobNotFound(message)


def test_a_saved_page_has_the_whole_curve(panel, tmp_path):
    html, found = saved(panel, tmp_path)
    assert "default-src 'none'" in html
    assert "<svg" in html
    (curve,) = curves(found)
    known = Known().take(curve["answer"], base64.b64decode(curve["buffers"][0]))
    assert known.steps == [1, 2, 3]
    np.testing.assert_allclose(known.rows[:, 1], [3, 2, 1])
    assert found["state"]["job"] == "1f"
    assert "open" in [each["method"] for each in found["answers"]]


def test_a_saved_page_has_the_curves_of_the_jobs_beside_it_that_are_there(panel, tmp_path, monkeypatch):
    other = JobSpec(
        id="2f", name="tale", created=1.0, request=JobRequest(data="0" * 64), source="/nowhere", fingerprint="fake"
    )
    directory = directory_of(session.settings.home_directory(), "tale")
    directory.create()
    directory.write_spec(other)
    found_by_id = {
        "1f": job_records.find("1f"),
        "2f": dataclasses.replace(INFO, id="2f", directory=str(directory.path)),
    }
    monkeypatch.setattr(job_records, "find", lambda job: found_by_id.get(job) or gone(job))
    panel.state = {"others": ["2f", "3f"]}
    _, found = saved(panel, tmp_path)
    assert [each["params"]["job"] for each in curves(found)] == ["1f", "2f"]


def test_it_is_saved_without_a_model_kernel(panel, tmp_path, model_kernel):
    panel.twin()
    model_kernel.close()
    _, found = saved(panel, tmp_path)
    assert len(curves(found)) == 1


def test_it_is_saved_in_a_directory_that_is_there(panel, tmp_path):
    with pytest.raises(InvalidRequest, match="can be no file"):
        panel.save(tmp_path / "nowhere" / "run.html")
