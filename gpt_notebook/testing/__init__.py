"""A model kernel without a model, for tests: yours of notebook code, and ours.

`FakeEngine` answers at once with a text that you give it, and `serving` puts the real server before it, so that a test
goes the whole way over a socket and only the weights are missing:

    from gpt_notebook.testing import FakeEngine, serving

    def test_the_summary_is_one_line(monkeypatch):
        with serving(FakeEngine("A fox finds a key.")) as model_kernel:
            monkeypatch.setenv("GPT_NOTEBOOK_URL", model_kernel.address)
            monkeypatch.setenv("GPT_NOTEBOOK_TOKEN", model_kernel.token)
            assert my_notebook.summarise("Once upon a time …") == "A fox finds a key."

A `Gate` holds tokens back until the test has seen what it wants to see, with no sleep anywhere:

    engine = FakeEngine("one two three", gate=Gate())
    with serving(engine) as model_kernel:
        events = model_kernel.client().generate(GenerateRequest(prompt="Count"))
        engine.gate.let(1)
        …                                            # one token has come, and the generation still runs
        events.close()
        engine.wait_until(lambda: not engine.requests())

Needs what the model kernel needs (`gpt-notebook[local]`) but imports neither torch nor transformers.
"""

from gpt_notebook.testing.fake_engine import FakeEngine
from gpt_notebook.testing.gate import Gate
from gpt_notebook.testing.serving import ServedModelKernel, serving

__all__ = ["FakeEngine", "Gate", "ServedModelKernel", "serving"]
