"""The documentation tells all there is."""

import dataclasses
import inspect
import re
from pathlib import Path

import pytest

import gpt_notebook as gpt
from gpt_notebook import finished_rows
from gpt_notebook.attention_maps import Attention, bertviz_views, plots
from gpt_notebook.attention_protocol import MAX_OVERVIEW, SCORE_KINDS
from gpt_notebook.batch_protocol import MAX_ROWS
from gpt_notebook.data import sample
from gpt_notebook.display.quantities import size
from gpt_notebook.fine_tuning import curve
from gpt_notebook.fine_tuning import options as training_options
from gpt_notebook.job_protocol import JobOptions
from gpt_notebook.magics.help_text import COMMANDS
from gpt_notebook.magics.options import OPTIONS
from gpt_notebook.settings import ENVIRONMENT_PREFIX, MIB, Settings

ROOT = Path(__file__).parents[1]


def read(name):
    return (ROOT / name).read_text("utf-8")


@pytest.mark.parametrize("flag", [flag for option in OPTIONS for flag in option.flags])
def test_every_option_of_a_cell_is_documented(flag):
    assert re.search(rf"\| `?[^|]*`{re.escape(flag)}[ `]", read("docs/magics.md"))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_magic_is_documented(command):
    assert f"| `%gpt {command}" in read("docs/magics.md")


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Settings)])
def test_every_setting_is_documented(field):
    assert f"| `{ENVIRONMENT_PREFIX}{field.upper()}` |" in read("docs/settings.md")


def test_no_setting_is_documented_that_is_not_there():
    documented = re.findall(rf"^\| `{ENVIRONMENT_PREFIX}(\w+)`", read("docs/settings.md"), re.MULTILINE)
    assert {name.lower() for name in documented} == {field.name for field in dataclasses.fields(Settings)}


@pytest.mark.parametrize("name", inspect.signature(gpt.map).parameters)
def test_every_argument_of_a_map_is_documented(name):
    assert f"\n| `{name}` |" in read("docs/tables.md")


def test_the_limits_of_what_is_left_of_maps_are_what_is_documented():
    page = re.sub(r"\s+", " ", read("docs/tables.md"))
    assert f"the newest {finished_rows.MOST_FILES} stay, at most {finished_rows.MOST_BYTES // MIB} MiB" in page
    assert f"up to {MAX_ROWS:,}" in page


@pytest.mark.parametrize("name", [name for name in dir(Attention) if not name.startswith("_")])
def test_everything_that_an_attention_can_tell_is_documented(name):
    assert re.search(rf"`a\.{name}[`(]", read("docs/attention.md"))


@pytest.mark.parametrize("kind", SCORE_KINDS)
def test_every_score_is_defined(kind):
    assert f"| `{kind}` |" in read("docs/attention.md")


def test_every_family_that_the_tests_try_is_named_beside_what_is_kept_of_it():
    from model_kernel.attention.test_probe import ONLY_WEIGHTS
    from model_kernel.families import CAUSAL, ENCODER_DECODER, FAMILIES, MASKED

    expected = {
        "recorded": CAUSAL.keys() - ONLY_WEIGHTS - {"mamba"},
        "read at their softmax": ONLY_WEIGHTS,
        "encoders": MASKED.keys(),
        "encoder-decoders": ENCODER_DECODER.keys(),
        "refused, by name": {"mamba"},
    }
    every = set(map(_documented, FAMILIES))
    named = dict(re.findall(r"^\| ([^|`]+) \| ([^|]+) \|", read("docs/attention.md"), re.MULTILINE))
    found = {row: set(re.findall(r"[\w-]+", named[row])) & every for row in expected}
    assert found == {row: set(map(_documented, families)) for row, families in expected.items()}


def _documented(family):
    return family.removesuffix("_text").removesuffix("-alibi")


def test_what_figures_bear_is_what_is_documented():
    page = re.sub(r"\s+", " ", read("docs/attention.md"))
    text = f"{size(bertviz_views.MAX_BYTES)} of text or {bertviz_views.MAX_LINES:,} lines at once, or {MAX_OVERVIEW} tokens"
    assert f"beyond {text}" in page
    assert f"up to {plots.MAX_TOKENS} by {plots.MAX_TOKENS}" in page


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
)
def test_links_between_pages_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", read(page))
    assert [link for link in links if not ((ROOT / page).parent / link).exists()] == []


def test_every_command_that_the_readme_names_is_in_the_makefile():
    named = set(re.findall(r"^make (\w+)", read("README.md"), re.MULTILINE))
    assert named
    assert named <= set(re.findall(r"^(\w+):", read("Makefile"), re.MULTILINE))


@pytest.mark.parametrize(
    "name", [*training_options.Options.__annotations__, *inspect.signature(gpt.finetune).parameters]
)
def test_every_option_of_a_fine_tuning_is_documented(name):
    table = name not in ("data", "options")
    assert not table or re.search(rf"^\| [^|]*`{name}`", read("docs/fine_tuning.md"), re.MULTILINE)


@pytest.mark.parametrize(
    "field", [field for field in dataclasses.fields(JobOptions) if field.default not in (None, 0.0)]
)
def test_the_defaults_of_a_fine_tuning_are_those_that_are_documented(field):
    rows = re.findall(r"^\| ([^|]*) \| ([^|]*) \|", read("docs/fine_tuning.md"), re.MULTILINE)
    told = {
        name: default.strip("`").strip('"')
        for names, defaults in rows
        for name, default in zip(re.findall(r"`(\w+)`", names), re.split(", ", defaults), strict=False)
    }
    value = getattr(JobOptions(), field.name)
    assert told[field.name] == ("{}" if field.name == "lora" else str(value))


def test_the_rules_by_which_a_training_chooses_are_those_that_are_documented():
    from gpt_notebook.training.planning import choices, recipe

    rule = {**vars(choices), **vars(recipe)}
    page = read("docs/fine_tuning.md")
    for row in (
        f"| `epochs` | {rule['EPOCHS']:g} |",
        f"| `batch_size` | {rule['BATCH_SIZE']}, or all if there are fewer |",
        f"| `max_length` | the model's context, at most {rule['LONGEST']:,} |",
    ):
        assert f"\n{row}" in page
    assert (rule["VALIDATIONS"], rule["PROBINGS"], rule["WORK_AT_RISK"]) == (10, 8, 60)
    assert re.search(
        rf"`validate_every` \| a tenth of .* over {rule['VALIDATION_SHARE']:.0%}".replace("%", " % of"), page
    )
    assert re.search(r"`probe_every` \| an eighth of", page)
    assert re.search(
        rf"`save_every` \| about a minute of .* over {rule['SAVING_SHARE']:.0%}".replace("%", " % of"), page
    )
    assert f"less than {rule['SMALL'] // 10**6} million parameters" in page
    assert f"more than {rule['FASTER']} times as fast" in page


@pytest.mark.parametrize("method", ["lora", "full"])
def test_the_learning_rates_that_a_training_chooses_are_those_that_are_documented(method):
    from gpt_notebook.training.planning.recipe import learning_rate_for

    page = read("docs/fine_tuning.md")
    sizes = re.search(r"^\| parameters \| (.*) \|$", page, re.MULTILINE)[1].split(" | ")
    rates = re.search(rf'^\| `method="{method}"` \| (.*) \|$', page, re.MULTILINE)[1].split(" | ")
    units = {"million": 1e6, "billion": 1e9}
    for size_, rate in zip(sizes, rates, strict=True):
        number, unit = size_.split()[:2]
        assert learning_rate_for(method, int(float(number) * units[unit])) == float(rate)


def test_what_stays_of_a_very_long_job_is_what_is_documented():
    page = re.sub(r"\s+", " ", read("docs/fine_tuning.md"))
    kept = f"{curve.MAX_MARKS['validation']:,} validations, {curve.MAX_MARKS['checkpoint']:,} checkpoints"
    assert f"the newest {kept} and {curve.MAX_PROBES:,} texts of probes stay" in page
    assert f"Of more than {sample.MOST_ROWS:,} rows" in page


@pytest.mark.parametrize("name", [name for name in dir(gpt.Job) if not name.startswith("_")])
def test_everything_that_a_job_can_is_documented(name):
    assert re.search(rf"`job\.{name}[`(]", read("docs/fine_tuning.md"))
